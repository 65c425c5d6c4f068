"""Boxes from maps: around the connected parts that lie above a threshold, and how well two boxes agree.

Boxes are `(top, left, bottom, right)` in pixels, bottom and right one past the last; parts are connected over edges and
corners.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

CONNECTED = np.ones((3, 3), bool)


def mask_boxes(mask: npt.ArrayLike) -> np.ndarray:
    """Boxes around the connected parts of a mask: [H, W] boolean -> [k, 4] integers, k = 0 for an empty mask.

    Example:
        >>> mask_boxes([[0, 1, 1], [0, 0, 0], [1, 0, 0]]).tolist()
        [[0, 1, 1, 3], [2, 0, 3, 1]]
    """
    return _boxes(np.asarray(mask, bool))[0]


def map_boxes(signed_map: npt.ArrayLike, share: float = 0.5) -> np.ndarray:
    """Boxes around the parts of a map that raise the score most.

    Args:
        signed_map: [H, W], finite.
        share: of its highest value that a cell must reach; cells at or below 0 are never in a box. For the parts that
            lower the score most pass the negative map.

    Returns:
        [k, 4] integers, the box of the highest cell first; none where no cell is positive.

    Raises:
        ValueError: for a share outside (0, 1] or a map that is not finite.
    """
    signed_map = np.asarray(signed_map)
    if not 0 < share <= 1:
        raise ValueError(f"share must be in (0, 1], got {share}")
    if not np.isfinite(signed_map).all():
        raise ValueError(f"the map must be finite, got {int((~np.isfinite(signed_map)).sum())} cells that are not")
    boxes, labels, _ = _boxes((signed_map >= share * signed_map.max()) & (signed_map > 0))
    highest = np.zeros(len(boxes) + 1, signed_map.dtype)
    np.maximum.at(highest, labels, np.where(labels > 0, signed_map, 0))
    return boxes[np.argsort(-highest[1:], kind="stable")]


def box_overlaps(boxes: npt.ArrayLike, others: npt.ArrayLike) -> np.ndarray:
    """Intersection over union: boxes [k, 4], others [m, 4] -> [k, m].

    Example:
        >>> box_overlaps([[0, 0, 2, 2]], [[0, 0, 2, 2], [0, 1, 2, 3]]).round(2).tolist()
        [[1.0, 0.33]]
    """
    boxes, others = np.asarray(boxes)[:, None], np.asarray(others)[None]
    sides = np.minimum(boxes[..., 2:], others[..., 2:]) - np.maximum(boxes[..., :2], others[..., :2])
    common = np.maximum(sides, 0).prod(-1)
    areas = [(each[..., 2:] - each[..., :2]).prod(-1) for each in (boxes, others)]
    return common / (areas[0] + areas[1] - common)


@dataclasses.dataclass(frozen=True)
class LevelBoxes:
    """The boxes of one map at every one of many thresholds.

    Attributes:
        boxes: [k, 4].
        level: [k] the threshold of each: the part is where the map's level is at least this.
        area: [k] pixels of each part.
        levels: number of thresholds.
    """

    boxes: np.ndarray
    level: np.ndarray
    area: np.ndarray
    levels: int

    @classmethod
    def of(cls, map_levels: np.ndarray, levels: int) -> "LevelBoxes":
        """From a map of integers 0..levels-1, [H, W]; only the part of the picture that is above is looked at."""
        found = []
        rows, columns = slice(None), slice(None)
        top = left = 0
        for level in range(levels):
            map_levels = map_levels[rows, columns]
            above = map_levels >= level
            boxes, _, area = _boxes(above)
            if not len(boxes):
                break
            found.append((boxes + [top, left, top, left], np.full(len(boxes), level), area))
            (low_row, low_column), (high_row, high_column) = boxes[:, :2].min(0), boxes[:, 2:].max(0)
            rows, columns = slice(low_row, high_row), slice(low_column, high_column)
            top, left = top + low_row, left + low_column
        boxes, level, area = (np.concatenate(part) for part in zip(*found, strict=True))
        return cls(boxes, level, area, levels)

    def highest(self, values: npt.ArrayLike) -> np.ndarray:
        """The highest of the boxes' values at each threshold: [k] -> [levels], 0 where there is no box."""
        highest = np.zeros(self.levels)
        np.maximum.at(highest, self.level, values)
        return highest

    def of_largest(self, values: npt.ArrayLike) -> np.ndarray:
        """The value of the largest part at each threshold (the first of equal ones): [k] -> [levels]."""
        order = np.lexsort((-np.arange(len(self.area)), self.area, self.level))
        result = np.zeros(self.levels)
        result[self.level[order]] = np.asarray(values)[order]  # The last of a threshold stays: its largest.
        return result


def _boxes(mask):
    """(boxes [k, 4], labels [H, W] 1..k, areas [k]) of the connected parts of a mask."""
    # SciPy's images take half a second to import, which scoring without maps does not need.
    from scipy import ndimage

    labels, count = ndimage.label(mask, CONNECTED)
    boxes = np.array(
        [[rows.start, columns.start, rows.stop, columns.stop] for rows, columns in ndimage.find_objects(labels)],
        np.int64,
    ).reshape(-1, 4)
    return boxes, labels, np.bincount(labels.ravel(), minlength=count + 1)[1:]
