"""Pictures as the page keeps them in memory: the score, why, and a small copy; no file is needed after that."""

import dataclasses
import io

import numpy as np
from PIL import Image

from lena_jax import localization
from lena_jax.data.pictures import BadPicture
from lena_jax.scoring.scorer import ahead

# Longest side of the copies; the scorer searches boxes at the same size.
SIDE = 512


@dataclasses.dataclass(frozen=True)
class Judged:
    """A scored picture.

    Attributes:
        name: to show.
        score, percentile, map, exact: as of `Explanation`.
        small: a copy of the picture, JPEG.
    """

    name: str
    score: float
    percentile: float | None
    map: np.ndarray
    exact: bool
    small: bytes

    def picture(self):
        """The copy, [H, W, 3] uint8."""
        with Image.open(io.BytesIO(self.small), formats=("JPEG",)) as opened:
            return np.asarray(opened)


def judge(scorer, path, name):
    """Scores and explains one file.

    Args:
        scorer: `Scorer`.
        path: of the file.
        name: to show.

    Returns:
        (`Judged`, None), or (None, why the picture cannot be used).
    """
    try:
        found = scorer.explain(path)
    except BadPicture as error:
        # The cause says it without the path.
        return None, str(error.__cause__ or "cannot be used")
    except MemoryError:
        return None, "too large for the memory that is left"
    return Judged(name, found.score, found.percentile, found.map, found.exact, jpeg(found.picture, SIDE, 90)), None


def ranking(judged):
    """The highest score first; equal scores keep their order."""
    return sorted(judged, key=lambda one: -one.score)


def compare(left, right):
    """Why one picture rather than another.

    Args:
        left, right: `Judged`.

    Returns:
        (the probability that the left one is ahead, [2, h, w] as of `Comparison.maps`).
    """
    maps = localization.pair_contributions(np.stack([left.map, right.map]), np.array([[0, 1]]))[0]
    return ahead(left.score, right.score), np.asarray(maps)


def jpeg(pixels, side, quality=82):
    """[H, W, 3] uint8, made no larger than `side`, as the bytes of a JPEG."""
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
