"""The size of the support: from the learned share `eta` to the real number `N` of cells that a pool averages."""

import jax
import jax.numpy as jnp
import numpy as np

ROUNDINGS = ("interpolate", "ceil")


def support_size(eta: jax.Array, cells, rounding: str = "interpolate") -> jax.Array:
    """`N = 1 + eta * (M - 1)`; with `rounding="ceil"`, `N = 1 + ceil(eta * (M - 1))` as in the Caffe layer.

    The derivative is `M - 1` under both roundings: "ceil" passes it straight through the step, whose own
    derivative, zero, would never move `eta`.

    Args:
      eta: shares in [0, 1].
      cells: `M`, how many cells a map has; a number or an array that broadcasts to `eta`.
      rounding: "interpolate" or "ceil".

    Returns:
      Sizes in [1, M], of the shape of `eta`.

    Raises:
      ValueError: an unknown rounding.
    """
    more = eta * (jnp.asarray(cells, eta.dtype) - 1)
    if rounding == "ceil":
        more = more + jax.lax.stop_gradient(jnp.ceil(more) - more)
    elif rounding != "interpolate":
        raise ValueError(f"rounding: got {rounding!r}, expected one of {ROUNDINGS}")
    return 1 + more


def check_eta(eta) -> None:
    """Raises ValueError for an `eta` outside [0, 1] (or NaN) where its values are known, that is outside of jit."""
    if isinstance(eta, jax.core.Tracer):
        return
    eta = np.asarray(eta)  # NumPy, which computes under jit too
    if not ((eta >= 0) & (eta <= 1)).all():
        raise ValueError(f"eta must lie in [0, 1]: got values from {eta.min()} to {eta.max()}, expected 0 to 1")
