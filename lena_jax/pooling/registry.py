"""Poolings by name, for configs and comparisons. To add one: write its file with a `RECORD`, and name the file here."""

import dataclasses
import difflib
import importlib
from collections.abc import Iterable
from typing import Any

from lena_jax.pooling.base import Pooling, PoolingRecord

# Tables and error messages list poolings in this order.
_FILES = (
    "lena",
    "average",
    "maximum",
    "top_n",
    "gem",
    "lse",
    "softmax",
    "weldon",
)


POOLINGS: dict[str, PoolingRecord] = {
    record.name: record for record in (importlib.import_module(f"lena_jax.pooling.{file}").RECORD for file in _FILES)
}


def make_pooling(name: str, **options: Any) -> Pooling:
    """Make a pooling module by name.

    Args:
        name: one of `POOLINGS`.
        **options: attributes of the module, such as `init_share=0.2` for "lena" or `n=20` for "top_n". The `name` of
            the Flax module cannot be set here.

    Returns:
        The module, with `__call__(x, where=None)` and `weights(x, where=None)`.

    Raises:
        ValueError: if the name or an option is unknown. The message lists the known ones and suggests the nearest.

    Example:
        >>> from lena_jax.pooling import make_pooling
        >>> pool = make_pooling("lena", init_share=0.2)
        >>> type(pool).__name__, pool.init_share
        ('LENAPool', 0.2)
        >>> make_pooling("lean")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ValueError: unknown pooling: got 'lean', expected one of lena, average, ...; did you mean 'lena'?
    """
    if name not in POOLINGS:
        raise ValueError(_unknown("pooling", name, POOLINGS))
    module = POOLINGS[name].module
    known = option_names(module)
    for option in options:
        if option not in known:
            raise ValueError(_unknown(f"option of the pooling {name!r}", option, known))
    return module(**options)


def option_names(module: type[Pooling]) -> list[str]:
    """Return the names of the options that a pooling module takes.

    Example:
        >>> from lena_jax.pooling import GeMPool
        >>> from lena_jax.pooling.registry import option_names
        >>> option_names(GeMPool)
        ['axis', 'window', 'strides', 'padding', 'init_power', 'eps']
    """
    return [field.name for field in dataclasses.fields(module) if field.name not in ("parent", "name")]


def _unknown(what: str, got: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(got), known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown {what}: got {got!r}, expected one of {', '.join(known)}{hint}"
