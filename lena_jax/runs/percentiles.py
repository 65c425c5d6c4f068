"""What a trained model makes of its training pictures, which new pictures are held against.

Their predicted scores turn a new score into a percentile. Where pooled features enter the head at equal spread, their
mean is the baseline of contribution maps. Training writes both when it ends; evaluation writes them for a run that has
none. Scoring only reads them.
"""

import contextlib
import dataclasses
import json
import os

import numpy as np

from lena_jax.models.predict import predict
from lena_jax.runtime.files import write_whole
from lena_jax.runtime.notices import Notice
from lena_jax.runtime.untrusted import described, read_object

FILE = "training_scores.json"
# Number of pictures to draw at random: enough for percentiles that are accurate to about one point.
MOST = 2000
LEVELS = 1001


class NoPercentiles(Notice):
    """Notice that scores come without percentiles; the message says why."""


@dataclasses.dataclass(frozen=True)
class TrainingScores:
    """Quantiles of the predicted scores of the training pictures, and the mean of their pooled features.

    Attributes:
        quantiles: [LEVELS] ascending quantiles at equally spaced levels, from the lowest score to the highest.
        pictures: number of pictures that were scored.
        pooled: [C] float32, mean of their pooled features, see `Ranker.with_baseline`; None if the model has no
            baseline, because its head has no equal spread or the run is of an earlier version. A saved model has it
            among its variables.

    Raises:
        ValueError: if the quantiles are not LEVELS ascending finite numbers, `pictures` is not a positive integer, or
            `pooled` is no row of finite numbers.
    """

    quantiles: np.ndarray
    pictures: int
    pooled: np.ndarray | None = None

    def __post_init__(self):
        try:
            values = np.asarray(self.quantiles, np.float64)
        except (TypeError, ValueError, OverflowError):
            values = np.zeros(0)
        # Scores are float32. The differences of larger numbers would overflow.
        if values.shape != (LEVELS,) or not (np.abs(values) < 1e39).all() or (values[1:] < values[:-1]).any():
            raise ValueError(f"got training scores that are not {LEVELS} ascending finite numbers")
        if isinstance(self.pictures, bool) or not isinstance(self.pictures, int) or self.pictures < 1:
            raise ValueError(f"got training scores of {described(self.pictures)} pictures, expected a number above 0")
        object.__setattr__(self, "quantiles", values)
        if self.pooled is not None:
            pooled = np.asarray(self.pooled) if not isinstance(self.pooled, list) or _flat(self.pooled) else np.zeros(0)
            # Features are float32. Larger numbers would overflow.
            if pooled.ndim != 1 or not len(pooled) or not (np.abs(pooled.astype(np.float64)) < 3e38).all():
                raise ValueError("got training scores whose pooled features are no row of finite numbers")
            object.__setattr__(self, "pooled", pooled.astype(np.float32))

    @classmethod
    def of(cls, scores, pooled=None):
        """Compute the quantiles of scores [n], and the mean of pooled features [n, C] if there are any."""
        quantiles = np.quantile(np.asarray(scores, np.float64), np.linspace(0, 1, LEVELS))
        return cls(quantiles, len(scores), None if pooled is None else np.mean(pooled, 0, np.float64))

    def percentile(self, score):
        """Return the percentage of training pictures with a lower predicted score; equal scores count half."""
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
        """Return the quantiles as plain JSON values."""
        return {"pictures": self.pictures, "quantiles": self.quantiles.tolist()}

    @classmethod
    def from_json(cls, stored):
        """Read what `as_json` returned.

        Raises:
            ValueError: if `stored` is anything else.
        """
        if not isinstance(stored, dict) or set(stored) != {"pictures", "quantiles"}:
            raise ValueError("got training scores that are not {'pictures', 'quantiles'}")
        return cls(stored["quantiles"], stored["pictures"])


def read(workdir, step, fingerprint):
    """Read the training scores of a run's checkpoint.

    Args:
        workdir: folder of the run.
        step: step of the checkpoint.
        fingerprint: fingerprint of the dataset it was trained on.

    Returns:
        `TrainingScores`; None if they are missing, damaged, or of another checkpoint or dataset.
    """
    try:
        stored = read_object(os.path.join(workdir, FILE))
        if stored.pop("step") != step or stored.pop("fingerprint") != fingerprint:
            return None
        pooled = stored.pop("pooled", None)
        return dataclasses.replace(TrainingScores.from_json(stored), pooled=pooled)
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None


def write(workdir, step, fingerprint, scores, pooled):
    """Write the training scores of a run's checkpoint.

    Args:
        workdir, step, fingerprint: see `read`.
        scores: predicted scores [n] of the `drawn` training pictures.
        pooled: their pooled features [n, C], or None for a model without a baseline.

    Returns:
        `TrainingScores`.

    Raises:
        OSError: if the folder cannot be written.
    """
    found = TrainingScores.of(scores, pooled)
    stored = {"step": step, "fingerprint": fingerprint, **found.as_json()}
    if found.pooled is not None:
        stored["pooled"] = found.pooled.tolist()
    write_whole(os.path.join(workdir, FILE), lambda file: json.dump(stored, file))
    return found


def check_finite(workdir, scores, ids, what):
    """Refuse a model that gives pictures no finite score.

    Args:
        workdir: folder of the run.
        scores, ids: [n], of its pictures.
        what: what these are, in the plural.

    Raises:
        ValueError: names the model, how many pictures they are, and one of them.
    """
    if not (finite := np.isfinite(scores)).all():
        bad = np.asarray(ids)[~finite]
        raise ValueError(
            f"the model of {os.fspath(workdir)!r} gives {len(bad):,} of {len(scores):,} {what} no finite score, "
            f"such as {str(bad[0])!r}: its weights are damaged or too large"
        )


def _flat(numbers):
    """Tell whether a list of JSON values holds numbers alone."""
    return all(isinstance(one, (int, float)) and not isinstance(one, bool) and abs(one) < 3e38 for one in numbers)


def has_baseline(config):
    """Tell whether contributions of a run's model are counted from the mean training picture.

    They are where features enter the head at equal spread: there all channels get weights, and what every picture has
    in common would fill the map. A head on raw features, as the paper's, leans on few strong channels that are zero
    where nothing is, and zero is the better place to count from (docs/evaluation.md has both).
    """
    return config.head.equal_spread


def drawn(count):
    """Draw the training pictures to score out of all `count`; return their sorted indices."""
    return np.sort(np.random.default_rng(0).permutation(count)[:MOST])


def ensure(workdir, run, train, predictor=predict):
    """Read the training scores of a run's checkpoint, or compute and write them if they or the baseline are missing.

    Args:
        workdir: folder of the run.
        run: `load.TrainedRun` of that folder.
        train: `ScoredPictures` it was trained on, of which at most `MOST` are scored.
        predictor: `models.predict.predict`, or a function like it.

    Returns:
        `TrainingScores`.

    Raises:
        ValueError: if the model gives a picture no finite score.
    """
    known = read(workdir, run.step, run.fingerprint)
    wanted = has_baseline(run.config)
    if known is not None and (known.pooled is not None or not wanted):
        return known
    scores, pooled = predictor(
        run.model,
        run.variables,
        train.subset(drawn(len(train))),
        run.config.batch_size,
        "scoring training pictures, once",
        "score_and_pool",
    )
    check_finite(workdir, scores, train.ids[drawn(len(train))], "training pictures")
    pooled = pooled if wanted else None
    # A folder that may only be read: they are computed again next time.
    with contextlib.suppress(OSError):
        return write(workdir, run.step, run.fingerprint, scores, pooled)
    return TrainingScores.of(scores, pooled)
