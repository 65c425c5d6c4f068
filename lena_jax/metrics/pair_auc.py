"""ROC AUC of the score difference of a pair, as a classifier of which picture is ahead."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import stats


def pair_auc(differences: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Computes the area under the ROC curve, with every pair in both orders.

    A pair whose better picture leads by d gives two examples: "left is ahead" with difference d and, in the other
    order, "right is ahead" with -d. The area is the probability that a "left" example has a larger difference than a
    "right" example:

        AUC = sum_ij w_i w_j ([d_i + d_j > 0] + [d_i + d_j = 0] / 2) / (sum_i w_i)^2

    Equivalently, it is the probability that, of two random pairs, the one with the larger |d| is in the right order. It
    is at least as high as the pair accuracy if larger differences are right more often. scikit-learn's `roc_auc_score`
    gives the same number on the doubled list; this form sorts only once for all resamples of a bootstrap. If the sides
    of a pair carry meaning, such as UIV's pairs as they were shown, use `shown_pair_auc`.

    Args:
        differences: [p], predicted score of the picture that is ahead minus that of the other.
        weight: [p], weights of the pairs, or None.

    Returns:
        A float in [0, 1], 0.5 if all differences are 0; NaN without pairs.

    Example:
        >>> pair_auc([0.5, -0.2])  # The pair with the larger difference is in the right order.
        0.75
    """
    differences = np.asarray(differences, np.float64)
    return prepare_pair_auc(differences)(np.ones(len(differences)) if weight is None else np.asarray(weight))


def prepare_pair_auc(differences: npt.ArrayLike, most_levels: int | None = None) -> Callable[[np.ndarray], float]:
    """Returns `pair_auc` of fixed differences, as a function of the weights [p].

    With `most_levels`, neighbouring sizes |d| are merged until at most that many are left. This makes a call faster and
    changes the area by less than `1 / most_levels`.
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
        # Take a level of weight E, of which P is right. P wins against all smaller levels. Within its own level it wins
        # P^2 and half of the 2 P (E - P) ties.
        return float((positive * (2 * smaller + every)).sum() / total**2)

    return auc


def shown_pair_auc(predicted: npt.ArrayLike, pairs: npt.ArrayLike, label: npt.ArrayLike) -> float:
    """Computes the area under the ROC curve of `predicted[left] - predicted[right]`, each pair once, as shown.

    Args:
        predicted: [n].
        pairs: [p, 2], indices of left and right.
        label: [p] in {0, 1}; 1 if left is ahead.

    Returns:
        A float in [0, 1]; NaN if all labels are equal. Equal to scikit-learn's `roc_auc_score`, but computed from the
        Mann-Whitney rank sum.
    """
    predicted, pairs, label = np.asarray(predicted, np.float64), np.asarray(pairs), np.asarray(label)
    difference = predicted[pairs[:, 0]] - predicted[pairs[:, 1]]
    ahead, behind = difference[label == 1], difference[label == 0]
    if len(ahead) + len(behind) != len(label):
        raise ValueError(f"labels must be 0 or 1, got {sorted(set(label.tolist()) - {0, 1})[0]}")
    if not len(ahead) or not len(behind):
        return float("nan")
    return float(stats.mannwhitneyu(ahead, behind, method="asymptotic").statistic / (len(ahead) * len(behind)))
