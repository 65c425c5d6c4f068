"""ROC AUC of the score difference of a pair as what tells which picture of the pair is ahead."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import stats


def pair_auc(differences: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Area under the ROC curve where every pair is shown in both orders.

    A pair whose better picture leads by d is one example "left is ahead" with the difference d, and, shown the other
    way round, one example "right is ahead" with -d. The area is the chance that a common threshold on the difference
    sorts two of them:

        AUC = sum_ij w_i w_j ([d_i + d_j > 0] + [d_i + d_j = 0] / 2) / (sum_i w_i)^2

    In words: of two pairs drawn at random, that the one with the larger |d| is in the right order. It is at least as
    high as the pair accuracy where larger differences are right more often. `roc_auc_score` of scikit-learn on the
    doubled list gives the same number; this form sorts once for all resamples of a bootstrap.
    Pairs whose sides carry meaning, such as UIV's as they were shown: `shown_pair_auc`.

    Args:
        differences: [p] predicted score of the picture that is ahead minus that of the other.
        weight: [p] or None.

    Returns:
        A float in [0, 1], 0.5 where all differences are 0; NaN without a pair.

    Example:
        >>> pair_auc([0.5, -0.2])  # The pair with the larger difference is in the right order.
        0.75
    """
    differences = np.asarray(differences, np.float64)
    return prepare_pair_auc(differences)(np.ones(len(differences)) if weight is None else np.asarray(weight))


def prepare_pair_auc(differences: npt.ArrayLike, most_levels: int | None = None) -> Callable[[np.ndarray], float]:
    """`pair_auc` of fixed differences as a function of the weights [p].

    With `most_levels`, neighbouring sizes |d| are taken for equal until there are no more of them than that, which
    makes a call faster and moves the area by less than `1 / most_levels`.
    """
    sizes, place = np.unique(np.abs(differences), return_inverse=True)
    if most_levels is not None and len(sizes) > most_levels:
        place = place * most_levels // len(sizes)
    right = (np.sign(differences) + 1) / 2

    def auc(weight):
        total = weight.sum()
        if not total:
            return float("nan")
        every, positive = np.bincount(place, weight), np.bincount(place, weight * right)
        smaller = np.cumsum(every) - every
        # Of a level with the weight E and, of it, P right: P is ahead of all smaller ones, and of its own level wins
        # P^2 and, as ties, half of 2 P (E - P).
        return float((positive * (2 * smaller + every)).sum() / total**2)

    return auc


def shown_pair_auc(predicted: npt.ArrayLike, pairs: npt.ArrayLike, label: npt.ArrayLike) -> float:
    """Area under the ROC curve of `predicted[left] - predicted[right]` against the label, each pair once as shown.

    Args:
        predicted: [n].
        pairs: [p, 2] indices of left and right.
        label: [p] in {0, 1}: 1 where left is ahead.

    Returns:
        A float in [0, 1]; NaN if all labels are equal. It is what `roc_auc_score` of scikit-learn gives, through the
        rank sum of Mann and Whitney.
    """
    predicted, pairs, label = np.asarray(predicted, np.float64), np.asarray(pairs), np.asarray(label)
    difference = predicted[pairs[:, 0]] - predicted[pairs[:, 1]]
    ahead, behind = difference[label == 1], difference[label == 0]
    if len(ahead) + len(behind) != len(label):
        raise ValueError(f"labels must be 0 or 1, got {sorted(set(label.tolist()) - {0, 1})[0]}")
    if not len(ahead) or not len(behind):
        return float("nan")
    return float(stats.mannwhitneyu(ahead, behind, method="asymptotic").statistic / (len(ahead) * len(behind)))
