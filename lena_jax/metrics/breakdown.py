"""Break down pair accuracy by the difference of the true scores, and by group."""

import numpy as np
import numpy.typing as npt

from lena_jax.metrics.ranking import pair_accuracy


def accuracy_by_gap(
    predicted: npt.ArrayLike, scores: npt.ArrayLike, pairs: np.ndarray, parts: int = 4
) -> list[dict[str, float]]:
    """Computes pair accuracy in bins of equally many pairs, from the smallest true score difference to the largest.

    Pairs with equal differences share a bin. If there are few distinct scores, there are fewer bins, or uneven ones.

    Args:
        predicted, scores: [n].
        pairs: [p, 2]; column 0 is the higher picture.
        parts: number of bins; 4 gives quartiles.

    Returns:
        A list of {"from", "to": smallest and largest difference in the bin, "pairs", "value"}.
    """
    scores = np.asarray(scores, np.float64)
    gap = np.abs(scores[pairs[:, 0]] - scores[pairs[:, 1]])
    edges = np.quantile(gap, np.arange(1, parts) / parts)
    part = np.searchsorted(edges, gap, "left")
    return [
        {
            "from": float(gap[chosen].min()),
            "to": float(gap[chosen].max()),
            "pairs": len(chosen),
            "value": pair_accuracy(predicted, pairs[chosen]),
        }
        for chosen in (np.flatnonzero(part == number) for number in range(parts))
        if len(chosen)
    ]


def accuracy_by_group(
    predicted: npt.ArrayLike, pairs: np.ndarray, groups: npt.ArrayLike
) -> dict[str, dict[str, float]]:
    """Computes pair accuracy within each group.

    Returns:
        {group: {"pairs", "value"}} for the groups that have pairs, sorted by name.
    """
    groups = np.asarray(groups)
    of_pair = groups[pairs[:, 0]]
    parts = {str(name): pairs[of_pair == name] for name in np.unique(of_pair)}
    return {name: {"pairs": len(part), "value": pair_accuracy(predicted, part)} for name, part in parts.items()}
