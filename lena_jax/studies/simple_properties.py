"""How much of an order do size, shape, brightness and colour explain, without a network? The floor under a ranker."""

import jax.numpy as jnp
import numpy as np
from scipy import stats

from lena_jax.data.splits import make_folds
from lena_jax.evaluation.picture_properties import PROPERTIES, properties
from lena_jax.runtime.progress import counted
from lena_jax.train import exact_head, pair_matrix

_RIDGE = 1e-2


def accuracy(pictures, folds, seed=0):
    """Rank pictures by the ranks of their simple properties (`evaluation.picture_properties`) and their squares.

    A linear head is solved on all pairs of the training pictures, as `train.exact` does it, in the folds that a run
    with the same seed has.

    Args:
        pictures: `ScoredPictures`, n of them.
        folds: number of folds.
        seed: `data.fold_seed`.

    Returns:
        {"pair_accuracy": mean over the folds, "properties": their names}, or None if there are more pictures than
        pairs fit in memory for, or a fold has no pairs.
    """
    if len(pictures) > pair_matrix.MOST_PICTURES:
        return None
    rows = [
        list(properties(pictures.still(index)).values()) for index in counted(range(len(pictures)), "simple properties")
    ]
    ranks = stats.rankdata(np.array(rows), axis=0).T / len(pictures) - 0.5
    features = np.concatenate([ranks, ranks**2]).astype(np.float32)
    features -= features.mean(1, keepdims=True)
    features /= np.maximum(features.std(1, keepdims=True), 1e-6)
    reduced, pairs = exact_head.reduce(jnp.asarray(features)), pair_matrix.pair_matrix(pictures)
    found = []
    for held_out in make_folds(pictures, folds, seed):
        out = np.zeros(len(pictures), bool)
        out[held_out] = True
        solved, usable = pair_matrix.only(pairs, ~out), pair_matrix.only(pairs, out)
        if not (solved.weight.any() and usable.weight.any()):
            return None
        scores = exact_head.solve(reduced, solved, _RIDGE).scores
        found.append(float(pair_matrix.accuracy(scores, usable)))
    return {"pair_accuracy": float(np.mean(found)), "properties": list(PROPERTIES)}
