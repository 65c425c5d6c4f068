"""Learn the supports of LENA beside a solved head: for every channel, search all sizes of its support.

The maps are given by `running_means`, so every whole size is at hand. Around a solved head, the loss is close to

    1/2 sum_i d_i * (r_i - change of the score of picture i)^2,    r = -gradient / d,  d = diagonal of the Hessian.

Channel after channel, all sizes k are tried, each with the weight that is best for it. The one that lowers this loss
most is taken, and what it explains is taken out of `r` before the next channel. There is no step size, and no start
from which small steps would have to lead to the right place. Left free, it also fits noise, so that moving has a price:

    price_k = freedom^-1 * (logit(share_k) - logit(share_start))^2 * mean weight^2 * ridge.
"""

import jax
import jax.numpy as jnp
import numpy as np

from lena_jax.models.siamese import deviation
from lena_jax.pooling.running_means import pool_running
from lena_jax.train.pair_matrix import derivatives

_SWEEPS = 2  # Passes over the channels around one linearization.
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


def prices(cells, start, freedom):
    """Return the price of every size of a support, [M], in units of the mean of `ridge * weight^2`.

    Args:
        cells: M, number of cells of a map.
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
        ridge: ridge of the head.
        price: [M], from `prices`.

    Returns:
        Sizes [C], integers in [1, M].
    """
    gradient, hessian = derivatives(scores, pairs)
    weight = jnp.diagonal(hessian)
    residual = -gradient / jnp.maximum(weight, 1e-3 * weight.mean())
    price = price * ridge * jnp.mean(jnp.square(kernel))
    total = weight.sum()
    spread = jax.vmap(deviation, 1, 1)(moments[1])

    def move(residual, channel):
        rows, mean, spread, place, value = channel
        residual = residual + value * (rows[place] - mean[place]) / spread[place]
        pull = weight * residual
        along = (rows @ pull - mean * pull.sum()) / spread
        stiff = (jnp.square(rows) @ weight - 2 * mean * (rows @ weight) + mean**2 * total) / spread**2 + ridge
        chosen = jnp.argmax(along**2 / stiff - price)
        value = (along / stiff)[chosen]
        return residual - value * (rows[chosen] - mean[chosen]) / spread[chosen], (chosen, value)

    def sweep(_, state):
        residual, place, kernel = state
        residual, (place, kernel) = jax.lax.scan(move, residual, (means, moments[0], spread, place, kernel))
        return residual, place, kernel

    with jax.default_matmul_precision("highest"):
        return jax.lax.fori_loop(0, _SWEEPS, sweep, (residual, sizes - 1, kernel))[1] + 1
