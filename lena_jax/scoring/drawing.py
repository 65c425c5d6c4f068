"""Draw explanations: the picture, its map with a colour bar, and boxes."""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from lena_jax.localization import overlays
from lena_jax.scoring.results import Comparison, Explanation

# Longest side of a drawn picture in pixels. A figure shows no more detail.
_SIDE = 1024


def save_explanation(path: str | os.PathLike, explanation: Explanation) -> None:
    """Writes the drawing of an explanation as PNG."""
    overlays.save(draw_explanation(explanation), path)


def save_comparison(path: str | os.PathLike, comparison: Comparison) -> None:
    """Writes the drawing of a comparison as PNG."""
    overlays.save(draw_comparison(comparison), path)


def save_crops(path: str | os.PathLike, whole: Explanation, crops: Sequence[Explanation], names: Sequence[str]) -> None:
    """Writes a drawing of a picture and its crops, each above its map, as PNG."""
    small = [_reduced(one) for one in (whole, *crops)]
    titles = [f"{name}: {one.score:+.2f}" for name, one in zip(("whole", *names), small, strict=True)]
    maps = [one.map for one in small]
    overlays.save(
        overlays.draw_overlays([one.picture for one in small], maps, titles, _label(whole), resize=whole.resize), path
    )


def draw_explanation(explanation: Explanation) -> Figure:
    """Draws a picture and, below, its map with boxes."""
    small = _reduced(explanation)
    percentile = "" if small.percentile is None else f"\nhigher than {small.percentile:.0f} % of training pictures"
    return overlays.draw_overlays(
        [small.picture],
        [small.map],
        [f"score {small.score:+.2f}{percentile}"],
        _label(small),
        [small.boxes],
        small.resize,
    )


def draw_comparison(comparison: Comparison) -> Figure:
    """Draws two pictures and, below, the maps of what favours the first (red) and the second (blue)."""
    left, right = _reduced(comparison.left), _reduced(comparison.right)
    if left.exact:
        return overlays.draw_pair(
            [left.picture, right.picture], comparison.maps, (left.score, right.score), left.resize
        )
    titles = [f"{side}: score {one.score:+.2f}" for side, one in (("left", left), ("right", right))]
    label = "virality map, for left (+) or right (-)"
    return overlays.draw_overlays([left.picture, right.picture], comparison.maps, titles, label, resize=left.resize)


def map_path(folder: str, place: int, name: str) -> str:
    """Path for the drawing of a ranked picture. It begins with the rank, so no two pictures share a path."""
    stem = os.path.splitext(os.path.basename(name))[0].encode("utf-8", "replace").decode()[:80]
    return os.path.join(folder, f"{place:05}_{stem}.png")


def _label(explanation):
    return "contribution of a cell to the score" if explanation.exact else "virality map"


def _reduced(explanation):
    """Shrinks the picture of an explanation to the size that is drawn."""
    height, width = explanation.picture.shape[:2]
    scale = _SIDE / max(height, width)
    if scale >= 1:
        return explanation
    size = max(1, round(width * scale)), max(1, round(height * scale))
    picture = np.asarray(Image.fromarray(explanation.picture).resize(size, Image.Resampling.BILINEAR))
    factor = np.array([size[1] / height, size[0] / width] * 2)
    return dataclasses.replace(explanation, picture=picture, boxes=explanation.boxes * factor)
