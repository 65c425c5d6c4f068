"""Choose what a solved head needs besides its features (ridge, start and freedom of supports) on the training pictures.

Some of the training pictures are held out, the head is solved on the rest, and the pairs among the held-out pictures
are counted. Test pictures are never seen.
"""

import jax
import numpy as np

from lena_jax.data.splits import make_folds
from lena_jax.train import exact_head, pair_matrix

_FOLDS = 4
_ENOUGH = 400  # Held-out pictures, over all parts, that tell settings apart; more would only take time.


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
    for held_out in folds[: -(-_FOLDS * _ENOUGH // len(pictures))]:
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


def learning_curve(features, parts, ridge, shares=(0.125, 0.25, 0.5, 1.0)):
    """Measure how accuracy grows with the number of pictures, on features [C, n].

    The pictures of a share are among those of the next one, so that the curve is smoother than with new draws.

    Args:
        features: [C, n] of the training pictures.
        parts: from `held_out_parts`.
        ridge: for all pictures; a share `s` of them gets `ridge / s`, because fewer pictures need a stronger one.
        shares: of the pictures that are not held out, in (0, 1].

    Returns:
        A list of {"pictures": mean number solved on, "pair_accuracy": on the pairs held out}, without shares that leave
        no pair.
    """
    reduced, rows = exact_head.reduce(features), []
    order = np.random.default_rng(0).permutation(features.shape[1])
    for share in shares:
        counts, accuracies = [], []
        for solved, counted in parts:
            there = np.asarray(solved.weight.any(1))
            ranked = order[there[order]]
            kept = np.zeros(len(there), bool)
            kept[ranked[: round(share * len(ranked))]] = True
            some = pair_matrix.only(solved, kept)
            if some.weight.any():
                counts.append(int(kept.sum()))
                solution = exact_head.solve(reduced, some, ridge / share)
                accuracies.append(float(pair_matrix.accuracy(solution.scores, counted)))
        if accuracies:
            rows.append({"pictures": float(np.mean(counts)), "pair_accuracy": float(np.mean(accuracies))})
    return rows


def held_out_accuracy(parts, fit):
    """Return the mean accuracy on the pairs held out, of `fit(pairs to solve on) -> Learned`."""
    return float(np.mean([pair_matrix.accuracy(fit(solved).scores, counted) for solved, counted in parts]))
