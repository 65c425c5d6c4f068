"""Score clips: the score of a clip, what each frame adds to it, and the best moments."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np
import numpy.typing as npt

from lena_jax.scoring.results import NoScore, no_number
from lena_jax.scoring.scorer import Scorer


@dataclasses.dataclass(frozen=True)
class ClipScore:
    """The score of one clip of T frames.

    Attributes:
        score: score of the clip, by the model's clip pooling (`SiameseRanker.clip_pooling`). "joint" pools the cells of
            all frames as one map; models of still pictures use it too.
        frame_mean: mean of `frame_scores`.
        frame_scores: [T] float32, score of each frame as a still picture.
        contributions: [T, h, w] float32, what each cell adds to `score`. Sums to `score` minus the model's bias. None
            if the pooling allows no such map.
    """

    score: float
    frame_mean: float
    frame_scores: np.ndarray
    contributions: np.ndarray | None

    @property
    def frame_contributions(self) -> np.ndarray | None:
        """What each frame adds to `score`: [T] float32, or None if unknown."""
        return None if self.contributions is None else self.contributions.sum((1, 2))


class ClipScorer:
    """Scores clips with the backbone of a `Scorer`.

    Example:
        clips = ClipScorer(Scorer.from_checkpoint("runs/mine"))
        clip = read_clip("a.mp4")
        found = clips.score(clip.frames)
        print(found.score, clip.times[found.frame_scores.argmax()])

    Args:
        scorer: the scorer of single pictures.

    Raises:
        ValueError: the model needs objectness maps, which clips do not have.
    """

    def __init__(self, scorer: Scorer) -> None:
        if scorer.model.fusion != "none":
            raise ValueError(
                f"got a model with fusion={scorer.model.fusion!r} for clips, expected 'none': clips "
                "have no objectness maps"
            )
        self._scorer = scorer
        # The variables of the layers after the backbone. `_pool` is compiled once per number of frames.
        self._head = {
            **scorer.variables,
            "params": {name: tree for name, tree in scorer.variables["params"].items() if name != "backbone"},
        }
        self._pooled = jax.jit(self._pool)

    def score(self, frames: np.ndarray | Sequence[np.ndarray]) -> ClipScore:
        """Scores one clip.

        Args:
            frames: [T, H, W, 3] uint8, or a sequence of T arrays [H, W, 3].

        Returns:
            A `ClipScore`.

        Raises:
            ValueError: `frames` has another shape or type, or no frame; or the model gives no finite score.
        """
        maps = list(self._scorer.feature_maps(frames))
        if not maps:
            raise ValueError("got a clip of 0 frames, expected at least 1")
        frame_scores, score, contributions = map(np.asarray, self._pooled(self._head, np.stack(maps)))
        exact = self._scorer.model.has_exact_maps
        worst = float(frame_scores[np.abs(frame_scores).argmax()])  # The first NaN, if there is one.
        if why := no_number(float(score)) or no_number(worst, contributions if exact else None):
            raise NoScore(f"the clip: {why}")
        return ClipScore(float(score), float(frame_scores.mean()), frame_scores, contributions if exact else None)

    def _pool(self, head, maps):
        model = self._scorer.model
        score, contributions, _ = model.explain_features(head, maps[None])
        return model.score(head, maps), score[0], contributions[0]


def best_moments(scores: npt.ArrayLike, most: int) -> np.ndarray:
    """Finds the highest peaks of the scores over time that are not close to each other.

    A peak is a frame that is not below its neighbours. Peaks are taken from the highest down. A peak is skipped if it
    is closer to a taken one than a twentieth of the clip, or than two frames.

    Args:
        scores: [T], scores of the frames in time order.
        most: maximum number of peaks, at least 1.

    Returns:
        Indices of 1 to `most` frames, highest first. The first is the highest frame of the clip, and the earliest of
        equally high ones.

    Raises:
        ValueError: `scores` is empty or not finite, or `most` is below 1.

    Example:
        >>> best_moments([0, 3, 1, 0, 2, 0], most=2).tolist()
        [1, 4]
    """
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 1 or not len(scores) or not np.isfinite(scores).all():
        raise ValueError(f"got scores of shape {list(scores.shape)}, expected [T] finite numbers with T of at least 1")
    if most < 1:
        raise ValueError(f"got most={most}, expected at least 1")
    apart = max(2, round(len(scores) / 20))
    around = np.concatenate([[-np.inf], scores, [-np.inf]])
    peaks = np.flatnonzero((scores >= around[:-2]) & (scores >= around[2:]))
    chosen: list[int] = []
    for peak in peaks[np.argsort(-scores[peaks], kind="stable")].tolist():
        if all(abs(peak - other) >= apart for other in chosen):
            chosen.append(peak)
        if len(chosen) == most:
            break
    return np.array(chosen)


def clock(seconds: float) -> str:
    """Formats a time as "m:ss.s".

    Example:
        >>> clock(75.3)
        '1:15.3'
    """
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"
