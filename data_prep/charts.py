"""Draw PNGs: a histogram of scores, a sheet of pictures under headings, and pictures beside their maps."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from lena_jax.runtime.files import write_whole

# Pictures under each heading of a sheet: three rows.
SHEET_PICTURES = 24
_COLUMNS = 8
_PIXELS = 160
_GROUPS = 6
# Names are drawn as they are: a dollar sign starts no formula.
_PLAIN = {"text.parse_math": False}


@matplotlib.rc_context(_PLAIN)
def save_histogram(path: Path, name: str, scores: np.ndarray, splits: np.ndarray, groups: np.ndarray) -> None:
    """Draw the distribution of the scores of each split, one panel for each of the largest groups.

    Args:
        path: the PNG to write.
        name: the dataset's name, for the title.
        scores: [n].
        splits: [n] str, the split of each score.
        groups: [n] str, the group of each score.
    """
    names, counts = np.unique(groups, return_counts=True)
    shown = names[np.argsort(-counts, kind="stable")][:_GROUPS]
    columns = min(len(shown), 3) or 1
    rows = -(-len(shown) // columns) or 1
    figure = Figure(figsize=(4.2 * columns + 1, 3.2 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flat
    kinds = sorted(set(splits))
    for axis, group in zip(axes, shown, strict=False):
        values = [scores[(groups == group) & (splits == split)] for split in kinds]
        axis.hist(values, bins=40, stacked=True, label=kinds)
        axis.set(xlabel="score", ylabel="pictures", title=group or None)
    for axis in list(figure.axes)[len(shown) :]:
        axis.set_axis_off()
    if len(shown):
        figure.axes[0].legend()
    left = f" ({len(names) - len(shown):,} smaller groups are not shown)" if len(names) > len(shown) else ""
    figure.suptitle(f"{name}: {len(scores):,} pictures{left}")
    _save(figure, path)


@matplotlib.rc_context(_PLAIN)
def save_sheet(path: Path, name: str, blocks: Sequence[tuple[str, Sequence[tuple[np.ndarray, str]]]]) -> None:
    """Draw a sheet of pictures in blocks.

    Args:
        path: the PNG to write.
        name: the dataset's name, for the title.
        blocks: the heading of each block, and its pictures [H, W, 3] uint8 with a line of text for each.
    """
    rows = [-(-len(pictures) // _COLUMNS) for _, pictures in blocks]
    figure = Figure(figsize=(1.5 * _COLUMNS, 1.75 * sum(rows) + 0.5 * len(blocks) + 0.4), layout="constrained")
    figure.suptitle(name)
    parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=[max(count, 0.1) for count in rows])
    for (heading, pictures), count, part in zip(blocks, rows, parts[:, 0], strict=True):
        part.suptitle(heading, fontsize=10)
        if not count:
            continue
        axes = part.subplots(count, _COLUMNS, squeeze=False).flat
        for axis in axes:
            axis.set_axis_off()
        for axis, (picture, text) in zip(part.axes, pictures, strict=False):
            axis.imshow(picture)
            axis.set_title(text if len(text) < 22 else text[:20] + "...", fontsize=7)
    _save(figure, path)


@matplotlib.rc_context(_PLAIN)
def save_maps(path: Path, rows: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Draw a row for each picture: the picture, its map, and both in one.

    Args:
        path: the PNG to write.
        rows: pictures [H, W, 3] uint8 with their maps [h, w] uint8.
    """
    titles = ("picture", "objectness", "dark where the map is low")
    heights = [picture.shape[0] / picture.shape[1] for picture, _ in rows]
    figure = Figure(figsize=(7, 2.3 * sum(heights) + 0.4), layout="constrained")
    axes = figure.subplots(len(rows), 3, squeeze=False, height_ratios=heights)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=9)
    shown = None
    for (picture, level), row in zip(rows, axes, strict=True):
        height, width = picture.shape[:2]
        smooth = np.asarray(Image.fromarray(level).resize((width, height), Image.Resampling.BILINEAR)) / 255
        row[0].imshow(picture)
        # The cells as stored, stretched to the picture's shape.
        kept = {"vmin": 0, "vmax": 255, "cmap": "magma", "interpolation": "nearest"}
        shown = row[1].imshow(level, extent=(0, width, height, 0), **kept)
        row[2].imshow(picture / 255 * (0.15 + 0.85 * smooth[..., None]))
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    bar = figure.colorbar(shown, ax=axes, shrink=0.5, ticks=[0, 255])
    bar.ax.set_yticklabels(["0", "1"])
    _save(figure, path)


def thumbnail(picture: np.ndarray) -> np.ndarray:
    """Return a picture [H, W, 3] uint8 as small as the sheet shows it."""
    small = Image.fromarray(picture)
    small.thumbnail((_PIXELS, _PIXELS))
    return np.asarray(small)


def _save(figure: Figure, path: Path) -> None:
    # The figure draws on its own canvas, which needs neither pyplot's global state nor a screen.
    FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        # The font has no signs of some scripts.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        write_whole(path, lambda file: figure.savefig(file, format="png", dpi=110), "wb")
