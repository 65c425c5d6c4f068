"""How well signed maps point at masks: energy, pointing game, pixel average precision and boxes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lena_jax.localization.boxes import LevelBoxes, box_overlaps, mask_boxes
from lena_jax.metrics.resampling import weighted_bootstrap

LEVELS = 100
BOX_LEVELS = 20  # Of `localization_metrics`: finding boxes is what takes its time.
OVERLAPS = (0.3, 0.5, 0.7)


def mask_energy(contribution: npt.ArrayLike, mask: npt.ArrayLike) -> tuple[float, float]:
    """Energy-based pointing game: share of a map's positive energy inside a mask, against the mask's share of the area.

    Args:
        contribution: [H, W] signed map.
        mask: [H, W] boolean.

    Returns:
        (inside, area): `inside = sum(max(contribution, 0) * mask) / sum(max(contribution, 0))`, NaN where the
        map has no positive cell, and `area = mean(mask)`.

    Raises:
        ValueError: if the shapes differ or the map has NaN.

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
    """Pointing game: whether the highest cell of a map is on the object.

    Args:
        contribution: [H, W] signed map; that its highest value may be negative plays no part.
        mask: [H, W] boolean.
        tolerance: pixels by which the point may miss the mask; the paper has 15 on pictures of about 500.

    Returns:
        1.0 or 0.0; where several cells share the highest value, the share of them that hit, so that a flat map scores
        as a blind guess does.

    Raises:
        ValueError: if the shapes differ, the map has NaN or `tolerance` is negative.

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
    """A map moved to [0, 1] by its own least and largest value and cut into equal steps: integers 0..levels-1.

    Level k says `value >= k / levels`, the thresholds at which PxAP and MaxBoxAcc look at a map. Only the order of
    the cells enters those measures and this keeps it, the negative side included. A flat map has level 0 all over.
    """
    contribution = np.asarray(contribution, np.float64)
    low, high = contribution.min(), contribution.max()
    if not high > low:
        return np.zeros(contribution.shape, np.int64)
    # Halved, so that the difference of two huge values is finite.
    share = (contribution / 2 - low / 2) / (high / 2 - low / 2)
    return np.minimum((share * levels).astype(np.int64), levels - 1)


def pixel_counts(contribution: npt.ArrayLike, mask: npt.ArrayLike, levels: int = LEVELS) -> np.ndarray:
    """How many pixels of a map have each level, [2, levels]: outside and inside the mask."""
    contribution, mask = _checked(contribution, mask)
    place = map_levels(contribution, levels) + levels * mask
    return np.bincount(place.ravel(), minlength=2 * levels).reshape(2, levels)


def pixel_average_precision(counts: npt.ArrayLike) -> np.ndarray:
    """PxAP: area under the precision-recall curve of pixels, all pictures in one list.

    `PxAP = sum_k precision(t_k) (recall(t_k) - recall(t_k+1))` over the thresholds from high to low. Each map is
    moved to [0, 1] first (`map_levels`), as there. Blind maps have the mask's share of the area.

    Args:
        counts: [..., 2, levels], sums of `pixel_counts` over pictures.

    Returns:
        [...] in [0, 1]; NaN without a pixel inside a mask.

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
    """Whether a map's boxes find the object, at every threshold and for every overlap asked for.

    Args:
        contribution: [H, W] signed map.
        mask: [H, W] boolean, not empty.
        overlaps: least intersections over union that count as found.
        levels: number of thresholds, see `map_levels`.
        largest: compare only the box around the largest connected part above the threshold (MaxBoxAcc) instead of the
            best of all parts (MaxBoxAccV2).

    Returns:
        [levels, len(overlaps)] boolean: at the threshold of level k, is there a box of the map whose overlap with one
        of the boxes around the connected parts of the mask is as large.

    Raises:
        ValueError: if the shapes differ, the map has NaN or the mask is empty.
    """
    contribution, mask = _checked(contribution, mask)
    if not mask.any():
        raise ValueError(f"the mask has no pixel of its {mask.size}, expected at least one")
    boxes = LevelBoxes.of(map_levels(contribution, levels), levels)
    best = box_overlaps(boxes.boxes, mask_boxes(mask)).max(1)
    reached = boxes.of_largest(best) if largest else boxes.highest(best)
    return reached[:, None] >= np.asarray(overlaps)


def max_box_accuracy(hits: npt.ArrayLike) -> float:
    """MaxBoxAcc(V2): share of pictures found at the best common threshold, averaged over the overlaps.

    Args:
        hits: [n, levels, overlaps], of `box_hits`: with `largest` and the one overlap 0.5 it is MaxBoxAcc, without
            and with the overlaps 0.3, 0.5 and 0.7 it is MaxBoxAccV2.

    Returns:
        A float in [0, 1].

    Reference: Choe et al., Evaluating weakly supervised object localization methods right, CVPR 2020, and its
    extension, arXiv 2007.04178 (V2).
    """
    return float(np.asarray(hits, np.float64).mean(0).max(0).mean())


def picture_localization(contribution: npt.ArrayLike, mask: npt.ArrayLike) -> dict[str, Any]:
    """What `localization_metrics` needs of one picture, a few kilobytes.

    Args:
        contribution: [H, W] signed map.
        mask: [H, W] boolean, not empty.

    Raises:
        ValueError: as of `box_hits`.
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
    """The measures above over many pictures, with 95 % bootstrap intervals over pictures.

    Args:
        each: `picture_localization` of the pictures with a mask that is not empty, at least one.
        resamples, seed: of the bootstrap.

    Returns:
        {"energy_inside": mean over pictures, a map without a positive cell counting 0, "area": mean share of the mask,
        "ratio": of these two, "pictures", and each with {"value", "low", "high"} "energy" (again `energy_inside`),
        "pointing", "pxap" and "max_box_acc_v2" (with `BOX_LEVELS` thresholds)}.
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
        raise ValueError(f"map and mask must have one shape, got {contribution.shape} and {mask.shape}")
    if not np.isfinite(contribution).all():
        raise ValueError(f"the map must be finite, got {int((~np.isfinite(contribution)).sum())} cells that are not")
    return contribution, mask
