"""`check`: a sound dataset passes, and every kind of problem is found and named."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from data_prep import check, streaming
from data_prep.built import BuiltDataset
from data_prep.command import main


class Any(streaming.StreamingBuilder, skip_registration=True):
    """Writes the given records, unchecked: {split: [record, ...]}."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, records, features, **kwargs):
        self._records, self._named = records, features
        super().__init__(**kwargs)

    def _info(self):
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(self._named))

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(records) for split, records in self._records.items()}

    def _generate_examples(self, records):
        yield from enumerate(records)


IMAGE = tfds.features.Image(shape=(None, None, 3))
SINGLE = {
    "image": IMAGE,
    "id": tfds.features.Text(),
    "score": np.float32,
    "unit": tfds.features.Text(),
    "content": tfds.features.Text(),
}
PAIR = {"left": IMAGE, "right": IMAGE, "label": np.int64} | {
    f"{side}_{name}": kind
    for side in ("left", "right")
    for name, kind in (("id", tfds.features.Text()), ("score", np.float32))
}


@pytest.fixture
def checked(tmp_path, folder):
    """Builds records, with 0.jpg .. 5.jpg for the numbers 0 .. 5 as pictures, and checks them."""

    def checked(features=SINGLE, **splits):
        def read(value):
            return (folder / f"{value}.jpg").read_bytes() if isinstance(value, int) else value

        images = [name for name, kind in features.items() if isinstance(kind, tfds.features.Image)]
        records = {
            split: [record | {name: read(record[name]) for name in images} for record in records]
            for split, records in splits.items()
        }
        Any(records, features, data_dir=tmp_path / "data").download_and_prepare()
        return check.check(BuiltDataset("any", tmp_path / "data"))

    return checked


def single(image, id=None, score=1.0, unit="", content=""):
    return {"image": image, "id": id or str(image), "score": score, "unit": unit, "content": content}


def pair(left, right, label=1):
    return {
        "left": left,
        "right": right,
        "label": label,
        "left_id": str(left),
        "right_id": str(right),
        "left_score": 2.0,
        "right_score": 1.0,
    }


def test_a_sound_dataset(checked):
    result = checked(train=[single(0, unit="a"), single(1, unit="a"), single(1, "again")], test=[single(2)])
    assert result == check.Checked({"train": 3, "test": 1}, [], repeated=1)


@pytest.mark.parametrize(
    ("train", "test", "problem"),
    [
        (single(0), single(1, "0"), "train record 0: id 0 is there twice, first in test record 0"),
        (single(0, "a"), single(0, "b"), "train record 0: picture a is equal to b in test too"),
        (single(0, unit="ann"), single(1, unit="ann"), "train record 0: unit ann is in test too"),
        (single(0, content="c"), single(1, content="c"), "picture 0 is equal to 1 in test too"),
        (single(b"GIF89a"), single(1), "does not decode"),
        (single(0, score=float("nan")), single(1), "train record 0 (0): score is nan, expected a finite number"),
    ],
)
def test_what_is_unsound_is_named(checked, train, test, problem):
    result = checked(train=[train, single(4)], test=[test, single(5)])
    assert result.counts == {"train": 2, "test": 2}
    assert any(problem in line for line in result.problems), result.problems
    assert len(result.problems) <= 2


def test_a_truncated_picture_is_found(checked, folder):
    data = (folder / "0.jpg").read_bytes()
    (problem,) = checked(train=[single(data[: len(data) // 2], "half"), single(1)]).problems
    assert problem.startswith("train record 0 (half): image does not decode")


def test_pairs_may_share_pictures_within_a_split_only(checked):
    assert not checked(PAIR, train=[pair(0, 1), pair(1, 2)], test=[pair(3, 4)]).problems


def test_pairs_across_splits_and_twice(checked):
    result = checked(PAIR, train=[pair(0, 1), pair(1, 0)], test=[pair(1, 2)])
    assert result.problems == [
        "train record 0: id 1 is in test too, expected in one split only",
        "train record 1: id 1 and 0 is there twice, first in train record 0",
    ]


def test_planted_is_sound(planted_dir):
    result = check.check(BuiltDataset("planted", planted_dir))
    assert not result.problems and result.counts == {"train": 40, "validation": 20, "test": 400}


@pytest.mark.parametrize("damage", ["flipped", "truncated", "gone"])
def test_damaged_files_are_found_and_exit_1(tmp_path, folder, scores_csv, capfd, damage):
    data_dir = f"--data_dir={tmp_path / 'data'}"
    build = ["build", "image_scores", f"--images={folder}", f"--csv={scores_csv}", "--score=score", "--name=x"]
    assert main([*build, data_dir]) == 0
    assert main(["check", "image_scores/x", data_dir]) == 0
    assert "sound: image_scores/x: 6 train" in capfd.readouterr().out
    (path,) = (tmp_path / "data").rglob("*.array_record-*")
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[3000] ^= 255
    path.write_bytes(content[: len(content) // 2] if damage == "truncated" else content)
    if damage == "gone":
        path.unlink()
    assert main(["check", "image_scores/x", data_dir]) == 1
    out = capfd.readouterr().out
    assert "not sound: image_scores/x" in out and "cannot be read" in out
    assert out.count("cannot be read") == (1 if damage == "flipped" else 6)


def test_long_lists_are_cut(tmp_path, folder, scores_csv, capfd, monkeypatch):
    from data_prep import inspect_commands

    monkeypatch.setattr(inspect_commands, "_LISTED", 2)
    data_dir = f"--data_dir={tmp_path / 'data'}"
    build = ["build", "image_scores", f"--images={folder}", f"--csv={scores_csv}", "--score=score", "--name=x"]
    main([*build, data_dir])
    next((tmp_path / "data").rglob("*.array_record-*")).unlink()
    capfd.readouterr()
    assert main(["check", "image_scores/x", data_dir]) == 1
    assert "... and 4 more" in capfd.readouterr().out
    assert main(["check", "image_scores/x", data_dir, "--all"]) == 1
    assert capfd.readouterr().out.count("cannot be read") == 6


def test_no_such_dataset_exits_2(tmp_path, capfd):
    for command in ("check", "describe"):
        assert main([command, "image_scores/gone", f"--data_dir={tmp_path}"]) == 2
        out, err = capfd.readouterr()
        assert not out and err.startswith("data_prep: error: no dataset 'image_scores/gone'")
        (Path(tmp_path) / "empty" / "1.0.0").mkdir(parents=True, exist_ok=True)
        assert main([command, "empty", f"--data_dir={tmp_path}"]) == 2
        assert "expected a built dataset" in capfd.readouterr().err


def test_a_dataset_without_scored_pictures_is_refused(tmp_path):
    Any({"train": [{"n": 1}]}, {"n": np.int64}, data_dir=tmp_path).download_and_prepare()
    with pytest.raises(ValueError, match="any: got the features n, expected scored pictures"):
        BuiltDataset("any", tmp_path)
