"""The size of the support: how many cells of a map a pooling averages, learned or fixed."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from lena_jax.pooling.layout import Layout

ROUNDINGS = ("interpolate", "ceil")
PARAMETERIZATIONS = ("sigmoid", "clip")


def support_size(eta: jax.Array, cells: ArrayLike, rounding: str = "interpolate") -> jax.Array:
    """Return `N = 1 + eta * (M - 1)`, or `1 + ceil(eta * (M - 1))` with `rounding="ceil"` as in the Caffe layer.

    The derivative is `M - 1` under both roundings: "ceil" is passed straight through. Its own derivative is zero and
    would never move `eta`.

    Args:
        eta: shares in [0, 1].
        cells: `M`, the number of cells of a map: a number, or an array that broadcasts to `eta`.
        rounding: "interpolate" or "ceil".

    Returns:
        Sizes in [1, M], in the shape of `eta`.

    Raises:
        ValueError: if the rounding is unknown.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling.support import support_size
        >>> eta = jnp.array([0.0, 0.25, 1.0])
        >>> support_size(eta, 11), support_size(eta, 11, rounding="ceil")
        (Array([ 1. ,  3.5, 11. ], dtype=float32), Array([ 1.,  4., 11.], dtype=float32))
    """
    more = eta * (jnp.asarray(cells, eta.dtype) - 1)
    if rounding == "ceil":
        more = more + jax.lax.stop_gradient(jnp.ceil(more) - more)
    elif rounding != "interpolate":
        raise ValueError(f"rounding: got {rounding!r}, expected one of {ROUNDINGS}")
    return 1 + more


def fixed_size(layout: Layout, n: float, name: str) -> jax.Array:
    """Return the size of the support of every map: `n` cells, or all valid cells where a map has fewer.

    Args:
        layout: the maps.
        n: the number of cells.
        name: what the error calls `n`.

    Raises:
        ValueError: if `n` is outside 1 to the number of cells of a map, or that number is symbolic and nothing says
            that it is at least `n`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import lay_out
        >>> from lena_jax.pooling.support import fixed_size
        >>> fixed_size(lay_out(jnp.ones((2, 3, 1))), 4, "n")
        Array([4.], dtype=float32)
    """
    m = layout.cells.shape[layout.axis]
    try:
        inside = 1 <= n <= m
    except jax.errors.InconclusiveDimensionOperation as error:
        raise ValueError(
            f"{name} must lie in 1 to the number of cells: got {n} and maps of symbolic size {m}, "
            f"expected the constraint '{m} >= {math.ceil(n)}' in jax.export.symbolic_shape"
        ) from error
    if not inside:
        raise ValueError(f"{name} must lie in 1 to the number of cells: got {n}, expected 1 to {m}")
    count = layout.per_map(n, name, layout.sum_dtype)
    return count if layout.valid is None else jnp.minimum(count, jnp.asarray(layout.count()).astype(count.dtype))


def check_eta(eta: ArrayLike) -> None:
    """Check that `eta` lies in [0, 1] where its values are known, that is outside of jit.

    Raises:
        ValueError: if a share lies outside [0, 1] or is NaN.

    Example:
        >>> from lena_jax.pooling.support import check_eta
        >>> check_eta(1.5)
        Traceback (most recent call last):
        ValueError: eta must lie in [0, 1]: got values from 1.5 to 1.5, expected 0 to 1
    """
    if isinstance(eta, jax.core.Tracer):
        return
    eta = np.asarray(eta)  # NumPy computes at once, under jit too.
    if not ((eta >= 0) & (eta <= 1)).all():
        raise ValueError(f"eta must lie in [0, 1]: got values from {eta.min()} to {eta.max()}, expected 0 to 1")


def eta_from_parameter(parameter: jax.Array, parameterization: str = "sigmoid") -> jax.Array:
    """Convert the unconstrained parameter of `LENAPool` to the share in [0, 1].

    Args:
        parameter: the parameter `eta` of a `LENAPool`, as it lies in the tree of parameters.
        parameterization: "sigmoid", or "clip", which passes gradients through unchanged.

    Returns:
        Shares in [0, 1], in the shape of `parameter`.

    Raises:
        ValueError: if the parameterization is unknown.

    Example:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from lena_jax.pooling import eta_from_parameter
        >>> eta_from_parameter(jnp.array([0.0, 1.5]), "clip")
        Array([0., 1.], dtype=float32)
        >>> np.asarray(eta_from_parameter(jnp.array([0.0, 1.5]))).round(2)
        array([0.5 , 0.82], dtype=float32)
    """
    check_parameterization(parameterization)
    if parameterization == "sigmoid":
        return jax.nn.sigmoid(parameter)
    return parameter + jax.lax.stop_gradient(jnp.clip(parameter, 0, 1) - parameter)


def parameter_from_eta(eta: float, parameterization: str = "sigmoid") -> float:
    """Convert a share to the parameter that stands for it: the inverse of `eta_from_parameter`.

    Args:
        eta: a share in (0, 1) for "sigmoid", in [0, 1] for "clip".
        parameterization: "sigmoid" or "clip".

    Raises:
        ValueError: if the share lies outside its range, or the parameterization is unknown.

    Example:
        >>> from lena_jax.pooling import parameter_from_eta
        >>> round(parameter_from_eta(0.1), 3), parameter_from_eta(0.1, "clip")
        (-2.197, 0.1)
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
    """Check that the parameterization is a known one.

    Raises:
        ValueError: if it is not.

    Example:
        >>> from lena_jax.pooling.support import check_parameterization
        >>> check_parameterization("tanh")
        Traceback (most recent call last):
        ValueError: parameterization: got 'tanh', expected one of ('sigmoid', 'clip')
    """
    if parameterization not in PARAMETERIZATIONS:
        raise ValueError(f"parameterization: got {parameterization!r}, expected one of {PARAMETERIZATIONS}")


def support_sizes(
    eta_parameter: ArrayLike, cells: int, parameterization: str = "sigmoid", rounding: str = "interpolate"
) -> jax.Array:
    """Convert the parameter of `LENAPool` to the learned size of each channel's support, `N`, in cells.

    Args:
        eta_parameter: the parameter `eta` of a `LENAPool`, `[C]`, as it lies in the tree of parameters.
        cells: `M`, the number of cells of a map.
        parameterization: that of the `LENAPool`.
        rounding: that of the `LENAPool`.

    Returns:
        `[C]`, real numbers in [1, cells].

    Raises:
        ValueError: if there is less than one cell, or the parameterization or rounding is unknown.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import support_sizes
        >>> support_sizes(jnp.array([-100.0, 0.0, 100.0]), cells=49)  # shares of 0, 0.5 and 1
        Array([ 1., 25., 49.], dtype=float32)
    """
    if cells < 1:
        raise ValueError(f"cells: got {cells}, expected at least 1")
    return support_size(eta_from_parameter(jnp.asarray(eta_parameter), parameterization), cells, rounding)
