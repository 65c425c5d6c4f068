"""Draw signed maps over pictures, on one scale with a colour bar."""

import functools
import os
from collections.abc import Sequence

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from skimage import color

from lena_jax.localization.resizing import on_picture, upsample
from lena_jax.runtime.files import write_whole

OPACITY = 0.65
CENTRE = (95.0, 0.0, 0.0)  # In CIELAB. The two ends are equally dark and equally far from the centre.
RAISES, LOWERS = (40.0, 45.0, 26.0), (40.0, 10.8, -50.8)


@functools.cache
def diverging(steps: int = 128) -> ListedColormap:
    """Creates the colour map of signed values: blue lowers the score, near white is 0, red raises it.

    It is perceptually uniform: neighbouring colours differ by the same CIEDE2000 along each arm, and lightness falls
    equally on both. Values of equal size and opposite sign look equally strong, also in print and to people with
    red-green colour blindness.

    Args:
        steps: number of colours per arm.

    Returns:
        A Matplotlib colour map.
    """
    arms = [_arm(np.array(end), steps) for end in (LOWERS, RAISES)]
    return ListedColormap(np.concatenate([arms[0][::-1], arms[1][1:]]), name="lowers_raises")


def _arm(end, steps):
    """Computes [steps + 1, 3] sRGB colours from the centre to an end, at equal perceptual distances."""
    share = np.linspace(0, 1, 2001)[:, None]
    line = np.array(CENTRE) * (1 - share) + end * share
    travelled = np.concatenate([[0], np.cumsum(color.deltaE_ciede2000(line[1:], line[:-1]))])
    at = np.interp(np.linspace(0, travelled[-1], steps + 1), travelled, share[:, 0])[:, None]
    return np.clip(color.lab2rgb(np.array(CENTRE) * (1 - at) + end * at), 0, 1)


def common_scale(maps: Sequence[npt.ArrayLike] | np.ndarray, quantile: float = 0.995) -> float:
    """Computes the value at which the colour scale of several maps ends, on both sides of 0.

    Args:
        maps: sequence of [h, w] arrays of signed values.
        quantile: quantile of the absolute values, smoothed as they are drawn. By default, the strongest 0.5 % share the
            ends of the scale, so that one cell does not wash out all others.

    Returns:
        A float, positive even if every map is 0.
    """
    cells = [np.asarray(one, np.float32) for one in maps]
    values = np.abs(np.concatenate([np.ravel(upsample(one[None], *one.shape)) for one in cells]))
    return max(float(np.quantile(values, quantile)), float(values.max()) * 1e-3, float(np.finfo(np.float32).tiny))


def overlay(
    picture: np.ndarray,
    signed_map: npt.ArrayLike,
    scale: float | None = None,
    opacity: float = OPACITY,
    resize: str = "squash",
) -> np.ndarray:
    """Draws a signed map over a picture in grey.

    Args:
        picture: [H, W, 3] uint8.
        signed_map: [h, w], enlarged to the picture.
        scale: value at which the colour scale ends. Pass the same one for maps that are compared; None for this map's
            own.
        opacity: opacity of the map, 0 to 1.
        resize: how the picture became the square that the network saw, see `on_picture`.

    Returns:
        [H, W, 3] uint8. A map of zeros has the colour of 0 everywhere.

    Raises:
        ValueError: the map is not finite.
    """
    signed_map = np.asarray(signed_map, np.float32)
    if not np.isfinite(signed_map).all():
        raise ValueError(f"the map must be finite, got {int((~np.isfinite(signed_map)).sum())} cells that are not")
    scale = common_scale([signed_map]) if scale is None else scale
    height, width = picture.shape[:2]
    full = np.asarray(on_picture(signed_map[None], height, width, resize))[0]
    colours = diverging()(0.5 + 0.5 * np.clip(full / scale, -1, 1))[..., :3]
    return np.round(255 * (opacity * colours + (1 - opacity) * backdrop(picture))).astype(np.uint8)


def backdrop(picture: npt.ArrayLike) -> np.ndarray:
    """Converts a picture to the pale grey under maps: [H, W, 3] uint8 -> [H, W, 3] in [0.5, 1]."""
    return 0.5 + 0.5 * np.repeat(np.asarray(picture).mean(-1, keepdims=True) / 255, 3, -1)


@matplotlib.rc_context({"text.parse_math": False})
def save_overlays(
    path: str | os.PathLike,
    pictures: Sequence[np.ndarray],
    maps: Sequence[np.ndarray] | np.ndarray,
    titles: Sequence[str] | None = None,
    label: str = "contribution of a cell to the score",
    boxes: Sequence[np.ndarray] | None = None,
    resize: str = "squash",
) -> None:
    """Draws pictures above their maps, on one scale with one colour bar.

    Args:
        path: path of the PNG.
        pictures: k pictures [H, W, 3] uint8.
        maps: k signed maps [h, w].
        titles: k titles, or None.
        label: meaning of the map values, for the colour bar.
        resize: how the pictures became the squares that the network saw, see `on_picture`.
        boxes: k arrays [m, 4] of boxes to outline, (top, left, bottom, right) in pixels of the picture, or None.
    """
    scale = common_scale(maps)
    figure = Figure(figsize=(2.6 * len(pictures) + 1.2, 5.4), layout="constrained")
    axes = figure.subplots(2, len(pictures), squeeze=False)
    for number, (picture, one) in enumerate(zip(pictures, maps, strict=True)):
        above, below = axes[:, number]
        above.imshow(picture)
        below.imshow(overlay(picture, one, scale, resize=resize))
        for top, left, bottom, right in () if boxes is None else boxes[number]:
            below.plot(
                np.array([left, right, right, left, left]) - 0.5,
                np.array([top, top, bottom, bottom, top]) - 0.5,
                color="k",
                linewidth=1,
            )
        for axis in (above, below):
            axis.set(xticks=[], yticks=[], xlim=(-0.5, picture.shape[1] - 0.5), ylim=(picture.shape[0] - 0.5, -0.5))
        if titles is not None:
            above.set_title(titles[number], fontsize=9)
    figure.colorbar(colour_bar(scale), ax=axes, shrink=0.6, extend="both", label=label)
    save(figure, path)


def save_pair(
    path: str | os.PathLike,
    pictures: Sequence[np.ndarray],
    maps: np.ndarray,
    scores: tuple[float, float],
    resize: str = "squash",
) -> None:
    """Draws both pictures of a pair above the maps of what each cell adds to the difference of their scores.

    Args:
        path: path of the PNG.
        pictures: (left, right), each [H, W, 3] uint8.
        maps: [2, h, w], one pair from `pair_contributions`: red favours the left picture, blue the right.
        scores: (left, right).
        resize: see `save_overlays`.
    """
    sums = [float(np.sum(one)) for one in maps]
    titles = [
        f"{side}: score {score:+.2f}\nadds {total:+.2f} to the difference"
        for side, score, total in zip(("left", "right"), scores, sums, strict=True)
    ]
    label = f"for left (+) or right (-); all cells: {scores[0] - scores[1]:+.2f}"
    save_overlays(path, pictures, maps, titles, label, resize=resize)


def colour_bar(scale: float) -> ScalarMappable:
    """Creates the `ScalarMappable` for a colour bar from -scale to scale."""
    return ScalarMappable(Normalize(-scale, scale), diverging())


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Writes a figure as PNG, atomically."""
    # The figure draws on its own canvas, so it needs neither pyplot's global state nor a screen.
    FigureCanvasAgg(figure)
    write_whole(path, lambda file: figure.savefig(file, format="png", dpi=110), "wb")
