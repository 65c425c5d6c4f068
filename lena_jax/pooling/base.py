"""What every pooling provides: a Flax module with two methods, and a record that describes it to everything else."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import flax.linen as nn
import jax
from jax.typing import ArrayLike

from lena_jax.pooling.layout import SPACE


class Pooling(nn.Module):
    """The base class of all pooling modules: the axes to pool over, windows, and two methods.

    `__call__(x, where=None)` pools `x` and `weights(x, where=None)` returns the weights of its cells. A subclass is a
    thin shell: it names a pair of functions, owns the learned parameter, if there is one, and says what to call them
    with.

    Attributes:
        axis: the axes to pool over, see `lay_out`.
        window: the size of the pooling windows, see `lay_out`; None pools each map as a whole.
        strides: the steps between windows, see `lay_out`.
        padding: the padding of the windowed axes, see `lay_out`.
        functions: class attribute, the pair of functions: one that pools, one that returns weights. A subclass may
            override the two methods instead.
        reproduces: class attribute, True if `sum_i w_i * z_i` is the pooled value. Contribution maps need this.
        sums_to_one: class attribute, True if `sum_i w_i = 1`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import Pooling, lena_pool, lena_weights
        >>> class UpperHalfPool(Pooling):
        ...     functions = lena_pool, lena_weights
        ...
        ...     def _arguments(self, x):
        ...         return {"eta": 0.5}
        >>> feature_map = jnp.array([[4.0, 1.0, 2.0]])[..., None]  # one row of three cells, one channel
        >>> UpperHalfPool().apply({}, feature_map)
        Array([3.], dtype=float32)
    """

    axis: int | Sequence[int] = SPACE
    window: int | Sequence[int] | None = None
    strides: int | Sequence[int] | None = None
    padding: str | Sequence[Sequence[int]] = "VALID"

    functions: ClassVar[tuple[Callable[..., jax.Array], Callable[..., jax.Array]]]
    reproduces: ClassVar[bool] = True
    sums_to_one: ClassVar[bool] = True

    def __call__(self, x: ArrayLike, where: ArrayLike | None = None) -> jax.Array:
        """Pool `x`: `[..., H, W, C]` to `[..., C]`."""
        pool, _ = self.functions
        return pool(x, **self._arguments(x), **self._options(where))

    def weights(self, x: ArrayLike, where: ArrayLike | None = None) -> jax.Array:
        """Return the weights of the cells, in the shape of `x`."""
        _, weigh = self.functions
        return weigh(x, **self._arguments(x), **self._options(where))

    def _arguments(self, x: ArrayLike) -> dict[str, Any]:
        """Return what the functions take besides `x` and the options of `lay_out`."""
        return {}

    def _options(self, where: ArrayLike | None) -> dict[str, Any]:
        return dict(axis=self.axis, window=self.window, strides=self.strides, padding=self.padding, where=where)


@dataclasses.dataclass(frozen=True)
class PoolingRecord:
    """Everything that other code knows about a pooling.

    The registry, the defaults of configs, the studies, the reports and the table in the documentation all read it.

    Attributes:
        name: the key in `POOLINGS`, which configs and `make_pooling` use.
        title: what prose and tables call it.
        module: the Flax module.
        pool: the function that pools: feature maps to pooled features.
        weights: the function that returns the weights of the cells.
        value: the pooled value of one map, as a short Markdown phrase.
        parameter: the name of the learned parameter among the variables; None if nothing is learned.
        main_option: the option that "NAME:VALUE" sets in a study; None if the pooling takes no value.
        options: the options of the module that a run's config has by default. The main option is always among them,
            by default with the module's default.

    Example:
        >>> from lena_jax.pooling import POOLINGS, PoolingRecord
        >>> record = POOLINGS["gem"]
        >>> isinstance(record, PoolingRecord)
        True
        >>> record.title, record.parameter, dict(record.options)
        ('GeM', 'gem_log_power', {'init_power': 3.0})
    """

    name: str
    title: str
    module: type[Pooling]
    pool: Callable[..., jax.Array]
    weights: Callable[..., jax.Array]
    value: str
    parameter: str | None = None
    main_option: str | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.main_option is not None:
            main = {self.main_option: getattr(self.module, self.main_option)}
            object.__setattr__(self, "options", {**main, **self.options})
