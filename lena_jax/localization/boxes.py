"""Find boxes around the connected regions of a map above a threshold, and measure how well two boxes agree.

Boxes are `(top, left, bottom, right)` in pixels; bottom and right are exclusive. Regions connect over edges and
corners.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from lena_jax.localization.resizing import on_picture

CONNECTED = np.ones((3, 3), bool)
_SIDE = 512  # Longest side of the map in which `picture_boxes` searches.


def mask_boxes(mask: npt.ArrayLike) -> np.ndarray:
    """Finds boxes around the connected regions of a mask: [H, W] boolean -> [k, 4] integers, k = 0 for an empty mask.

    Example:
        >>> mask_boxes([[0, 1, 1], [0, 0, 0], [1, 0, 0]]).tolist()
        [[0, 1, 1, 3], [2, 0, 3, 1]]
    """
    return _boxes(np.asarray(mask, bool))[0]


def map_boxes(signed_map: npt.ArrayLike, share: float = 0.5) -> np.ndarray:
    """Finds boxes around the regions of a map that raise the score most.

    Args:
        signed_map: [H, W], finite. Pass the negated map to find the regions that lower the score most.
        share: share of the highest value that a pixel must reach. Pixels at or below 0 are never in a box.

    Returns:
        [k, 4] integers, the box with the highest value first; k = 0 if nothing is positive.

    Raises:
        ValueError: `share` is outside (0, 1] or the map is not finite.
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


def picture_boxes(signed_map: np.ndarray, height: int, width: int, resize: str = "squash") -> np.ndarray:
    """Finds the boxes of a map of cells in its picture.

    Args:
        signed_map: [h, w], a cell of the network each.
        height, width: height and width of the picture, in pixels. The boxes of a large one are found in a smaller copy.
        resize: how it became the square that the network saw, see `on_picture`.

    Returns:
        See `map_boxes`, in pixels of the picture.
    """
    scale = min(1, _SIDE / max(height, width))
    small = max(1, round(height * scale)), max(1, round(width * scale))
    boxes = map_boxes(np.asarray(on_picture(signed_map[None], *small, resize))[0])
    return np.rint(boxes * np.array([height / small[0], width / small[1]] * 2)).astype(np.int64)


def box_overlaps(boxes: npt.ArrayLike, others: npt.ArrayLike) -> np.ndarray:
    """Computes intersection over union: boxes [k, 4], others [m, 4] -> [k, m].

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
    """The boxes of one map at many thresholds.

    Attributes:
        boxes: [k, 4].
        level: [k], threshold of each box: its region is where the map's level is at least this.
        area: [k], number of pixels in each region.
        levels: number of thresholds.
    """

    boxes: np.ndarray
    level: np.ndarray
    area: np.ndarray
    levels: int

    @classmethod
    def of(cls, map_levels: np.ndarray, levels: int) -> "LevelBoxes":
        """Finds the boxes of a map of integers 0..levels-1, [H, W]. Crops the map as thresholds rise, for speed."""
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
        """Takes the highest value of the boxes at each threshold: [k] -> [levels], 0 where there is no box."""
        highest = np.zeros(self.levels)
        np.maximum.at(highest, self.level, values)
        return highest

    def of_largest(self, values: npt.ArrayLike) -> np.ndarray:
        """Takes the value of the largest region at each threshold (the first of equal ones): [k] -> [levels]."""
        order = np.lexsort((-np.arange(len(self.area)), self.area, self.level))
        result = np.zeros(self.levels)
        result[self.level[order]] = np.asarray(values)[
            order
        ]  # Assignment keeps the last of each threshold: its largest.
        return result


def _boxes(mask):
    """Finds the connected regions of a mask: (boxes [k, 4], labels [H, W] with values 1..k, areas [k])."""
    # scipy.ndimage takes half a second to import, and scoring without maps does not need it.
    from scipy import ndimage

    labels, count = ndimage.label(mask, CONNECTED)
    boxes = np.array(
        [[rows.start, columns.start, rows.stop, columns.stop] for rows, columns in ndimage.find_objects(labels)],
        np.int64,
    ).reshape(-1, 4)
    return boxes, labels, np.bincount(labels.ravel(), minlength=count + 1)[1:]
