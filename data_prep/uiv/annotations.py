"""Read and check the published annotation files of UIV: pictures, pairs and attributes.

"Understanding Image Virality" (Deza and Parikh, CVPR 2015), repository ArturoDeza/virality, BSD 2-clause.
"""

import dataclasses
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import scipy.io

from data_prep.virality_score import deza_parikh
from lena_jax.runtime.files import open_plain

COMMIT = "5a62d3022b8687cf5ce596b5fd92fa4585399615"
_ROOT = f"https://raw.githubusercontent.com/ArturoDeza/virality/{COMMIT}"
# File names to addresses; size and hash of each are in checksums.tsv.
URLS = {
    "pair_matrix.mat": f"{_ROOT}/pair_matrix.mat",
    "virality_label.mat": f"{_ROOT}/Results_Computations/Relative_Attributes/virality_label.mat",
    "Attribute_matrix.mat": f"{_ROOT}/Attribute_matrix.mat",
    "Top_489_pair.mat": f"{_ROOT}/Top_489_pair.mat",
    "viral_datasetV2.mat": f"{_ROOT}/Create_Dataset_Code/viral_datasetV2.mat",
}
# Columns of Attribute_matrix.mat.
ATTRIBUTES = ("animal", "synthetically_generated", "beautiful", "explicit", "sexual")
# How far a published score may be from the one that follows from its counts.
TOLERANCE = 1e-9


@dataclasses.dataclass(frozen=True, slots=True)
class Picture:
    """One picture.

    Attributes:
        id: its number in the publication.
        url: its original address.
        score: its virality score, made from `best_likes` and `submissions`.
        best_likes: published as max_a_score.
        mean_likes: published as mean_a_score.
        submissions: how often it was submitted.
        best_upvotes: published as max_raw_upvotes.
        most_comments: published as max_number_of_comments.
        split: "train" or "test", the split of its pair.
    """

    id: str
    url: str
    score: float
    best_likes: float
    mean_likes: float
    submissions: int
    best_upvotes: int
    most_comments: int
    split: str


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures as shown to people.

    Attributes:
        left: id of the left picture.
        right: id of the right picture.
        label: 1 if the left picture is more viral, else 0.
        attributes: in the order of `ATTRIBUTES`: 1 if the left picture has more of it, -1 if the right one, 0 if
            neither.
        split: "train" or "test".
    """

    left: str
    right: str
    label: int
    attributes: tuple[int, ...]
    split: str


@dataclasses.dataclass(frozen=True)
class Annotations:
    """All pictures by id, and all pairs. Every picture is in one pair and has the split of its pair."""

    pictures: dict[str, Picture]
    pairs: tuple[Pair, ...]


def read(paths: Mapping[str, Path]) -> Annotations:
    """Read the annotation files.

    Args:
        paths: file names (the keys of `URLS`) to the paths of the files.

    Raises:
        ValueError: a file is not the published one (no other is parsed), or files contradict each other.
    """
    viral_first = _matrix(paths, "pair_matrix.mat", "pair_matrix_spot", 2)
    shown_left = _matrix(paths, "virality_label.mat", "virality_label_spot", 1)[:, 0]
    attributes = _matrix(paths, "Attribute_matrix.mat", "Attribute_matrix_spot", len(ATTRIBUTES))
    test = {tuple(row) for row in _matrix(paths, "Top_489_pair.mat", "top_pair_matrix_489", 2).tolist()}
    rows = [tuple(row) for row in viral_first.tolist()]
    for name, values in (("virality_label.mat", shown_left), ("Attribute_matrix.mat", attributes)):
        if len(values) != len(rows):
            raise ValueError(f"{name}: got {len(values):,} rows, expected {len(rows):,} as in pair_matrix.mat")
    _check_range("virality_label.mat", shown_left, 0, 1)
    _check_range("Attribute_matrix.mat", attributes, -1, 1)
    if strange := test - set(rows):
        raise ValueError(f"Top_489_pair.mat: got the pair {min(strange)}, expected one of pair_matrix.mat")
    split = {picture: "test" if row in test else "train" for row in rows for picture in row}
    if len(split) != 2 * len(rows):
        raise ValueError(f"pair_matrix.mat: got {len(split):,} pictures, expected {2 * len(rows):,} different ones")
    pictures = _pictures(paths, split)
    pairs = []
    for (viral, other), viral_left, row in zip(rows, shown_left.tolist(), attributes.tolist(), strict=True):
        if pictures[str(viral)].score <= pictures[str(other)].score:
            raise ValueError(
                f"pair ({viral}, {other}): got scores {pictures[str(viral)].score} and "
                f"{pictures[str(other)].score}, expected the first to be higher"
            )
        left, right = (viral, other) if viral_left else (other, viral)
        pairs.append(Pair(str(left), str(right), int(viral_left), tuple(row), split[viral]))
    return Annotations(pictures, tuple(pairs))


def _pictures(paths: Mapping[str, Path], split: dict[int, str]) -> dict[str, Picture]:
    records = _load(paths, "viral_datasetV2.mat", "viral_dataset")
    try:
        ids = [int(record["img_id"]) for record in records]
        counts = np.array([[record["max_a_score"], record["submissions"]] for record in records], np.float64)
        scores = np.array([record["v_score"] for record in records], np.float64)
        expected = deza_parikh(*counts.T)
        pictures = [
            Picture(
                id=str(number),
                url=str(record["img_link"]),
                score=float(record["v_score"]),
                best_likes=float(record["max_a_score"]),
                mean_likes=float(record["mean_a_score"]),
                submissions=int(record["submissions"]),
                best_upvotes=int(record["max_raw_upvotes"]),
                most_comments=int(record["max_number_of_comments"]),
                split=split.get(number, ""),
            )
            for number, record in zip(ids, records, strict=True)
        ]
    except (TypeError, KeyError, IndexError) as error:
        raise ValueError(f"viral_datasetV2.mat: got records with other fields than expected: {error!r}") from error
    if sorted(ids) != sorted(split):
        raise ValueError(
            f"viral_datasetV2.mat: got {len(ids):,} pictures, expected the {len(split):,} of pair_matrix.mat"
        )
    worst = int(np.abs(scores - expected).argmax())
    if abs(scores[worst] - expected[worst]) > TOLERANCE:
        raise ValueError(f"picture {ids[worst]}: got score {scores[worst]}, expected {expected[worst]} by its counts")
    return {picture.id: picture for picture in pictures}


def _matrix(paths: Mapping[str, Path], name: str, variable: str, columns: int) -> np.ndarray:
    """Return a matrix of whole numbers as int64: the files hold uint8 and uint16, whose differences wrap around."""
    values = _load(paths, name, variable)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iu":
        raise ValueError(f"{name}: got {variable} of type {type(values).__name__}, expected whole numbers")
    if columns == 1:
        values = values.reshape(-1, 1)
    if values.ndim != 2 or values.shape[1] != columns:
        raise ValueError(f"{name}: got {variable} of shape {values.shape}, expected (rows, {columns})")
    return values.astype(np.int64)


def _load(paths: Mapping[str, Path], name: str, variable: str):
    # These bytes and no others are parsed: a file could be exchanged after its digest was taken.
    content = io.BytesIO(_published(Path(paths[name]), name))
    return scipy.io.loadmat(content, simplify_cells=True, variable_names=[variable])[variable]


def _published(path: Path, name: str) -> bytes:
    """Return the content of an annotation file, once it is known to be the published one.

    SciPy's reader believes every length in a file. No other file is parsed.
    """
    rows = Path(__file__).with_name("checksums.tsv").read_text(encoding="utf-8").splitlines()
    (size, digest), *_ = [(int(row[1]), row[2]) for row in map(str.split, rows) if row[3] == name]
    try:
        with open_plain(path, size, ValueError) as file:
            content = file.read(size + 1)
    except ValueError as error:
        raise ValueError(f"{path} is not the published annotation file {name}: {error}") from error
    if len(content) != size or hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(
            f"{path} is not the published annotation file {name}: got {len(content):,} bytes with another SHA-256, "
            f"expected {size:,} bytes with {digest}; it is at {URLS[name]}"
        )
    return content


def _check_range(name: str, values: np.ndarray, low: int, high: int) -> None:
    if values.size and not (low <= values.min() and values.max() <= high):
        raise ValueError(f"{name}: got values {values.min()}..{values.max()}, expected {low}..{high}")
