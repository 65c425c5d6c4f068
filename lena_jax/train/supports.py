"""Learn the supports of LENA beside a solved head: for every channel, search all sizes of its support.

The maps are given by `running_means`, so every whole size is at hand. Around a solved head, the loss is close to

    1/2 sum_i d_i * (r_i - change of the score of picture i)^2,    r = -gradient / d,  d = diagonal of the Hessian.

Channel after channel, all sizes k are tried, each with the weight that is best for it. The one that lowers this loss
most is taken, and what it explains is taken out of `r` before the next channel. There is no step size, and no start
from which small steps would have to lead to the right place. Left free, it also fits noise, so that moving has a price:

    price_k = freedom^-1 * (logit(share_k) - logit(share_start))^2 * mean (ridge * weight^2).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lena_jax.models.siamese import deviation
from lena_jax.pooling.running_means import pool_running
from lena_jax.train import exact_head
from lena_jax.train.pair_matrix import derivatives

ROUNDS = {"even": 2, "sparse": 8}  # Times that supports and penalty follow the head.
_SMALL_WEIGHT = 0.2  # Of the root mean square of the weights: what a sparse penalty adds to every weight.
_SWEEPS = 2  # Passes over the channels around one linearization.
MOST_SIZES = 256  # Sizes of a support to try: more would take memory and time, and hardly differ.
_LEAST_SHARE = 0.02  # Shares nearer to 0 or 1 cost no more than this, so that max and average pooling stay in reach.


@jax.jit
def equal_spread(pooled):
    """Centre pooled features [C, n] and divide them by their standard deviation over the pictures.

    Returns:
        (features [C, n], means [C], variances [C]).
    """
    mean = pooled.mean(1)
    centred = pooled - mean[:, None]
    variance = jnp.square(centred).mean(1)
    return centred / deviation(variance)[:, None], mean, variance


@jax.jit
def features_at(means, sizes):
    """Pool with supports of these sizes [C], at equal spread: `running_means` [C, M, n] -> features [C, n]."""
    return equal_spread(pool_running(means, sizes))[0]


def evenly(means, most=MOST_SIZES):
    """Keep the means of at most so many supports, from one cell to all, whose shares of the map are evenly spread.

    Args:
        means: [C, M, n], from `running_means`.
        most: at least 2.

    Returns:
        `means` itself if M is not larger; otherwise [C, most, n], at supports of `1 + (M - 1) j / (most - 1)` cells, as
        LENA pools them.

    Example:
        >>> from lena_jax.train.supports import evenly
        >>> evenly(np.array([3.0, 2.5, 2.0, 1.5]).reshape(1, 4, 1), most=3).ravel()
        array([3. , 2.2, 1.5])
    """
    cells = means.shape[1]
    if cells <= most:
        return means
    sizes = np.linspace(1, cells, most, dtype=means.dtype)[:, None]
    k = np.clip(np.floor(sizes), 1, cells - 1)
    place = k[:, 0].astype(int)
    inside, more = k * means[:, place - 1], (k + 1) * means[:, place]
    return (inside + (sizes - k) * (more - inside)) / sizes


def prices(cells, start, freedom):
    """Return the price of every size of a support, [M], in units of the mean of `ridge * weight^2`.

    Args:
        cells: M, number of cells of a map, or of sizes that `evenly` kept.
        start: share of the map in (0, 1) from which moving has a price.
        freedom: how freely supports move; infinity: for nothing.
    """
    share = np.clip(np.arange(cells) / max(cells - 1, 1), _LEAST_SHARE, 1 - _LEAST_SHARE)
    start = np.clip(start, _LEAST_SHARE, 1 - _LEAST_SHARE)
    way = np.log(share / (1 - share)) - np.log(start / (1 - start))
    return (way**2 / freedom).astype(np.float32)


@jax.jit
def search(means, moments, sizes, kernel, scores, pairs, ridge, price):
    """Move supports once around a solved head.

    Args:
        means: [C, M, n] of the pictures, from `running_means`.
        moments: (mean, variance), each [C, M], of `means` over the pictures.
        sizes: [C] integers, sizes of the supports of the head.
        kernel, scores: its weights [C] and the scores [n] of the pictures.
        pairs: `PairMatrix` of the pictures.
        ridge: ridge of the head, [C].
        price: [M], from `prices`.

    Returns:
        Sizes [C], integers in [1, M].
    """
    gradient, hessian = derivatives(scores, pairs)
    weight = jnp.diagonal(hessian)
    residual = -gradient / jnp.maximum(weight, 1e-3 * weight.mean())
    price = price * jnp.mean(ridge * jnp.square(kernel))
    total = weight.sum()
    spread = jax.vmap(deviation, 1, 1)(moments[1])

    def move(residual, channel):
        rows, mean, spread, ridge, place, value = channel
        residual = residual + value * (rows[place] - mean[place]) / spread[place]
        pull = weight * residual
        along = (rows @ pull - mean * pull.sum()) / spread
        stiff = (jnp.square(rows) @ weight - 2 * mean * (rows @ weight) + mean**2 * total) / spread**2 + ridge
        chosen = jnp.argmax(along**2 / stiff - price)
        value = (along / stiff)[chosen]
        return residual - value * (rows[chosen] - mean[chosen]) / spread[chosen], (chosen, value)

    def sweep(_, state):
        residual, place, kernel = state
        residual, (place, kernel) = jax.lax.scan(move, residual, (means, moments[0], spread, ridge, place, kernel))
        return residual, place, kernel

    with jax.default_matmul_precision("highest"):
        return jax.lax.fori_loop(0, _SWEEPS, sweep, (residual, sizes - 1, kernel))[1] + 1


class Learned(NamedTuple):
    """Supports and head, learned together.

    Attributes:
        sizes: [C] integers; those given if supports do not move.
        kernel: [C] weights of the features at equal spread.
        scores: [n] of the pictures.
        objective: value of the minimized function.
        scale: [C] what the features were multiplied by, so that the ridge of a channel is `ridge / scale^2`.
    """

    sizes: jax.Array
    kernel: jax.Array
    scores: jax.Array
    objective: jax.Array
    scale: jax.Array


class Table(NamedTuple):
    """What a search of supports needs of the maps.

    Attributes:
        means: [C, M, n], from `running_means` or `evenly`.
        moments: mean and variance of `means` over the pictures, each [C, M].
    """

    means: jax.Array
    moments: tuple

    @classmethod
    def of(cls, means):
        """Make the table of `running_means`. On CPU an aligned NumPy array is taken over: it must not change then."""
        means = jax.device_put(means, may_alias=True)
        return cls(means, (means.mean(-1), means.var(-1)))


def learn(features, pairs, ridge, penalty="even", table=None, sizes=None, price=None, watch=lambda *_: None):
    """Learn head and supports in turns: solve the head, let supports and penalty follow it, solve again.

    With the penalty "even" all channels have the same ridge. With "sparse" the ridge of a channel is
    `ridge * c / (|w| + small)^2`, with the weight of the round before and `c` such that the mean of the inverse ridges
    stays: weights that are small get smaller, until few channels carry the score.

    Args:
        features: [C, n] at equal spread, at the supports to start from.
        pairs: `PairMatrix` to solve on.
        ridge: ridge of the head.
        penalty: a key of `ROUNDS`.
        table: `Table` of the maps, or None if supports do not move.
        sizes: [C] integers, where the supports start; with a table.
        price: [M], see `prices`; with a table.
        watch: called with (round, `Learned`) after each solution.

    Returns:
        `Learned`.
    """
    scale = jnp.ones(len(features), jnp.float32)
    moves = table is not None or penalty == "sparse"
    for number in range(ROUNDS[penalty] * moves + 1):
        scaled = features * scale[:, None]
        reduced = exact_head.reduce(scaled)
        solution = exact_head.solve(reduced, pairs, ridge)
        kernel = exact_head.kernel_of(scaled, reduced, solution.weights) * scale
        learned = Learned(sizes, kernel, solution.scores, solution.objective, scale)
        watch(number, learned)
        if number == ROUNDS[penalty] * moves:
            return learned
        if table is not None:
            sizes = search(table.means, table.moments, sizes, kernel, solution.scores, pairs, ridge / scale**2, price)
            features = features_at(table.means, sizes.astype(jnp.float32))
        if penalty == "sparse":
            scale = jnp.abs(kernel) + _SMALL_WEIGHT * jnp.sqrt(jnp.mean(jnp.square(kernel)))
            scale = scale / jnp.sqrt(jnp.mean(jnp.square(scale)))
