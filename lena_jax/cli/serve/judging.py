"""Scored pictures as the page keeps them in memory: score, map and a small copy, so that the file can be deleted."""

import dataclasses
import io

import numpy as np
from PIL import Image

from lena_jax import localization
from lena_jax.data.pictures import BadPicture
from lena_jax.scoring.results import NoScore, ahead

# Longest side of the copies. The scorer searches for boxes at the same size.
SIDE = 512


@dataclasses.dataclass(frozen=True)
class Judged:
    """A scored picture.

    Attributes:
        name: name to display.
        score, percentile, map, exact: see `Explanation`.
        small: a small copy of the picture, as JPEG.
        resize: see `Explanation`.
    """

    name: str
    score: float
    percentile: float | None
    map: np.ndarray
    exact: bool
    small: bytes
    resize: str = "squash"

    def picture(self):
        """Decodes the copy: [H, W, 3] uint8."""
        with Image.open(io.BytesIO(self.small), formats=("JPEG",)) as opened:
            return np.asarray(opened)


def judge(scorer, path, name):
    """Scores and explains one file.

    Args:
        scorer: `Scorer`.
        path: path of the file.
        name: name to display.

    Returns:
        (`Judged`, None), or (None, why the picture cannot be used).
    """
    try:
        found = scorer.explain(path)
    except BadPicture as error:
        # The message of the cause does not contain the path.
        return None, str(error.__cause__ or "cannot be used")
    except NoScore:
        return None, "the model gives it no finite score"
    except MemoryError:
        return None, "too large for the available memory"
    small = jpeg(found.picture, SIDE, 90)
    return Judged(name, found.score, found.percentile, found.map, found.exact, small, found.resize), None


def ranking(judged):
    """Sorts pictures, highest score first. Equal scores keep their order."""
    return sorted(judged, key=lambda one: -one.score)


def compare(left, right):
    """Compares two pictures.

    Args:
        left, right: `Judged`.

    Returns:
        (probability that the left one is ahead, maps [2, h, w] as in `Comparison.maps`).
    """
    maps = localization.pair_contributions(np.stack([left.map, right.map]), np.array([[0, 1]]))[0]
    return ahead(left.score, right.score), np.asarray(maps)


def jpeg(pixels, side, quality=82):
    """Encodes [H, W, 3] uint8, shrunk to at most `side`, as JPEG."""
    height, width = pixels.shape[:2]
    scale = min(1, side / max(height, width))
    picture = Image.fromarray(pixels)
    if scale < 1:
        picture = picture.resize(
            (max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.LANCZOS
        )
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
