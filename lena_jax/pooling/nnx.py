"""The poolings as Flax NNX modules, with the names, parameters and defaults of the linen modules.

    from lena_jax.pooling import nnx as pooling

    pool = pooling.LENAPool(512)  # `pool.eta` is an nnx.Param, [512]
    pooled = pool(feature_map)

A module here holds the learned parameter and hands it to the linen module, which has the options and the logic.
"""

from typing import Any, ClassVar, cast

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import ArrayLike

from lena_jax.pooling import base
from lena_jax.pooling.registry import POOLINGS, make_pooling


class Pooling(nnx.Module):
    """The base class of the NNX modules.

    The learned parameter, if there is one, is an attribute: `eta`, `gem_log_power`, `lse_log_sharpness` or
    `softmax_sharpness`, an `nnx.Param` `[features]`.

    Args:
        features: the number of channels, the size of the last axis of the feature maps.
        rngs: taken as other NNX modules take it; no pooling starts from random numbers.
        **options: the attributes of the linen module, such as `init_share=0.2` for `LENAPool`.

    Raises:
        ValueError: if there are no channels, or an option is unknown or has a wrong value, or is `init_count`, which
            needs the size of a map.
    """

    name: ClassVar[str]

    def __init__(self, features: int, *, rngs: nnx.Rngs | None = None, **options: Any) -> None:
        if features < 1:
            raise ValueError(f"features: got {features}, expected the number of channels, at least 1")
        if options.get("init_count") is not None:
            raise ValueError(
                f"init_count: got {options['init_count']}, but the number of cells M is not known before a map comes; "
                "expected init_share=(init_count - 1) / (M - 1)"
            )
        self.linen = make_pooling(self.name, **options)
        parameter = POOLINGS[self.name].parameter
        if parameter is not None:
            # The least map that has the axes and a window.
            window = self.linen.window
            size = 2 if window is None else int(jnp.max(jnp.asarray(window)))
            axes = (self.linen.axis,) if isinstance(self.linen.axis, int) else tuple(self.linen.axis)
            rank = max(a + 2 if a >= 0 else -a for a in axes)
            least = jax.ShapeDtypeStruct((*(size,) * (rank - 1), features), jnp.float32)
            params = self.linen.init(jax.random.key(0), least, method="_arguments")["params"]
            setattr(self, parameter, nnx.Param(params[parameter]))

    def __call__(self, x: ArrayLike, where: ArrayLike | None = None) -> jax.Array:
        """Pool `x`: `[..., H, W, C]` to `[..., C]`."""
        return cast(jax.Array, self.linen.apply(self.variables(), x, where))

    def weights(self, x: ArrayLike, where: ArrayLike | None = None) -> jax.Array:
        """Return the weights of the cells, in the shape of `x`."""
        return cast(jax.Array, self.linen.apply(self.variables(), x, where, method="weights"))

    def variables(self) -> dict[str, Any]:
        """Return the variables of the linen module, `self.linen`: {} or {"params": {name: [features]}}."""
        parameter = POOLINGS[self.name].parameter
        return {} if parameter is None else {"params": {parameter: getattr(self, parameter)[...]}}


class LENAPool(Pooling):
    """LENA pooling with one learned share of the map for each channel, see `lena_jax.pooling.LENAPool`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import nnx
        >>> nnx.LENAPool(2, init_share=0.5).eta[...]
        Array([0., 0.], dtype=float32)
    """

    name = "lena"


class AveragePool(Pooling):
    """Average pooling, see `lena_jax.pooling.AveragePool`."""

    name = "average"


class MaxPool(Pooling):
    """Max pooling, see `lena_jax.pooling.MaxPool`."""

    name = "max"


class TopNPool(Pooling):
    """Mean of the `n` largest cells, see `lena_jax.pooling.TopNPool`."""

    name = "top_n"


class GeMPool(Pooling):
    """Generalized mean with one learned power for each channel, see `lena_jax.pooling.GeMPool`."""

    name = "gem"


class LSEPool(Pooling):
    """Log-sum-exp with one learned sharpness for each channel, see `lena_jax.pooling.LSEPool`."""

    name = "lse"


class SoftmaxPool(Pooling):
    """Softmax pooling with one learned sharpness for each channel, see `lena_jax.pooling.SoftmaxPool`."""

    name = "softmax"


class WeldonPool(Pooling):
    """Mean of the largest cells plus a multiple of the mean of the smallest, see `lena_jax.pooling.WeldonPool`."""

    name = "weldon"


MODULES = {
    module.name: module
    for module in (LENAPool, AveragePool, MaxPool, TopNPool, GeMPool, LSEPool, SoftmaxPool, WeldonPool)
}


def from_linen(pooling: base.Pooling, variables: dict[str, Any], features: int | None = None) -> Pooling:
    """Make the NNX module of a linen module and its variables, such as those of a checkpoint.

    Args:
        pooling: a linen module, such as `lena_jax.pooling.LENAPool()`.
        variables: its variables: {"params": {"eta": [C]}}, or {} if it learns nothing.
        features: the number of channels, where no parameter says it.

    Returns:
        The NNX module, with the same options and learned values. `pool.linen` and `pool.variables()` lead back.

    Raises:
        ValueError: if the variables are not those of the module, or nothing says how many channels there are.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax import pooling
        >>> from lena_jax.pooling import nnx
        >>> variables = {"params": {"eta": jnp.array([-2.0, 3.0])}}  # as a checkpoint holds it
        >>> pool = nnx.from_linen(pooling.LENAPool(), variables)
        >>> pool.eta[...]
        Array([-2.,  3.], dtype=float32)
    """
    name = next((name for name, record in POOLINGS.items() if type(pooling) is record.module), None)
    if name not in MODULES:
        raise ValueError(f"pooling: got {type(pooling).__name__}, expected a module of lena_jax.pooling")
    parameter = POOLINGS[name].parameter
    expected = [] if parameter is None else [parameter]
    params = dict(variables.get("params", {}))
    if list(params) != expected or (parameter is not None and jnp.ndim(params[parameter]) != 1):
        shapes = {key: jnp.shape(value) for key, value in params.items()}
        raise ValueError(f"variables: got parameters {shapes}, expected {expected}, one number for each channel")
    if parameter is not None:
        features = jnp.shape(params[parameter])[0]
    if features is None:
        raise ValueError(f"features: got None, expected the number of channels, since {name!r} learns nothing")
    module = MODULES[name](features)
    module.linen = pooling.clone(parent=None, name=None)
    if parameter is not None:
        setattr(module, parameter, nnx.Param(jnp.asarray(params[parameter])))
    return module
