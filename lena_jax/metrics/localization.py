"""Measure how well signed maps find masked objects: energy, pointing game, pixel average precision and boxes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lena_jax.localization.boxes import LevelBoxes, box_overlaps, mask_boxes
from lena_jax.metrics.resampling import weighted_bootstrap

LEVELS = 100
BOX_LEVELS = 20  # Thresholds in `localization_metrics`, most of whose time goes into finding boxes.
OVERLAPS = (0.3, 0.5, 0.7)


def mask_energy(contribution: npt.ArrayLike, mask: npt.ArrayLike) -> tuple[float, float]:
    """Computes the share of a map's positive energy inside a mask, and the mask's share of the area.

    This is the energy-based pointing game.

    Args:
        contribution: [H, W] signed map.
        mask: [H, W] boolean.

    Returns:
        (inside, area): `inside = sum(max(contribution, 0) * mask) / sum(max(contribution, 0))`, NaN if no
        value of the map is positive, and `area = mean(mask)`.

    Raises:
        ValueError: the shapes differ or the map is not finite.

    Example:
        >>> mask_energy([[3.0, -1.0], [1.0, 0.0]], [[True, False], [False, False]])
        (0.75, 0.25)

    Reference: Wang et al., Score-CAM, CVPR workshops 2020.
    """
    contribution, mask = _checked(contribution, mask)
    positive = np.maximum(contribution, 0)
    total = positive.sum()
    return float(positive[mask].sum() / total) if total > 0 else float("nan"), float(mask.mean())


def pointing_hit(contribution: npt.ArrayLike, mask: npt.ArrayLike, tolerance: float = 0) -> float:
    """Plays the pointing game: is the highest pixel of a map on the object?

    Args:
        contribution: [H, W] signed map. Its highest value may be negative.
        mask: [H, W] boolean.
        tolerance: number of pixels by which the point may miss the mask; 15 in the paper, for pictures of about 500.

    Returns:
        1.0 or 0.0. If several pixels share the highest value, the share of them that hit, so that a constant map
        scores like a random guess.

    Raises:
        ValueError: the shapes differ, the map is not finite or `tolerance` is negative.

    Reference: Zhang et al., Top-down neural attention by excitation backprop, IJCV 2018.
    """
    contribution, mask = _checked(contribution, mask)
    if tolerance < 0:
        raise ValueError(f"tolerance must be at least 0, got {tolerance}")
    if tolerance and mask.any():
        from scipy import ndimage

        mask = ndimage.distance_transform_edt(~mask) <= tolerance
    return float(mask[contribution == contribution.max()].mean())


def map_levels(contribution: npt.ArrayLike, levels: int = LEVELS) -> np.ndarray:
    """Normalises a map to [0, 1] by its minimum and maximum and quantises it to integers 0..levels-1.

    Level k means `value >= k / levels`; these are the thresholds of PxAP and MaxBoxAcc. Quantisation keeps the order of
    the values, including negative ones, and those measures use nothing else. A constant map has level 0 everywhere.
    """
    contribution = np.asarray(contribution, np.float64)
    low, high = contribution.min(), contribution.max()
    if not high > low:
        return np.zeros(contribution.shape, np.int64)
    # Halve first, so that the difference of two huge values is finite.
    share = (contribution / 2 - low / 2) / (high / 2 - low / 2)
    return np.minimum((share * levels).astype(np.int64), levels - 1)


def pixel_counts(contribution: npt.ArrayLike, mask: npt.ArrayLike, levels: int = LEVELS) -> np.ndarray:
    """Counts the pixels of a map at each level, outside and inside the mask: [2, levels]."""
    contribution, mask = _checked(contribution, mask)
    place = map_levels(contribution, levels) + levels * mask
    return np.bincount(place.ravel(), minlength=2 * levels).reshape(2, levels)


def pixel_average_precision(counts: npt.ArrayLike) -> np.ndarray:
    """Computes PxAP, the area under the precision-recall curve of the pixels of all pictures together.

    `PxAP = sum_k precision(t_k) (recall(t_k) - recall(t_k+1))` over the thresholds from high to low. Each map is
    normalised to [0, 1] first (`map_levels`), as in the paper. Random maps score the mask's share of the area.

    Args:
        counts: [..., 2, levels], sums of `pixel_counts` over pictures.

    Returns:
        [...] in [0, 1]; NaN if no pixel is inside a mask.

    Reference: Choe et al., Evaluating weakly supervised object localization methods right, CVPR 2020.
    """
    counts = np.asarray(counts, np.float64)
    above = np.cumsum(counts[..., ::-1], -1)
    outside, inside = above[..., 0, :], above[..., 1, :]
    precision = inside / np.maximum(outside + inside, np.finfo(np.float64).tiny)
    recalled = np.diff(inside, axis=-1, prepend=0)
    total = inside[..., -1]
    with np.errstate(invalid="ignore"):
        return np.where(total > 0, (precision * recalled).sum(-1) / total, np.nan)


def box_hits(
    contribution: npt.ArrayLike,
    mask: npt.ArrayLike,
    overlaps: Sequence[float] = OVERLAPS,
    levels: int = LEVELS,
    largest: bool = False,
) -> np.ndarray:
    """Checks whether a map's boxes find the object, at every threshold and for every required overlap.

    Args:
        contribution: [H, W] signed map.
        mask: [H, W] boolean, not empty.
        overlaps: minimum intersections over union that count as found.
        levels: number of thresholds, see `map_levels`.
        largest: use only the box of the largest connected region above the threshold (MaxBoxAcc) instead of the best
            box of all regions (MaxBoxAccV2).

    Returns:
        [levels, len(overlaps)] boolean: whether, at the threshold of level k, a box of the map reaches the overlap with
        a box around a connected region of the mask.

    Raises:
        ValueError: the shapes differ, the map is not finite or the mask is empty.
    """
    contribution, mask = _checked(contribution, mask)
    if not mask.any():
        raise ValueError(f"the mask is empty: got 0 of {mask.size} pixels, expected at least 1")
    boxes = LevelBoxes.of(map_levels(contribution, levels), levels)
    best = box_overlaps(boxes.boxes, mask_boxes(mask)).max(1)
    reached = boxes.of_largest(best) if largest else boxes.highest(best)
    return reached[:, None] >= np.asarray(overlaps)


def max_box_accuracy(hits: npt.ArrayLike) -> float:
    """Computes MaxBoxAcc(V2): share of pictures found at the best common threshold, averaged over the overlaps.

    Args:
        hits: [n, levels, overlaps], from `box_hits`. With `largest` and the single overlap 0.5 the result is MaxBoxAcc;
            without `largest` and with the overlaps 0.3, 0.5 and 0.7 it is MaxBoxAccV2.

    Returns:
        A float in [0, 1].

    Reference: Choe et al., Evaluating weakly supervised object localization methods right, CVPR 2020, and its
    extension, arXiv 2007.04178 (V2).
    """
    return float(np.asarray(hits, np.float64).mean(0).max(0).mean())


def picture_localization(contribution: npt.ArrayLike, mask: npt.ArrayLike) -> dict[str, Any]:
    """Computes what `localization_metrics` needs from one picture, a few kilobytes.

    Args:
        contribution: [H, W] signed map.
        mask: [H, W] boolean, not empty.

    Raises:
        ValueError: in the same cases as `box_hits`.
    """
    hits = box_hits(contribution, mask, levels=BOX_LEVELS)
    inside, area = mask_energy(contribution, mask)
    return {
        "energy": 0.0 if np.isnan(inside) else inside,
        "area": area,
        "pointing": pointing_hit(contribution, mask),
        "counts": pixel_counts(contribution, mask),
        "hits": hits,
    }


def localization_metrics(each: Sequence[dict[str, Any]], resamples: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Aggregates the measures above over pictures, with 95 % bootstrap intervals over pictures.

    Args:
        each: results of `picture_localization` for the pictures with a mask that is not empty, at least one.
        resamples, seed: number of bootstrap resamples, and their seed.

    Returns:
        {"energy_inside": mean over pictures, counting 0 for a map without positive values, "area": mean share of the
        mask, "ratio": ratio of these two, "pictures"}, and with {"value", "low", "high"} each: "energy" (the same as
        `energy_inside`), "pointing", "pxap" and "max_box_acc_v2" (with `BOX_LEVELS` thresholds).
    """
    count = len(each)
    energy, area, pointing = (np.array([one[name] for one in each]) for name in ("energy", "area", "pointing"))
    counts, hits = (np.array([one[name].ravel() for one in each], np.float64) for name in ("counts", "hits"))
    measures = {
        "energy": lambda weight: weight @ energy / count,
        "pointing": lambda weight: weight @ pointing / count,
        "pxap": lambda weight: pixel_average_precision((weight @ counts).reshape(-1, 2, LEVELS)),
        "max_box_acc_v2": lambda weight: (weight @ hits / count).reshape(-1, BOX_LEVELS, len(OVERLAPS)).max(1).mean(1),
    }
    intervals = {name: weighted_bootstrap(statistic, count, resamples, seed) for name, statistic in measures.items()}
    return {
        "energy_inside": float(energy.mean()),
        "area": float(area.mean()),
        "ratio": float(energy.mean() / area.mean()),
        "pictures": count,
        **intervals,
    }


def _checked(contribution, mask):
    contribution, mask = np.asarray(contribution), np.asarray(mask, bool)
    if contribution.shape != mask.shape or contribution.ndim != 2:
        raise ValueError(f"map and mask must have the same shape, got {contribution.shape} and {mask.shape}")
    if not np.isfinite(contribution).all():
        raise ValueError(f"the map must be finite, got {int((~np.isfinite(contribution)).sum())} cells that are not")
    return contribution, mask
