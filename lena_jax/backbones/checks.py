"""Checks that every backbone makes of its pictures and options."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp


def check_pictures(x) -> None:
    """Check the shape and type of normalised pictures `[B, H, W, 3]`.

    Raises:
        ValueError: if the shape is wrong, H or W is below 64, or the type is not floating point.
    """
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"got pictures of type {x.dtype}, expected floating point: normalize() them first")
    if x.ndim != 4 or x.shape[3] != 3 or min(x.shape[1:3]) < 64:
        raise ValueError(f"got pictures of shape {x.shape}, expected [B, H, W, 3] with H and W at least 64")


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Check that the option `name` has one of its values.

    Raises:
        ValueError: if it has not; the message lists them.
    """
    if value not in choices:
        raise ValueError(f"got {name} {value!r}, expected {' or '.join(map(repr, choices))}")
