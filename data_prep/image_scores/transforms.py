"""From counts to scores: likes a view, shrunk towards the group's rate, and percentiles within the group.

Pure functions: arrays in, arrays out.
"""

import dataclasses

import numpy as np
from scipy import stats


@dataclasses.dataclass(frozen=True)
class Prior:
    """A beta distribution of like rates: its mean `rate`, and its `strength` in views.

    A picture with as many views as the strength counts half its own rate and half the group's.
    """

    rate: float
    strength: float


def shrunk_rates(likes, views, groups, strength=None) -> tuple[np.ndarray, dict[str, Prior]]:
    """Likes a view, shrunk towards the rate of the picture's group.

        score_i = (likes_i + strength * rate) / (views_i + strength),   rate = sum(likes) / sum(views)

    the posterior mean of the rate under a beta prior of the group: 1 like of 2 views does not outrank 400 of
    1,000. Without a `strength` each group has its own, see `fit_prior`.

    Args:
        likes, views: [n], 0 <= likes <= views.
        groups: [n] str.
        strength: of the prior in views, > 0; None to estimate it for each group.

    Returns:
        scores [n] in [0, 1], and the prior of each group.

    Raises:
        ValueError: likes above views, a negative or infinite count, a strength that is not above 0.
    """
    likes, views, groups = np.asarray(likes, float), np.asarray(views, float), np.asarray(groups)
    if strength is not None and not 0 < strength < np.inf:
        raise ValueError(f"strength of the prior: got {strength}, expected a number of views above 0")
    bad = np.flatnonzero(~((likes >= 0) & (likes <= views) & np.isfinite(views)))
    if len(bad):
        raise ValueError(
            f"got {likes[bad[0]]:g} likes and {views[bad[0]]:g} views at index {bad[0]}, expected 0 <= likes <= views"
        )
    scores, priors = np.empty(len(likes)), {}
    for group in np.unique(groups):
        here = groups == group
        prior = fit_prior(likes[here], views[here])
        if strength is not None:
            prior = Prior(prior.rate, float(strength))
        scores[here] = (likes[here] + prior.strength * prior.rate) / (views[here] + prior.strength)
        priors[str(group)] = prior
    return scores, priors


def fit_prior(likes, views) -> Prior:
    """Estimates a beta prior of like rates from one group's counts, by the analysis of variance.

    With K pictures that have views, p_i = likes_i / views_i, p = sum(likes) / sum(views), n = sum(views):

        between = sum(views_i * (p_i - p)^2) / (K - 1)
        within  = sum(views_i * p_i * (1 - p_i)) / (n - K)
        n0      = (n - sum(views_i^2) / n) / (K - 1)
        strength = n0 * within / (between - within)

    which is (1 - r) / r for the intraclass correlation r = (between - within) / (between + (n0 - 1) * within). The
    more the rates differ beyond chance, the weaker the prior. It is held within [1, n]: at `n` (rates that do not
    differ beyond chance, fewer than two pictures) a picture hardly leaves the group's rate. Reference: Ridout,
    Demetrio and Firth, "Estimating intraclass correlation for binary data", Biometrics 55, 1999.

    Args:
        likes, views: [n], 0 <= likes <= views.
    """
    likes, views = np.asarray(likes, float), np.asarray(views, float)
    likes, views = likes[views > 0], views[views > 0]
    total, count = views.sum(), len(views)
    if not count:
        return Prior(0.0, 1.0)
    rate, each = likes.sum() / total, likes / views
    strength = total
    if count > 1 and total > count:
        between = np.sum(views * (each - rate) ** 2) / (count - 1)
        within = np.sum(views * each * (1 - each)) / (total - count)
        typical = (total - np.sum(views**2) / total) / (count - 1)
        if between > within:
            strength = typical * within / (between - within)
    return Prior(float(rate), float(np.clip(strength, 1, total)))


def percentiles(values, groups) -> np.ndarray:
    """The share of its group that a picture is above, ties counting half: (rank - 1/2) / n, in (0, 1).

    Args:
        values: [n] finite.
        groups: [n] str.
    """
    values, groups = np.asarray(values, float), np.asarray(groups)
    result = np.empty(len(values))
    for group in np.unique(groups):
        here = groups == group
        result[here] = (stats.rankdata(values[here]) - 0.5) / here.sum()
    return result
