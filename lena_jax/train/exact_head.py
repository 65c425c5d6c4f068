"""The head of a frozen backbone, solved: all pairs in one logistic loss, with a ridge on the weights.

    minimize over w:  loss(w . F) + ridge / 2 * |w|^2,    F [C, n] the pooled features of n pictures

The problem is convex, so its solution depends on nothing but the features. With more channels than pictures, n numbers
say all about the weights: with `F^T F = R R^T` (Cholesky), the rows of `R^T` serve as n features, and give the same
scores. Newton's method then finds the solution in a few steps.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lena_jax.train.pair_matrix import derivatives, loss

_STEPS, _SMALL = 30, 1e-6  # At most so many steps; the least relative decrease worth another one.
_JITTER = 1e-5  # Of the mean diagonal of F^T F, added to it, because centred features do not have full rank.


class Reduced(NamedTuple):
    """Features in min(C, n) dimensions, in which every ridge gives the same scores as with all of them.

    Attributes:
        features: [r, n].
        root: [n, n] lower triangular R, or None if the features are the original ones.
    """

    features: jax.Array
    root: jax.Array | None


class Solution(NamedTuple):
    """A solved head, in the dimensions of `Reduced`.

    Attributes:
        weights: [r].
        scores: [n] scores of the pictures, without a bias.
        objective: value of the minimized function.
    """

    weights: jax.Array
    scores: jax.Array
    objective: jax.Array


@jax.jit
def reduce(features):
    """Reduce features [C, n], each channel with mean 0 over the pictures, to `Reduced`."""
    channels, pictures = features.shape
    if channels <= pictures:
        return Reduced(features, None)
    gram = jnp.matmul(features.T, features, precision="highest")
    root = jnp.linalg.cholesky(gram + _JITTER * jnp.trace(gram) / pictures * jnp.eye(pictures))
    return Reduced(root.T, root)


@jax.jit
def kernel_of(features, reduced, weights):
    """Return the weights [C] of the original features [C, n] that stand behind weights [r] of reduced ones."""
    if reduced.root is None:
        return weights
    dual = jax.scipy.linalg.solve_triangular(reduced.root, weights, lower=True, trans="T")
    return jnp.matmul(features, dual, precision="highest")


@jax.jit
def solve(reduced, pairs, ridge, start=None):
    """Solve for the weights of reduced features.

    Args:
        reduced: `Reduced`.
        pairs: `PairMatrix` of the n pictures. Pictures without pairs are scored, and change nothing.
        ridge: positive scalar.
        start: weights [r] of a similar problem; None starts from 0.

    Returns:
        `Solution`. The same inputs give the same bits.
    """
    features = reduced.features

    def value(weights, scores):
        return loss(scores, pairs) + 0.5 * ridge * jnp.vdot(weights, weights)

    def step(state):
        weights, scores, objective, count, _ = state
        gradient, hessian = derivatives(scores, pairs)
        system = features @ (hessian @ features.T) + ridge * jnp.eye(len(features))
        change = -jax.scipy.linalg.solve(system, features @ gradient + ridge * weights, assume_a="pos")
        change_of_scores = change @ features

        def at(length):
            return value(weights + length * change, scores + length * change_of_scores)

        # Halve a step that does not go down. Near the solution, rounding decides, and the step does not matter.
        length, reached = lax.while_loop(
            lambda tried: (tried[1] > objective) & (tried[0] > 1e-3),
            lambda tried: (tried[0] / 2, at(tried[0] / 2)),
            (jnp.float32(1), at(jnp.float32(1))),
        )
        better = reached < objective
        weights = jnp.where(better, weights + length * change, weights)
        scores = jnp.where(better, scores + length * change_of_scores, scores)
        done = ~better | (objective - reached < _SMALL * objective)
        return weights, scores, jnp.where(better, reached, objective), count + 1, done

    with jax.default_matmul_precision("highest"):
        weights = jnp.zeros(len(features), features.dtype) if start is None else start
        scores = weights @ features
        state = (weights, scores, value(weights, scores), 0, jnp.bool_(False))
        state = lax.while_loop(lambda state: ~state[-1] & (state[-2] < _STEPS), step, state)
    return Solution(*state[:3])
