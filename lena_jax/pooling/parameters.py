"""The learned parameters of poolings in a tree of parameters: reading, labelling, and keeping them out of decay."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from lena_jax.pooling.support import support_size

PARAMETERIZATIONS = ("sigmoid", "clip")
PARAMETER_NAMES = ("eta", "gem_log_power", "lse_log_sharpness", "softmax_sharpness")


def eta_from_parameter(parameter: jax.Array, parameterization: str = "sigmoid") -> jax.Array:
    """The share in [0, 1] that an unconstrained parameter stands for; "clip" passes gradients unchanged."""
    check_parameterization(parameterization)
    if parameterization == "sigmoid":
        return jax.nn.sigmoid(parameter)
    return parameter + jax.lax.stop_gradient(jnp.clip(parameter, 0, 1) - parameter)


def parameter_from_eta(eta: float, parameterization: str = "sigmoid") -> float:
    """The parameter that stands for the share `eta`.

    Raises:
      ValueError: a share outside of (0, 1) for "sigmoid", of [0, 1] for "clip".
    """
    check_parameterization(parameterization)
    if parameterization == "sigmoid":
        if not 0 < eta < 1:
            raise ValueError(f"initial share under a sigmoid: got {eta}, expected a number strictly between 0 and 1")
        return math.log(eta) - math.log1p(-eta)
    if not 0 <= eta <= 1:
        raise ValueError(f"initial share: got {eta}, expected a number from 0 to 1")
    return float(eta)


def check_parameterization(parameterization: str) -> None:
    """Raises ValueError for an unknown parameterization."""
    if parameterization not in PARAMETERIZATIONS:
        raise ValueError(f"parameterization: got {parameterization!r}, expected one of {PARAMETERIZATIONS}")


def support_sizes(
    eta_parameter, cells: int, parameterization: str = "sigmoid", rounding: str = "interpolate"
) -> jax.Array:
    """The learned sizes of the supports, `N` per channel, in cells.

    Args:
      eta_parameter: the parameter `eta` of a `LENAPool`, `[C]`, as it lies in the tree of parameters.
      cells: `M`, the number of cells of a map.
      parameterization, rounding: those of the `LENAPool`.

    Returns:
      `[C]`, real numbers in [1, cells].

    Raises:
      ValueError: fewer than one cell, an unknown parameterization or rounding.
    """
    if cells < 1:
        raise ValueError(f"cells: got {cells}, expected at least 1")
    return support_size(eta_from_parameter(jnp.asarray(eta_parameter), parameterization), cells, rounding)


def label_pooling(params: Any, pooling: str = "pooling", rest: str = "rest") -> Any:
    """Labels the parameters of poolings, for `optax.multi_transform`.

    A parameter belongs to a pooling if its own name is among `PARAMETER_NAMES`, at any depth of the tree.

    Args:
      params: nested dictionaries of parameters.
      pooling, rest: the two labels.

    Returns:
      A tree of the same structure that holds labels.

    Example:
      >>> optax.multi_transform({"pooling": optax.sgd(1e-2), "rest": optax.adamw(1e-3)}, label_pooling)
    """
    return jax.tree_util.tree_map_with_path(lambda path, _: pooling if _is_pooling(path) else rest, params)


def decay_mask(params: Any) -> Any:
    """True where weight decay may act: everywhere but on the parameters of poolings.

    Example:
      >>> optax.adamw(1e-3, weight_decay=0.05, mask=decay_mask)
    """
    return jax.tree_util.tree_map_with_path(lambda path, _: not _is_pooling(path), params)


def _is_pooling(path) -> bool:
    # The last dictionary key is the name; boxes of metadata (nn.Partitioned) add other kinds of keys below it.
    names = [entry.key for entry in path if isinstance(entry, jax.tree_util.DictKey)]
    return bool(names) and names[-1] in PARAMETER_NAMES
