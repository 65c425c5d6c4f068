"""The score of a clip from a ranker, of pictures or of clips, and what each of its frames has to do with it."""

import dataclasses

import jax
import numpy as np


@dataclasses.dataclass(frozen=True)
class ClipScore:
    """The score of one clip of T frames.

    Attributes:
        score: of the clip, by the model's own pooling of clips (`SiameseRanker.clip_pooling`). For "joint", which also
            every model of still pictures has, the cells of all frames are pooled as one map.
        frame_mean: mean of `frame_scores`.
        frame_scores: [T] float32, of each frame as a still.
        contributions: [T, h, w] float32, what each cell adds to `score`; sums to `score` without the model's constant.
            None for poolings that allow no such map.
    """

    score: float
    frame_mean: float
    frame_scores: np.ndarray
    contributions: np.ndarray | None

    @property
    def frame_contributions(self):
        """What each frame adds to `score`, [T] float32, or None."""
        return None if self.contributions is None else self.contributions.sum((1, 2))


class ClipScorer:
    """Scores clips with the trunk of a `Scorer`.

    Example:
        >>> clips = ClipScorer(Scorer.from_checkpoint("runs/mine"))
        >>> clip = read_clip("a.mp4")
        >>> found = clips.score(clip.frames)
        >>> found.score, clip.times[found.frame_scores.argmax()]

    Args:
        scorer: `lena_jax.scoring.Scorer`.

    Raises:
        ValueError: if its model looks at objectness maps, which clips do not have.
    """

    def __init__(self, scorer):
        if scorer.model.fusion != "none":
            raise ValueError(f"got a model with fusion={scorer.model.fusion!r} for clips, expected 'none': objectness "
                             "maps are of pictures")
        self._scorer = scorer
        # What is behind the trunk; a program for each number of frames.
        self._head = {**scorer.variables, "params": {name: tree for name, tree in scorer.variables["params"].items()
                                                     if name != "backbone"}}
        self._pooled = jax.jit(self._pool)

    def score(self, frames):
        """Scores one clip.

        Args:
            frames: [T, H, W, 3] uint8, or a sequence of T arrays [H, W, 3].

        Returns:
            A `ClipScore`.

        Raises:
            ValueError: for something else, or no frame.
        """
        maps = list(self._scorer.feature_maps(frames))
        if not maps:
            raise ValueError("got a clip of 0 frames, expected at least 1")
        frame_scores, score, contributions = map(np.asarray, self._pooled(self._head, np.stack(maps)))
        exact = self._scorer.model.network.pooling.reproduces
        return ClipScore(float(score), float(frame_scores.mean()), frame_scores, contributions if exact else None)

    def _pool(self, head, maps):
        model = self._scorer.model
        score, contributions, _ = model.explain_features(head, maps[None])
        return model.score(head, maps), score[0], contributions[0]
