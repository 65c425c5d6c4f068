"""Read a built dataset of pictures from its files alone, without the builder's code or TensorFlow."""

import dataclasses
import glob
import hashlib
import os
import re
from collections.abc import Mapping

import numpy as np
import tensorflow_datasets as tfds

from lena_jax.data import judged_pairs, pair_dataset
from lena_jax.data.judged_pairs import JudgedPairs
from lena_jax.data.record_files import Records, open_builder
from lena_jax.data.units import kept_together
from lena_jax.runtime.untrusted import read_json, read_object

# Beside a dataset: a list of sets of ids of nearly equal pictures, if there are any.
NEAR_DUPLICATES = "near_duplicates.json"
# Builders that brought colours to sRGB from version 2.0.0 on; the others compose their pictures.
_WITH_COLOURS = ("image_scores", "uiv", "ivgp")


@dataclasses.dataclass(frozen=True)
class ScoredPictures:
    """Pictures of a dataset with their scores and groups. A picture is decoded when it is asked for.

    Attributes:
        ids: [n] str, unique.
        scores: [n] float64.
        groups: [n] str; only pictures of the same group are compared. None if the dataset has no groups.
        source: random access to the records of the split that was loaded.
        rows: [n] indices into `source`.
        digest: hash of all encoded pictures of `source`, in order.
        units: [n] int. Pictures with the same number must stay in one split: equal and nearly equal pictures, and
            pictures with the same `unit` if the dataset has that feature. None if each picture may go anywhere.
        weights: [n] float64, how much each picture counts in training. None if all count alike.
        pairs: [p, 2] indices of the pairs that the dataset gives; column 0 has the higher picture. None if the scores
            decide which pictures can be compared.
        judged: soft labels, weights and votes of these pairs. None if every pair is certain and counts 1.
        objectness: `ObjectnessMaps` of `source`. None if they were not asked for.
        time: (T,) for a dataset of clips, each T frames [T, H, W, 3]; () for a dataset of pictures.
    """

    ids: np.ndarray
    scores: np.ndarray
    groups: np.ndarray | None
    source: object
    rows: np.ndarray
    digest: str
    units: np.ndarray | None = None
    weights: np.ndarray | None = None
    pairs: np.ndarray | None = None
    judged: JudgedPairs | None = None
    objectness: object = None
    time: tuple = ()

    def __len__(self):
        return len(self.rows)

    def record(self, index) -> Mapping:
        """Decode the whole record of one picture: `image` [H, W, 3] uint8, `id`, `score` and so on."""
        return self.source[int(self.rows[index])]

    def picture(self, index) -> np.ndarray:
        """Decode a picture [H, W, 3] uint8, or a clip [T, H, W, 3]."""
        return self.record(index)["image"]

    def still(self, index) -> np.ndarray:
        """Decode a picture, or the middle frame of a clip: [H, W, 3] uint8."""
        picture = self.picture(index)
        return picture[len(picture) // 2] if self.time else picture

    def objectness_map(self, index) -> np.ndarray:
        """Return the objectness map of one whole picture, [H, W] uint8.

        Raises:
            ValueError: The pictures were opened without objectness maps.
        """
        if self.objectness is None:
            raise ValueError(
                "got pictures without objectness maps, expected pictures opened with a fusion other than 'none'"
            )
        return self.objectness[int(self.rows[index])]

    def subset(self, indices) -> "ScoredPictures":
        """Select pictures by index (each once), in the given order, with the pairs that are wholly among them."""
        indices = np.asarray(indices, np.int64)
        pairs, judged = self.pairs, self.judged
        if pairs is not None:
            place = np.full(len(self), -1)
            place[indices] = np.arange(len(indices))
            pairs = place[pairs]
            inside = (pairs >= 0).all(1)
            pairs, judged = pairs[inside], None if judged is None else judged.take(inside)
        groups, units, weights = (
            None if known is None else known[indices] for known in (self.groups, self.units, self.weights)
        )
        return dataclasses.replace(
            self,
            ids=self.ids[indices],
            scores=self.scores[indices],
            groups=groups,
            rows=self.rows[indices],
            units=units,
            weights=weights,
            pairs=pairs,
            judged=judged,
        )

    def decided_pairs(self):
        """Return the dataset's own pairs without true ties, [p, 2]; None if it has no pairs of its own."""
        return self.pairs if self.judged is None else self.pairs[self.judged.label > 0.5]


@dataclasses.dataclass(frozen=True)
class ClipSource:
    """Records of clips. Each is stored as one picture with T frames stacked; read as an `image` [T, H, W, 3]."""

    records: object
    frames: int

    def __len__(self):
        return len(self.records)

    def __getitem__(self, row):
        record = self.records[row]
        strip = record["image"]
        return {**record, "image": strip.reshape(self.frames, -1, *strip.shape[1:])}


def dataset_directory(name, data_dir):
    """Return the folder of the newest version of a built dataset.

    Raises:
        ValueError: there is none. The message lists what is there and how to build one.
    """
    root = os.path.join(os.path.expanduser(data_dir), name)
    versions = [v for v in (os.listdir(root) if os.path.isdir(root) else []) if re.fullmatch(r"\d+\.\d+\.\d+", v)]
    if not versions:
        there = sorted(
            {
                os.path.relpath(os.path.dirname(os.path.dirname(path)), os.path.expanduser(data_dir))
                for depth in ("*/*", "*/*/*")
                for path in glob.glob(os.path.join(os.path.expanduser(data_dir), depth, "dataset_info.json"))
            }
        )
        raise ValueError(
            f"no dataset {name!r} in {data_dir!r}, which has {there or 'none'}. "
            f"Build it with: python -m data_prep build {name.split('/')[0]} --data_dir={data_dir} "
            "(--help for its options)"
        )
    return os.path.join(root, max(versions, key=lambda v: tuple(map(int, v.split(".")))))


def age(name, data_dir):
    """Return a line about a dataset that was built by an older version; empty for one that was not."""
    version = os.path.basename(dataset_directory(name, data_dir))
    if name.split("/")[0] not in _WITH_COLOURS or int(version.split(".")[0]) >= 2:
        return ""
    return (
        f"dataset {name} was built by version {version}, which ignored colour profiles: pictures with one, such as "
        "those of phones, are scored in other colours than it has; build it again to train on what they look like"
    )


def split_names(name, data_dir):
    """Return the names of the splits of a built dataset, sorted."""
    return sorted(open_builder(dataset_directory(name, data_dir)).info.splits)


def load(name, data_dir, split, score="score") -> ScoredPictures:
    """Open a split of a built dataset.

    Args:
        name: dataset, such as "planted" or "image_scores/holiday".
        data_dir: folder that datasets are built into.
        split: split, such as "train", or "all" for every picture of every split.
        score: "score" (or its name in the table), or another score that the dataset stores under `scores`. Pictures
            without it (NaN) are left out. A dataset of pairs has only "score".

    Raises:
        ValueError: there is no such dataset, split or score.
    """
    folder = dataset_directory(name, data_dir)
    builder = open_builder(folder)
    if split == "all" and "all" not in builder.info.splits:
        split = "+".join(sorted(builder.info.splits))
    missing = [s for s in split.split("+") if s not in builder.info.splits]
    if missing:
        raise ValueError(
            f"dataset {name!r} has no split {missing[0]!r}, it has {sorted(builder.info.splits)} "
            "(for cross-validation set config.data.folds)"
        )
    if "left" in builder.info.features:
        if score != "score":
            raise ValueError(f"dataset {name!r} is one of pairs and has no score {score!r}, expected 'score'")
        return ScoredPictures(**pair_dataset.load(builder, split))
    others = list(builder.info.features["scores"]) if "scores" in builder.info.features else []
    first = _first_score(folder)
    if score == first and score not in others:
        score = "score"
    if score not in ("score", *others):
        known = [f"score ({first})" if first else "score", *others]
        raise ValueError(f"dataset {name!r} has no score {score!r}, expected one of {', '.join(known)}")
    # The encoded picture is enough for the digest; decoding here would take a hundred times as long.
    encoded = Records(
        builder,
        split,
        decoders={
            "image": tfds.decode.SkipDecoding(),
            **{key: tfds.decode.SkipDecoding() for key in ("mask",) if key in builder.info.features},
        },
    )
    known = {"ids": [], "scores": [], "groups": [], "contents": [], "units": [], "weights": []}
    digest, time = hashlib.sha256(), ()
    if "frames" in builder.info.features:
        time = (int(encoded[0]["frames"]),)
        digest.update(str(time).encode())
    for record in encoded:
        picture = hashlib.sha256(record["image"])
        digest.update(picture.digest())
        for key, value in (
            ("ids", _text(record["id"])),
            ("groups", _text(record.get("group", ""))),
            ("scores", float(record["score"] if score == "score" else record["scores"][score])),
            ("contents", _text(record.get("content", "")) or picture.hexdigest()),
            ("units", _text(record.get("unit", ""))),
            ("weights", float(record.get("weight", 1))),
        ):
            known[key].append(value)
    known = {key: np.array(values) for key, values in known.items()}
    source = Records(builder, split)
    pairs, judged = judged_pairs.read(folder, known["ids"]) if judged_pairs.there(folder) else (None, None)
    pictures = ScoredPictures(
        known["ids"],
        known["scores"],
        known["groups"] if any(known["groups"]) else None,
        ClipSource(source, *time) if time else source,
        np.arange(len(known["ids"])),
        digest.hexdigest(),
        kept_together(known["contents"], known["units"], _near(folder, known["ids"])),
        known["weights"] if np.ptp(known["weights"]) else None,
        pairs=pairs,
        judged=judged,
        time=time,
    )
    return pictures if score == "score" else pictures.subset(np.flatnonzero(~np.isnan(pictures.scores)))


def _near(folder, ids):
    """Return the name of each picture's set of nearly equal ones, [n] str; empty for a picture in none."""
    path, home = os.path.join(folder, NEAR_DUPLICATES), {}
    if os.path.exists(path):
        try:
            home = {id: members[0] for members in read_json(path) for id in members}
        except (OSError, ValueError, TypeError, LookupError) as error:
            raise ValueError(f"{path} is damaged ({error}): build the dataset again") from error
    return np.array([home.get(id, "") for id in ids], str)


def _first_score(folder):
    """Return the table's name of the scores stored as `score`; None if it is unknown, or they were transformed."""
    try:
        report = read_object(os.path.join(folder, "build_report.json"))
        names = report["columns"]["score"] if report.get("transform", "raw") == "raw" else None
        return names if isinstance(names, str) else names[0] if names else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)
