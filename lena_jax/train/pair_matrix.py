"""All training pairs at once, as two matrices over pictures, and their pairwise logistic loss."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lena_jax.data.pairs import ComparablePairs

# Pictures up to which all pairs fit in memory at once: a solver holds about six matrices of this side, 1.5 GB.
MOST_PICTURES = 8000


class PairMatrix(NamedTuple):
    """The pairs among n pictures, each entered twice: as (left, right) and as (right, left).

    Attributes:
        weight: [n, n] float32, symmetric, 0 on the diagonal; the weights of all pairs sum to 1.
        label: [n, n] float32 in [0, 1]; how far the row's picture is ahead of the column's. `label + label.T = 1`.
    """

    weight: jax.Array
    label: jax.Array


def pair_matrix(pictures, min_gap=0.0, weighting="equal"):
    """Enter all pairs that training may use; the same pairs, weights and labels as `DrawBatch` draws.

    Args:
        pictures: `ScoredPictures`. Their own pairs with their soft labels and weights, if they have any, else all
            comparable pairs of their scores.
        min_gap, weighting: see `DrawBatch`; without effect on given pairs.

    Returns:
        `PairMatrix`, NumPy arrays.

    Raises:
        ValueError: if no pair has a weight.
    """
    n = len(pictures)
    won = np.zeros((n, n), np.float32)  # [high, low]: the weight of the pairs that the row's picture won.
    if pictures.pairs is not None:
        label, weight = (1.0, 1.0) if pictures.judged is None else (pictures.judged.label, pictures.judged.weight)
        np.add.at(won, tuple(pictures.pairs.T), weight * label)
        np.add.at(won, tuple(pictures.pairs.T[::-1]), weight * (1 - label))
    else:
        # One run of pictures above each picture at a time, so that the list of all pairs is never made.
        comparable = ComparablePairs(pictures.scores, pictures.groups, min_gap)
        for start in range(0, len(comparable), 1 << 22):
            pairs = comparable.at(np.arange(start, min(start + (1 << 22), len(comparable))))
            won[tuple(pairs.T)] = 1.0
        if weighting == "gap":
            won *= np.abs(pictures.scores[:, None] - pictures.scores) / np.std(pictures.scores)
    if pictures.weights is not None:
        share = (pictures.weights / pictures.weights.mean()).astype(np.float32)
        won *= share[:, None] * share
    total = won.sum(dtype=np.float64)
    if not total > 0:
        raise ValueError(f"no two of the {n} training pictures make a pair with a weight, expected at least one pair")
    weight = won + won.T
    label = np.divide(won, weight, out=np.full_like(won, 0.5), where=weight > 0)
    return PairMatrix((weight / total).astype(np.float32), label)


def only(pairs, chosen):
    """Return the pairs whose two pictures are both chosen, with weights that sum to 1: `chosen` [n] of bool."""
    weight = np.asarray(pairs.weight) * np.outer(chosen, chosen)
    total = weight.sum(dtype=np.float64) / 2
    return PairMatrix((weight / total).astype(np.float32) if total > 0 else weight.astype(np.float32), pairs.label)


def loss(scores, pairs):
    """Compute the pairwise logistic loss of all pairs: scores [n] -> scalar.

    `sum over pairs of weight * (softplus(d) - label * d)`, `d = score(row) - score(column)`.
    """
    d = scores[:, None] - scores[None]
    return 0.5 * jnp.sum(pairs.weight * (jax.nn.softplus(d) - pairs.label * d))


def derivatives(scores, pairs):
    """Return the gradient [n] of `loss` by the scores and its Hessian [n, n], which is a graph's Laplacian."""
    likely = jax.nn.sigmoid(scores[:, None] - scores[None])
    curvature = pairs.weight * likely * (1 - likely)
    return jnp.sum(pairs.weight * (likely - pairs.label), 1), jnp.diag(curvature.sum(1)) - curvature


def accuracy(scores, pairs):
    """Return the weighted share of pairs in the order of the more probable label: scores [n] -> scalar.

    Ties count half, predicted or true, and a NaN is a tie.
    """
    d = jnp.nan_to_num(jnp.sign(scores[:, None] - scores[None]))
    return 0.5 * jnp.sum(pairs.weight * (d * jnp.sign(2 * pairs.label - 1) + 1) / 2)
