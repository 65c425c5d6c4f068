"""Poolings by name, for configs and comparisons."""

import dataclasses
import difflib

import flax.linen as nn

from lena_jax.pooling import modules

POOLINGS: dict[str, type[modules.Pooling]] = {
    "lena": modules.LENAPool,
    "average": modules.AveragePool,
    "max": modules.MaxPool,
    "top_n": modules.TopNPool,
    "gem": modules.GeMPool,
    "lse": modules.LSEPool,
    "softmax": modules.SoftmaxPool,
    "weldon": modules.WeldonPool,
}


def make_pooling(name: str, **options) -> nn.Module:
    """Makes a pooling module by name.

    Args:
      name: one of `POOLINGS`.
      **options: attributes of the module, such as `init_share=0.2` for "lena" or `n=20` for "top_n"; `name` of the
        Flax module cannot be set here.

    Returns:
      The module, with `__call__(x, where=None)` and `weights(x, where=None)`.

    Raises:
      ValueError: an unknown name or option; the message has the known ones and the nearest.

    Example:
      >>> make_pooling("lena", init_share=0.2)
    """
    if name not in POOLINGS:
        raise ValueError(_unknown("pooling", name, POOLINGS))
    known = [f.name for f in dataclasses.fields(POOLINGS[name]) if f.name not in ("parent", "name")]
    for option in options:
        if option not in known:
            raise ValueError(_unknown(f"option of the pooling {name!r}", option, known))
    return POOLINGS[name](**options)


def _unknown(what: str, got: str, known) -> str:
    near = difflib.get_close_matches(str(got), known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown {what}: got {got!r}, expected one of {', '.join(known)}{hint}"
