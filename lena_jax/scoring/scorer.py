"""Score new pictures with a trained model, and explain the scores."""

import contextlib
import itertools
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from lena_jax import localization
from lena_jax.data import u2net
from lena_jax.data.pictures import BadPicture
from lena_jax.models.batching import on_devices, stacked
from lena_jax.models.ranker import Ranker
from lena_jax.runs.load import open_model
from lena_jax.runs.percentiles import NoPercentiles, TrainingScores
from lena_jax.runtime import signals
from lena_jax.scoring import notebook
from lena_jax.scoring.digest import digest
from lena_jax.scoring.preparation import (
    PictureLike,
    Preparation,
    See,
    Taken,
    as_iterable,
    batches,
    cores,
    name_of,
    open_objectness,
    open_picture,
)
from lena_jax.scoring.results import Comparison, Explanation, NoScore, PictureScore, ahead, no_number

if TYPE_CHECKING:
    import pandas

# Batch sizes. Each size is compiled to its own program on first use.
SIZES = (1, 8, 32)
# Number of pictures that are taken from the caller ahead of the results.
AHEAD = 2 * SIZES[-1]


class Scorer:
    """A trained ranker, ready for new pictures.

    A picture is a path, the content of a file (bytes), an array [H, W, 3] uint8 or a `PIL.Image`. In any form it gets
    the score that `experiments/evaluate.py` would give it, up to float rounding: the same steps decode it that build a
    dataset (`lena_jax.data.pictures`), and the network sees it as in training (`config.resize`).

    Example:
        scorer = Scorer.from_checkpoint("runs/mine")
        for one in scorer.score(["a.jpg", "b.png"]):
            print(one.name, one.score, one.percentile, one.error)

    A scorer can be pickled (with cloudpickle, as Ray does). The copy needs neither the model's folder nor its data.

    Attributes:
        threads: number of decoding threads. None (the default) for one per core.
        ignored_profiles: number of pictures scored so far whose colour profile is damaged or does not fit. Their
            colours were taken for sRGB.

    Args:
        model: the model.
        variables: its variables.
        scores: scores of its training pictures, for percentiles; None if unknown.
        objectness: network that makes objectness maps, for a model that uses them; otherwise None.

    Raises:
        ValueError: the model needs objectness maps and there is no network for them, or the other way round.
    """

    threads: int | None
    ignored_profiles: int

    def __init__(
        self,
        model: Ranker,
        variables: Mapping[str, Any],
        scores: TrainingScores | None = None,
        objectness: u2net.Network | None = None,
    ) -> None:
        if (model.fusion == "none") != (objectness is None):
            raise ValueError(
                f"got a model with fusion={model.fusion!r} and "
                f"{'no' if objectness is None else 'a'} network for objectness maps, expected "
                f"{'no' if model.fusion == 'none' else 'a'} network"
            )
        self._model, self._variables, self._scores = model, variables, scores
        self._preparation = Preparation(model.image_size, objectness, model.resize)
        self._programs: dict = {}
        self.threads = None
        self.ignored_profiles = 0

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_variables": jax.tree.map(np.asarray, self._variables), "_programs": {}}

    @classmethod
    def from_checkpoint(
        cls, source: str | os.PathLike, objectness: str | os.PathLike | None = None, data_dir: object = None
    ) -> "Scorer":
        """Opens a trained ranker.

        Args:
            source: folder of a run (its best checkpoint is used), folder that `save_model` wrote, or
                "hf:OWNER/NAME[@REVISION]" for such a folder on the Hugging Face hub.
            objectness: path of U2-Net-p's ONNX file, for a model that uses objectness maps; None for the file in an
                installed package.
            data_dir: unused; percentiles are in the run's folder.

        Warns:
            NoPercentiles: the run has no percentiles: it was trained before training wrote them, and never evaluated.

        Raises:
            ValueError: the folder does not exist or is damaged, or the network for objectness maps is missing or not
                needed.
            FileNotFoundError: the model cannot be fetched from the hub.
        """
        loaded = open_model(source)
        if loaded.is_run and loaded.scores is None:
            warnings.warn(
                f"{os.fspath(source)!r} has no percentiles yet, so scores come without them. To add them, run: python "
                f"experiments/evaluate.py --workdir={os.fspath(source)}",
                NoPercentiles,
                stacklevel=2,
            )
        return cls(loaded.model, loaded.variables, loaded.scores, open_objectness(loaded.model, objectness))

    @property
    def image_size(self) -> int:
        """Side of the network's square input in pixels."""
        return self._model.image_size

    def digest(self) -> str:
        """Computes a hexadecimal digest of everything that determines scores and percentiles, except the pictures."""
        return digest(self._model, self._variables, self._scores)

    @property
    def model(self) -> Ranker:
        """The model."""
        return self._model

    @property
    def variables(self) -> Mapping[str, Any]:
        """The model's variables."""
        return self._variables

    def feature_maps(self, pictures: Iterable[PictureLike]) -> Iterator[np.ndarray]:
        """Runs only the backbone, in the same batch sizes as `score`.

        Args:
            pictures: iterable of pictures.

        Yields:
            The feature map [h, w, C] of each picture.

        Raises:
            BadPicture: a picture cannot be used. It is a `ValueError`.
            ValueError: the model uses objectness maps.
        """
        if self._model.fusion != "none":
            raise ValueError(f"got a model with fusion={self._model.fusion!r}, expected one without objectness maps")
        prepared = (self._preparation.inputs(open_picture(picture)) for picture in pictures)
        while group := list(itertools.islice(prepared, SIZES[-1])):
            size = next(size for size in SIZES if size >= len(group))
            yield from np.asarray(self._run("feature_map", group, size))[: len(group)]

    def score(self, pictures: PictureLike | Iterable[PictureLike]) -> Iterator[PictureScore]:
        """Scores any number of pictures in bounded memory.

        Args:
            pictures: one picture or an iterable of them. At most `AHEAD` + 2 * 32 usable pictures (and some unusable
                ones) are taken from it ahead of their scores. An opened picture or array may be closed or changed as
                soon as the next one is taken.

        Yields:
            A `PictureScore` per picture, in input order. For a picture that cannot be used, it has the error, and
            scoring continues. An exception of the iterable is raised after the scores of the pictures before it.
        """
        with contextlib.closing(self._groups(pictures, "score_pictures")) as groups:
            for group, scores in groups:
                yield from (result for result, _ in self._results(group, scores))

    def score_with_maps(
        self, pictures: PictureLike | Iterable[PictureLike], see: See
    ) -> Iterator[tuple[PictureScore, np.ndarray | None, Any]]:
        """Scores pictures and maps where the scores come from, in batches, without keeping a decoded picture.

        Args:
            pictures: see `score`.
            see: function of the upright RGB `PIL.Image`, called in the thread that decodes it; for a small copy.

        Yields:
            (a `PictureScore`, its map [h, w] as in `Explanation`, result of `see`) per picture, in input order. Map and
            result are None for a picture that cannot be used.
        """
        with contextlib.closing(self._groups(pictures, "explain", see)) as groups:
            for group, answer in groups:
                scores, contributions, virality = answer or ((), (), ())
                maps = np.asarray(contributions if self._model.has_exact_maps else virality)
                for one, (result, signed_map) in zip(group, self._results(group, scores, maps), strict=True):
                    yield result, signed_map, one.seen

    def score_with_features(
        self, pictures: PictureLike | Iterable[PictureLike]
    ) -> Iterator[tuple[PictureScore, np.ndarray | None]]:
        """Scores pictures, and yields with each `PictureScore` its mean feature map [C] float32, None on an error."""
        with contextlib.closing(self._groups(pictures, "score_with_features")) as groups:
            for group, answer in groups:
                scores, features = answer or ((), ())
                yield from self._results(group, scores, np.asarray(features))

    def _groups(self, pictures, method, see=None):
        """Yields each batch of `Prepared` pictures and what the method answers for the usable ones, () if none."""
        taken = Taken(as_iterable(pictures))
        groups = batches(self._preparation.stream(taken, self.threads or cores(), AHEAD, see), SIZES[-1])
        size, before = 0, None
        with contextlib.closing(groups):
            for group in groups:
                signals.check()
                usable = [one.inputs for one in group if one.error is None]
                answer = ()
                if usable:
                    size = max(size, next(size for size in SIZES if size >= len(usable)))
                    # Runs asynchronously while the next pictures are decoded.
                    answer = self._run(method, usable, size)
                if before is not None:
                    yield before
                before = group, answer
            if before is not None:
                yield before
        if taken.error is not None:
            raise taken.error

    def table(self, paths: notebook.Paths) -> "pandas.DataFrame":
        """Scores files and folders to a pandas table, see `notebook.table`."""
        return notebook.table(self, paths)

    def _repr_html_(self) -> str:
        return notebook.summary(self._model, self._scores)

    def explain(self, picture: PictureLike) -> Explanation:
        """Explains where in a picture its score comes from.

        Returns:
            An `Explanation`.

        Raises:
            BadPicture: the picture cannot be used. It is a `ValueError`.
            NoScore: the model gives no finite score. It is a `ValueError`.
        """
        name = name_of(picture, 0)
        try:
            opened = open_picture(picture)
        except BadPicture as error:
            raise BadPicture(f"{name}: {error}") from error
        answer = self._run("explain", [self._preparation.inputs(opened)], 1)
        score, contributions, virality = (np.asarray(part)[0] for part in answer)
        exact = self._model.has_exact_maps
        signed = contributions if exact else virality
        if why := no_number(float(score), signed):
            raise NoScore(f"{name}: {why}")
        pixels = np.asarray(opened)
        return Explanation(
            name,
            float(score),
            self._percentile(score),
            signed,
            exact,
            localization.picture_boxes(signed, pixels.shape[0], pixels.shape[1], self._model.resize),
            pixels,
            self._model.resize,
        )

    def compare(self, first: PictureLike, second: PictureLike) -> Comparison:
        """Predicts which of two pictures is ahead, and explains why.

        Returns:
            A `Comparison`.

        Raises:
            BadPicture: a picture cannot be used. It is a `ValueError`.
        """
        left, right = self.explain(first), self.explain(second)
        maps = localization.pair_contributions(np.stack([left.map, right.map]), np.array([[0, 1]]))[0]
        return Comparison(ahead(left.score, right.score), left, right, np.asarray(maps))

    def _run(self, method, inputs, size):
        if (method, size) not in self._programs:
            self._programs[method, size] = on_devices(getattr(self._model, method), self._variables, size)
        return self._programs[method, size](stacked(inputs, size))

    def _results(self, group, scores, maps=None):
        """Yields (`PictureScore`, map or None) per picture; scores [n] and maps [n, h, w] are of the usable ones."""
        scores = np.asarray(scores).tolist()
        answers = zip(scores, [None] * len(scores) if maps is None else maps, strict=False)
        for one in group:
            self.ignored_profiles += one.profile_ignored
            score, signed_map = (None, None) if one.error is not None else next(answers)
            why = one.error if score is None else no_number(score, signed_map)
            if why is not None:
                yield PictureScore(one.name, None, None, why), None
            else:
                yield PictureScore(one.name, score, self._percentile(score)), signed_map

    def _percentile(self, score):
        return None if self._scores is None else self._scores.percentile(float(score))
