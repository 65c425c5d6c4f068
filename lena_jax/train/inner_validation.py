"""Choose what a solved head needs besides its features (ridge, start and freedom of supports) on the training pictures.

Some of the training pictures are held out, the head is solved on the rest, and the pairs among the held-out pictures
are counted. Test pictures are never seen.
"""

import jax
import jax.numpy as jnp
import numpy as np

from lena_jax.data.splits import make_folds
from lena_jax.train import exact_head, pair_matrix, supports

_FOLDS = 4
_ENOUGH = 1600  # Held-out pictures, over all folds, that tell settings apart; more would only take time.


def held_out_parts(pictures, pairs, seed=0):
    """Split the training pictures into parts to hold out, each with the pairs to solve on and to count.

    Pictures of one unit stay together. There are up to four parts, fewer where one of them is large.

    Args:
        pictures: `ScoredPictures` to train on, n.
        pairs: their `PairMatrix`.
        seed: seed of the split.

    Returns:
        A list of (pairs to solve on, pairs to count), `PairMatrix` of all n pictures on the device; parts in which one
        of the two would have no pair are left out. Empty if no part is left.
    """
    try:
        folds = make_folds(pictures, _FOLDS, seed)
    except ValueError:  # Fewer units than folds.
        return []
    parts = []
    for held_out in folds[: max(1, -(-_FOLDS * _ENOUGH // (4 * len(pictures))))]:
        out = np.zeros(len(pictures), bool)
        out[held_out] = True
        solved, counted = pair_matrix.only(pairs, ~out), pair_matrix.only(pairs, out)
        if solved.weight.any() and counted.weight.any():
            parts.append(jax.device_put((solved, counted)))
    return parts


def ridge_path(features, parts, ridges, patience=2):
    """Measure ridges on features [C, n], from the strongest to the weakest, each starting at the one before.

    Args:
        features: [C, n] of the training pictures.
        parts: from `held_out_parts`.
        ridges: positive numbers.
        patience: stop after so many ridges in a row that rank worse than the best so far.

    Returns:
        {ridge: mean accuracy on the pairs held out}.
    """
    reduced, weights, found, worse = exact_head.reduce(features), [None] * len(parts), {}, 0
    for ridge in sorted(ridges, reverse=True):
        accuracies = []
        for number, (solved, counted) in enumerate(parts):
            solution = exact_head.solve(reduced, solved, ridge, weights[number])
            weights[number] = solution.weights
            accuracies.append(float(pair_matrix.accuracy(solution.scores, counted)))
        worse = worse + 1 if found and np.mean(accuracies) < max(found.values()) else 0
        found[ridge] = float(np.mean(accuracies))
        if worse == patience:
            break
    return found


def freedom_path(means, sizes, parts, ridge, prices, rounds):
    """Measure how freely supports should move from shared sizes.

    Args:
        means: [C, M, n] of the training pictures, from `running_means`.
        sizes: [C] integers, where all supports start.
        parts: from `held_out_parts`.
        ridge: ridge of the head.
        prices: for every freedom, `supports.prices`, or None to leave the supports where they are.
        rounds: rounds of `learn`.

    Returns:
        [freedoms] mean accuracy on the pairs held out.
    """
    found = np.zeros((len(parts), len(prices)))
    for row, (solved, counted) in zip(found, parts, strict=True):
        for number, price in enumerate(prices):
            _, solution, _ = learn(means, sizes, solved, ridge, price, rounds)
            row[number] = pair_matrix.accuracy(solution.scores, counted)
    return [float(accuracy) for accuracy in found.mean(0)]


def learn(means, sizes, pairs, ridge, price, rounds, watch=lambda *_: None):
    """Learn supports and head in turns: solve the head, move the supports around it, and so on.

    Args:
        means, sizes, ridge: see `freedom_path`.
        pairs: `PairMatrix` to solve on.
        price: [M], or None to solve the head only.
        rounds: number of times that the supports move.
        watch: called with (round, `Solution`) after each solution.

    Returns:
        (sizes [C], `Solution`, kernel [C]).
    """
    moments = (means.mean(-1), means.var(-1))
    for number in range(rounds + 1):
        features = supports.features_at(means, jnp.asarray(sizes, jnp.float32))
        reduced = exact_head.reduce(features)
        solution = exact_head.solve(reduced, pairs, ridge)
        kernel = exact_head.kernel_of(features, reduced, solution.weights)
        watch(number, solution)
        if price is None or number == rounds:
            return sizes, solution, kernel
        sizes = supports.search(means, moments, sizes, kernel, solution.scores, pairs, ridge, price)
