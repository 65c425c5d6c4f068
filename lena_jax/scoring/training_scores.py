"""What the training pictures were predicted: the scale on which a new score is high or low."""

import dataclasses
import json
import os
import warnings

import numpy as np

from lena_jax import evaluation, run_data
from lena_jax.files import write_whole

FILE = "training_scores.json"
# So many pictures, drawn at random where there are more, give a percentile to about one point.
MOST = 2000
LEVELS = 1001


class NoPercentiles(UserWarning):
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
            below, above = self.quantiles[low - 1:low + 1]
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


def of_run(workdir, model, variables, config, data, step):
    """The training scores of a run's checkpoint: those kept in its folder, or predicted now and kept there.

    Args:
        workdir: folder of the run.
        model, variables, config, data, step: as of `evaluation.load_ranker`, of that folder.

    Returns:
        `TrainingScores`; None, with a `NoPercentiles` warning, where the data set is gone or another now.
    """
    path = os.path.join(workdir, FILE)
    kept = _kept(path, data, step)
    if kept is not None:
        return kept
    try:
        parts = run_data.open_pictures(config)
    except ValueError:
        return _none(f"data set {config.data.name!r}, which the ranker was trained on, is not in {config.data.dir!r}")
    if run_data.fingerprint(parts) != data:
        return _none(f"data set {config.data.name!r} in {config.data.dir!r} was built anew since the ranker was "
                     "trained on it")
    train = parts["train"]
    drawn = np.sort(np.random.default_rng(0).permutation(len(train))[:MOST])
    scores, _, _ = evaluation.predict(model, variables, train.subset(drawn), label="scoring training pictures, once")
    found = TrainingScores.of(scores)
    try:
        write_whole(path, lambda file: json.dump({"step": step, "fingerprint": data, **found.as_json()}, file))
    except OSError:
        pass  # A folder that may only be read: they are predicted again next time.
    return found


def _kept(path, data, step):
    try:
        with open(path, encoding="utf-8") as file:
            stored = json.load(file)
        if stored.pop("step") != step or stored.pop("fingerprint") != data:
            return None
        return TrainingScores.from_json(stored)
    except (OSError, ValueError, KeyError, AttributeError, TypeError):  # None yet, or damaged.
        return None


def _none(reason):
    warnings.warn(f"scores come without percentiles: {reason}", NoPercentiles, stacklevel=3)
