"""The Bradley-Terry model: one strength for each picture, from who was chosen over whom, without looking at pixels."""

from typing import NamedTuple

import numpy as np
from scipy import sparse, special

# Above, dense matrices of pictures by pictures and lists of votes take too long, and strengths are log odds of wins.
MOST_PICTURES, MOST_VOTES = 4000, 200_000
# Spreads of the prior to try. The evidence chooses.
_SPREADS = (0.25, 0.5, 1.0, 2.0, 4.0)
# The library counts whole choices: a vote is so many of them, so that tenths and halves are whole.
_TENTHS = 10


class Strengths(NamedTuple):
    """What choices say about n pictures.

    Attributes:
        value: [n] strengths; `P(i is chosen over j) = sigmoid(value_i - value_j)`.
        error: [n] standard errors.
        spread: standard deviation of the prior, chosen by the evidence; NaN for log odds.
        component: [n] int; only pictures with the same number can be compared, through chains of choices.
        whole: whether it is a Bradley-Terry model; else there were too many pictures or votes, and `value` is log odds.
    """

    value: np.ndarray
    error: np.ndarray
    spread: float
    component: np.ndarray
    whole: bool


def strengths(count, pairs, votes, spread=None) -> Strengths:
    """Fit strengths to votes: the most probable ones under a normal prior.

        maximize over t:  sum over votes of log sigmoid(t_chosen - t_other) - sum t_i^2 / (2 spread^2)

    The library choix finds the maximum. Errors are those of the normal distribution with the same curvature there
    (Laplace). Its evidence chooses the spread, with a weak prior for 1: `-log2(spread)^2 / 2`. Half a vote for each
    side is a tie.

    Args:
        count: number of pictures, n.
        pairs: [p, 2] numbers of pictures.
        votes: [p, 2] votes for the first and the second picture of each pair, >= 0; tenths are counted.
        spread: standard deviation of the prior; None chooses it.

    Raises:
        ValueError: shapes differ, or votes are negative, not finite or all 0.

    References: Bradley and Terry, Biometrika 39, 1952; Maystre, choix.

    Example:
        >>> found = strengths(3, [[0, 1], [1, 2]], [[8, 2], [7, 3]], spread=1.0)
        >>> found.value.round(2).tolist(), found.component.tolist()
        ([0.81, -0.13, -0.68], [0, 0, 0])
    """
    pairs, votes = np.asarray(pairs, np.int64).reshape(-1, 2), np.asarray(votes, float).reshape(-1, 2)
    if pairs.shape != votes.shape or not (np.isfinite(votes).all() and (votes >= 0).all() and votes.any()):
        raise ValueError(
            f"got {len(pairs)} pairs and votes of shape {votes.shape}, expected as many of each, votes of at least 0 "
            "and not all 0"
        )
    used = votes.sum(1) > 0
    graph = sparse.coo_array((np.ones(used.sum(), bool), pairs[used].T), shape=(count, count))
    component = sparse.csgraph.connected_components(graph, directed=False)[1]
    wins = np.zeros((count, 2))
    np.add.at(wins, pairs[:, 0], votes)
    np.add.at(wins, pairs[:, 1], votes[:, ::-1])
    if count > MOST_PICTURES or votes.sum() > MOST_VOTES:
        odds = np.log((wins[:, 0] + 1) / (wins[:, 1] + 1))
        return Strengths(odds, np.sqrt((1 / (wins + 1)).sum(1)), float("nan"), component, False)
    fits = _search(count, pairs, votes) if spread is None else [_fit(count, pairs, votes, spread)]
    value, error, spread, _ = max(fits, key=lambda fit: fit[-1])
    return Strengths(value, error, spread, component, True)


def held_out(count, pairs, votes, folds=10, seed=0) -> np.ndarray:
    """Predict each pair from the votes about other pairs: cross-validated differences of strengths.

    Args:
        count, pairs, votes: see `strengths`.
        folds: number of random parts of the pairs.
        seed: of the parts.

    Returns:
        [p], `t_first - t_second` by strengths without the pair's own votes. 0 where nothing is known.
    """
    pairs, votes = np.asarray(pairs, np.int64), np.asarray(votes, float)
    # All rows of the same two pictures are in one part.
    _, key = np.unique(np.sort(pairs, 1), axis=0, return_inverse=True)
    part = np.random.default_rng(seed).integers(folds, size=key.max(initial=0) + 1)[key.ravel()]
    spread = strengths(count, pairs, votes).spread
    found = np.zeros(len(pairs))
    for fold in np.unique(part):
        out = part == fold
        if votes[~out].any():
            value = strengths(count, pairs[~out], votes[~out], None if np.isnan(spread) else spread).value
            found[out] = value[pairs[out, 0]] - value[pairs[out, 1]]
    return found


def _search(count, pairs, votes):
    """Fit spreads from the middle one outwards, as long as the evidence grows."""
    middle = len(_SPREADS) // 2
    fits = [_fit(count, pairs, votes, _SPREADS[middle])]
    for way in (_SPREADS[middle + 1 :], _SPREADS[:middle][::-1]):
        best = fits[0]
        for one in way:
            fits.append(_fit(count, pairs, votes, one, best[0]))
            if fits[-1][-1] < best[-1]:
                break
            best = fits[-1]
    return fits


def _fit(count, pairs, votes, spread, start=None):
    """Return (strengths, errors, spread, log evidence up to a constant)."""
    import choix  # Imported here because only pairs need it.

    tenths = np.rint(votes * _TENTHS).astype(int)
    unit = np.gcd.reduce(tenths, axis=None) or 1
    times = tenths // unit
    data = np.concatenate([np.repeat(pairs, times[:, 0], 0), np.repeat(pairs[:, ::-1], times[:, 1], 0)])
    weight = unit / _TENTHS  # Of one entry of the data, in votes.
    alpha = 1 / (2 * weight * spread**2)
    value = choix.opt_pairwise(count, data.tolist(), alpha, method="Newton-CG", initial_params=start)
    ahead = value[pairs[:, 0]] - value[pairs[:, 1]]
    likely = special.expit(ahead)
    curvature = np.zeros((count, count))
    np.add.at(curvature, (pairs[:, 0], pairs[:, 1]), votes.sum(1) * likely * (1 - likely))
    curvature += curvature.T
    curvature = np.diag(curvature.sum(1) + 1 / spread**2) - curvature
    root = np.linalg.cholesky(curvature)
    inverse = np.linalg.inv(root)
    fitted = -(votes[:, 0] * np.logaddexp(0, -ahead) + votes[:, 1] * np.logaddexp(0, ahead)).sum()
    evidence = fitted - 0.5 * (value @ value) / spread**2 - count * np.log(spread) - np.log(np.diag(root)).sum()
    return value, np.sqrt(np.square(inverse).sum(0)), spread, evidence - 0.5 * np.log2(spread) ** 2
