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
    thin shell: it owns the learned parameter, if there is one, and calls a pair of functions.

    Attributes:
        axis: the axes to pool over, see `lay_out`.
        window: the size of the pooling windows, see `lay_out`; None pools each map as a whole.
        strides: the steps between windows, see `lay_out`.
        padding: the padding of the windowed axes, see `lay_out`.
        reproduces: class attribute, True if `sum_i w_i * z_i` is the pooled value. Contribution maps need this.
        sums_to_one: class attribute, True if `sum_i w_i = 1`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import Pooling, lena_pool, lena_weights
        >>> class UpperHalfPool(Pooling):
        ...     def __call__(self, x, where=None):
        ...         return lena_pool(x, 0.5, **self._options(where))
        ...
        ...     def weights(self, x, where=None):
        ...         return lena_weights(x, 0.5, **self._options(where))
        >>> feature_map = jnp.array([[4.0, 1.0, 2.0]])[..., None]  # one row of three cells, one channel
        >>> UpperHalfPool().apply({}, feature_map)
        Array([3.], dtype=float32)
    """

    axis: int | Sequence[int] = SPACE
    window: int | Sequence[int] | None = None
    strides: int | Sequence[int] | None = None
    padding: str | Sequence[Sequence[int]] = "VALID"

    reproduces: ClassVar[bool] = True
    sums_to_one: ClassVar[bool] = True

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
        options: the options of the module that a run's config has by default.

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
