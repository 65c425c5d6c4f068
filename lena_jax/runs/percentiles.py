"""The predicted scores of the training pictures: the scale on which a new score is a percentile.

Training writes them when it ends; evaluation writes those of a run that has none. Scoring only reads them.
"""

import dataclasses
import json
import os

import numpy as np

from lena_jax.models.predict import predict
from lena_jax.runtime.files import write_whole
from lena_jax.runtime.notices import Notice

FILE = "training_scores.json"
# So many pictures, drawn at random where there are more, give a percentile to about one point.
MOST = 2000
LEVELS = 1001


class NoPercentiles(Notice):
    """Scores come without percentiles; the message says why."""


@dataclasses.dataclass(frozen=True)
class TrainingScores:
    """Quantiles of the scores that the training pictures were predicted.

    Attributes:
        quantiles: [LEVELS] ascending, at equal steps from the lowest score to the highest.
        pictures: how many pictures were scored.

    Raises:
        ValueError: if the quantiles are not so many ascending finite numbers, or `pictures` is no positive number.
    """

    quantiles: np.ndarray
    pictures: int

    def __post_init__(self):
        try:
            values = np.asarray(self.quantiles, np.float64)
        except (TypeError, ValueError, OverflowError):
            values = np.zeros(0)
        if values.shape != (LEVELS,) or not np.isfinite(values).all() or (np.diff(values) < 0).any():
            raise ValueError(f"got training scores that are not {LEVELS} ascending finite numbers")
        if isinstance(self.pictures, bool) or not isinstance(self.pictures, int) or self.pictures < 1:
            raise ValueError(f"got training scores of {self.pictures!r} pictures, expected a number above 0")
        object.__setattr__(self, "quantiles", values)

    @classmethod
    def of(cls, scores):
        """From the scores [n] themselves."""
        return cls(np.quantile(np.asarray(scores, np.float64), np.linspace(0, 1, LEVELS)), len(scores))

    def percentile(self, score):
        """Share of the training pictures that were predicted below a score, those equal to it by half, in [0, 100]."""
        low, high = (np.searchsorted(self.quantiles, score, side) for side in ("left", "right"))
        if low < high:
            share = (low + high - 1) / 2
        elif low in (0, LEVELS):
            share = min(low, LEVELS - 1)
        else:
            below, above = self.quantiles[low - 1 : low + 1]
            share = low - 1 + (score - below) / (above - below)
        return float(100 * share / (LEVELS - 1))

    def as_json(self):
        """As plain JSON values."""
        return {"pictures": self.pictures, "quantiles": self.quantiles.tolist()}

    @classmethod
    def from_json(cls, stored):
        """What `as_json` gave.

        Raises:
            ValueError: for anything else.
        """
        if not isinstance(stored, dict) or set(stored) != {"pictures", "quantiles"}:
            raise ValueError("got training scores that are not {'pictures', 'quantiles'}")
        return cls(stored["quantiles"], stored["pictures"])


def read(workdir, step, fingerprint):
    """The training scores of a run's checkpoint.

    Args:
        workdir: folder of the run.
        step: of the checkpoint.
        fingerprint: of the dataset that it was trained on.

    Returns:
        `TrainingScores`; None where there are none, or they are damaged, or of another checkpoint or dataset.
    """
    try:
        with open(os.path.join(workdir, FILE), encoding="utf-8") as file:
            stored = json.load(file)
        if stored.pop("step") != step or stored.pop("fingerprint") != fingerprint:
            return None
        return TrainingScores.from_json(stored)
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None


def write(workdir, step, fingerprint, scores):
    """Writes the training scores of a run's checkpoint.

    Args:
        workdir, step, fingerprint: as of `read`.
        scores: predicted scores of the `drawn` training pictures.

    Returns:
        `TrainingScores`.

    Raises:
        OSError: if the folder cannot be written.
    """
    found = TrainingScores.of(scores)
    write_whole(
        os.path.join(workdir, FILE),
        lambda file: json.dump({"step": step, "fingerprint": fingerprint, **found.as_json()}, file),
    )
    return found


def drawn(count):
    """The indices, sorted, of the training pictures that stand for all `count` of them."""
    return np.sort(np.random.default_rng(0).permutation(count)[:MOST])


def ensure(workdir, run, train, predictor=predict):
    """The training scores of a run's checkpoint: those in its folder, else predicted now and written there.

    Args:
        workdir: folder of the run.
        run: `load.TrainedRun` of that folder.
        train: `ScoredPictures` that it was trained on.
        predictor: scores pictures, as `predict` does.

    Returns:
        `TrainingScores`.

    Raises:
        OSError: if the folder cannot be written.
    """
    known = read(workdir, run.step, run.fingerprint)
    if known is not None:
        return known
    scores, _, _ = predictor(
        run.model,
        run.variables,
        train.subset(drawn(len(train))),
        run.config.batch_size,
        "scoring training pictures, once",
    )
    return write(workdir, run.step, run.fingerprint, scores)
