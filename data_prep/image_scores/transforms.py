"""Turn counts into scores: likes per view, shrunk towards the group's rate, or percentiles within the group.

Pure functions: arrays in, arrays out.
"""

import dataclasses

import numpy as np
from scipy import stats


@dataclasses.dataclass(frozen=True)
class Prior:
    """A beta distribution of like rates: its mean `rate`, and its `strength` in views.

    For a picture with as many views as the strength, its own rate and the group's count half each.
    """

    rate: float
    strength: float


def shrunk_rates(likes, views, groups, strength=None) -> tuple[np.ndarray, dict[str, Prior]]:
    """Return likes per view, shrunk towards the rate of the picture's group.

        score_i = (likes_i + strength * rate) / (views_i + strength),   rate = sum(likes) / sum(views)

    This is the posterior mean of the rate under the group's beta prior: 1 like in 2 views does not outrank 400 in
    1,000. Without a `strength`, `fit_prior` estimates one for each group.

    Args:
        likes: [n], 0 <= likes <= views.
        views: [n].
        groups: [n] str.
        strength: strength of the prior in views, > 0; None estimates it for each group.

    Returns:
        The scores [n] in [0, 1], and the prior of each group.

    Raises:
        ValueError: likes above views, a negative or infinite count, or a strength that is not above 0.

    Example:
        >>> scores, priors = shrunk_rates([1, 400], [2, 1000], ["a", "a"], strength=100)
        >>> scores.round(3).tolist()
        [0.402, 0.4]
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
    """Estimate a beta prior of like rates from one group's counts, by analysis of variance.

    With K pictures that have views, p_i = likes_i / views_i, p = sum(likes) / sum(views), n = sum(views):

        between = sum(views_i * (p_i - p)^2) / (K - 1)
        within  = sum(views_i * p_i * (1 - p_i)) / (n - K)
        n0      = (n - sum(views_i^2) / n) / (K - 1)
        strength = n0 * within / (between - within)

    which is (1 - r) / r for the intraclass correlation r = (between - within) / (between + (n0 - 1) * within). The
    more the rates differ beyond chance, the weaker the prior. The strength is clipped to [1, n]. It is `n` where the
    rates do not differ beyond chance or fewer than two pictures have views; a picture then hardly leaves the group's
    rate.

    Args:
        likes: [n], 0 <= likes <= views.
        views: [n].

    References:
        Ridout, Demetrio and Firth, "Estimating intraclass correlation for binary data", Biometrics 55, 1999.
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
    """Return the share of its group that each picture beats, ties counting half: (rank - 1/2) / n, in (0, 1).

    Args:
        values: [n] finite.
        groups: [n] str.

    Example:
        >>> percentiles([3, 1, 2, 7], ["a", "a", "a", "b"]).round(2).tolist()
        [0.83, 0.17, 0.5, 0.5]
    """
    values, groups = np.asarray(values, float), np.asarray(groups)
    result = np.empty(len(values))
    for group in np.unique(groups):
        here = groups == group
        result[here] = (stats.rankdata(values[here]) - 0.5) / here.sum()
    return result
