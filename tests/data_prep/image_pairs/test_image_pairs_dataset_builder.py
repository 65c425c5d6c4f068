"""The built `image_pairs`: each picture once, pairs beside them, nothing on both sides of a split or fold."""

import csv
import dataclasses
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep import check, command
from data_prep.built import BuiltDataset
from data_prep.image_pairs import Builder, ImagePairsConfig
from lena_jax.config import default_config
from lena_jax.data import dataset, judged_pairs
from lena_jax.data.bradley_terry import strengths
from lena_jax.data.splits import fingerprint, make_folds, open_pictures

HEADER = ["left", "right", "left_votes", "right_votes"]


@pytest.fixture
def build(tmp_path, folder):
    """Builds from `folder` and a table; returns the prepared builder."""

    def build(table, data_dir="data", images=folder, columns=None, **options):
        config = ImagePairsConfig(name="pairs", images=str(images), csv=str(table), columns=columns or {}, **options)
        builder = Builder(config=config, data_dir=tmp_path / data_dir)
        builder.download_and_prepare()
        return builder

    return build


def all_pairs(first, last, *more):
    """Votes of 2 : 1 for the picture with the higher number, for all pairs of first .. last - 1."""
    return [[f"{a}.jpg", f"{b}.jpg", 1, 2, *more] for a, b in itertools.combinations(range(first, last), 2)]


def report(builder):
    return json.loads((Path(builder.data_path) / "build_report.json").read_text())


def test_each_picture_once_and_pairs_as_they_were(build, write_csv, tmp_path):
    builder = build(write_csv(HEADER, *all_pairs(0, 6)))
    loaded = dataset.load("image_pairs/pairs", str(tmp_path / "data"), "train")
    assert sorted(loaded.ids) == [f"{n}.jpg" for n in range(6)] and loaded.pairs.shape == (15, 2)
    high, low = (np.array([int(name[0]) for name in loaded.ids[side]]) for side in loaded.pairs.T)
    assert (high > low).all() and (loaded.judged.votes == [2, 1]).all()
    np.testing.assert_allclose(loaded.judged.label, 0.6875)  # P(p > 1/2) after 2 : 1.
    # Scores are strengths: in the order of the numbers.
    assert [int(loaded.ids[i][0]) for i in np.argsort(loaded.scores)] == list(range(6))
    place = {name: n for n, name in enumerate(sorted(loaded.ids))}
    sides = [[place[loaded.ids[a]], place[loaded.ids[b]]] for a, b in loaded.pairs]
    expected = strengths(6, sides, loaded.judged.votes).value
    np.testing.assert_allclose(loaded.scores, [expected[place[name]] for name in loaded.ids], atol=1e-4)
    assert report(builder)["fingerprint"] == builder.fingerprint()
    assert check.check(BuiltDataset("image_pairs/pairs", tmp_path / "data")).problems == []
    # A subset keeps the pairs that are wholly inside, with what is known about them.
    part = loaded.subset(np.flatnonzero(np.isin(loaded.ids, ["1.jpg", "3.jpg", "4.jpg"])))
    assert len(part.pairs) == len(part.judged.label) == len(part.judged.votes) == 3


def test_same_input_same_bytes_whatever_the_row_order(build, write_csv):
    rows, contents = all_pairs(0, 6), []
    for attempt, order in enumerate((rows, rows[::-1])):
        folder = Path(build(write_csv(HEADER, *order), data_dir=f"data{attempt}").data_path)
        contents.append({path.name: path.read_bytes() for path in sorted(folder.iterdir())})
    assert contents[0] == contents[1]


def test_pairs_across_splits_are_dropped_and_counted(build, write_csv, tmp_path):
    rows = all_pairs(0, 3, "train") + all_pairs(3, 6, "test") + [["0.jpg", "5.jpg", 1, 0, "train"]]
    builder = build(write_csv([*HEADER, "part"], *rows), columns={"split": "part"})
    found = report(builder)
    assert found["counts"] == {"train": 3, "test": 3} and found["pairs"] == {"train": 3, "validation": 0, "test": 3}
    assert found["pairs_across_splits"] == 1
    assert len(dataset.load("image_pairs/pairs", str(tmp_path / "data"), "test").pairs) == 3


def test_nearly_equal_pictures_are_on_one_side(build, write_csv, tmp_path):
    images = tmp_path / "near"
    images.mkdir()
    rng = np.random.default_rng(0)
    for number in range(7):
        blocks = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((160, 120), 2)
        blocks.save(images / f"{number}.jpg", quality=90)
    with Image.open(images / "0.jpg") as first:
        first.resize((120, 90)).save(images / "6.jpg", quality=60)
    # 6 is a copy of 0: all of 0's pairs in training go.
    rows = all_pairs(0, 4, "train") + all_pairs(4, 7, "test")
    builder = build(write_csv([*HEADER, "part"], *rows), images=images, columns={"split": "part"})
    found = report(builder)
    assert found["near_duplicates"] == [["0.jpg", "6.jpg"]] and found["pairs_across_splits"] == 3
    assert found["pairs"] == {"train": 3, "validation": 0, "test": 3}


def test_too_few_pairs_left_says_what_to_do(build, write_csv):
    rows = all_pairs(0, 6, "train") + all_pairs(0, 6, "test")
    with pytest.raises(ValueError, match=r"split 'train': got 0 of 15 pairs .* Leave --split away and let folds"):
        build(write_csv([*HEADER, "part"], *rows), columns={"split": "part"})


def test_units_of_two_sides_stay_together_in_folds(build, write_csv, tmp_path):
    rows = [[*row, "abc"[int(row[0][0]) % 3], "abc"[int(row[1][0]) % 3]] for row in all_pairs(0, 6)]
    build(write_csv([*HEADER, "left_author", "right_author"], *rows), columns={"fold_by": "author"})
    loaded = dataset.load("image_pairs/pairs", str(tmp_path / "data"), "train")
    for part in make_folds(loaded, 3):
        assert len({int(name[0]) % 3 for name in loaded.ids[part]}) == 1


def test_folds_drop_pairs_across_and_each_needs_one(build, write_csv, tmp_path):
    build(write_csv(HEADER, *all_pairs(0, 6)))
    config = default_config()
    config.data.name, config.data.dir, config.data.folds, config.data.fold = (
        "image_pairs/pairs",
        str(tmp_path / "data"),
        3,
        0,
    )
    parts = open_pictures(config)
    assert (len(parts["train"].pairs), len(parts["test"].pairs)) == (6, 1)
    assert not set(parts["train"].ids) & set(parts["test"].ids)
    before = fingerprint(parts)
    config.data.folds = 6
    with pytest.raises(
        ValueError, match=r"fold 0 of 6 has no pair among its pictures: 0 of 15 pairs .* Use fewer folds"
    ):
        open_pictures(config)
    # The fingerprint knows labels and weights.
    judged = dataclasses.replace(parts["test"].judged, weight=parts["test"].judged.weight + 1)
    assert fingerprint(parts | {"test": dataclasses.replace(parts["test"], judged=judged)}) != before


def test_units_that_a_picture_connects_are_one(build, write_csv, tmp_path):
    rows = [[*row, f"session {number % 3}"] for number, row in enumerate(all_pairs(0, 3))] + [
        ["3.jpg", "4.jpg", 1, 2, "x"]
    ]
    build(write_csv([*HEADER, "session"], *rows), columns={"fold_by": "session"})
    loaded = dataset.load("image_pairs/pairs", str(tmp_path / "data"), "train")
    unit = dict(zip(loaded.ids.tolist(), loaded.units.tolist(), strict=True))
    assert unit["0.jpg"] == unit["1.jpg"] == unit["2.jpg"] != unit["3.jpg"] == unit["4.jpg"]
    with pytest.raises(ValueError, match=r"row 3: picture '0.jpg' is in group 'session 1', and in 'session 0'"):
        build(write_csv([*HEADER, "session"], *rows), data_dir="again", columns={"group": "session"})


def test_bad_pictures_stop_the_build_or_take_their_pairs_along(build, write_csv, folder, tmp_path):
    (folder / "2.jpg").write_bytes(b"no picture")
    shutil.copyfile(folder / "0.jpg", folder / "1.jpg")  # Equal pictures: their pair says nothing.
    table = write_csv(HEADER, *all_pairs(0, 6))
    with pytest.raises(ValueError, match=r"2\.jpg: .*--on-bad-image=skip"):
        build(table)
    found = report(build(table, data_dir="again", on_bad_image="skip"))
    assert found["pairs_of_bad_pictures"] == 5 and found["pairs_of_equal_pictures"] == 1
    assert found["pairs"]["train"] == 9 and found["counts"] == {"train": 5}


def test_damage_to_the_pairs_is_found(build, write_csv, tmp_path):
    folder = Path(build(write_csv(HEADER, *all_pairs(0, 6))).data_path)
    path = folder / judged_pairs.FILE
    path.write_text(path.read_text() + "0.jpg,9.jpg,0.5,1,,,0\n")
    data = BuiltDataset("image_pairs/pairs", tmp_path / "data")
    assert check.check(data).problems == [f"{judged_pairs.FILE}, line 17: there is no picture 9.jpg"]
    path.write_text(path.read_text() + "0.jpg,1.jpg,2,1,,,0\n")
    with pytest.raises(ValueError, match="damaged.*build the dataset again"):
        dataset.load("image_pairs/pairs", str(tmp_path / "data"), "train")
    assert "damaged" in check.check(data).problems[0]


def test_rank_and_build_scores_from_choices(write_csv, folder, tmp_path, capsys):
    rows = [[f"{a}.jpg", f"{b}.jpg", "right", "ann"] for a, b in itertools.combinations(range(5), 2)]
    table = write_csv(["left", "right", "winner", "judge"], *rows, ["5.jpg", "6.jpg", "left", "bob"])
    output = tmp_path / "scores.csv"
    assert command.main(["rank", str(table), "-o", str(output)]) == 0
    said = capsys.readouterr()
    assert "2 components" in said.err and "reliability" in said.out and "ranked 7 pictures by 11 choices" in said.out
    with output.open() as file:
        found = list(csv.DictReader(file))
    assert [row["image"] for row in found] == ["4.jpg", "3.jpg", "2.jpg", "1.jpg", "0.jpg", "5.jpg", "6.jpg"]
    assert [row["component"] for row in found] == ["1"] * 5 + ["2"] * 2
    build = ["build", "image_scores", f"--images={folder}", f"--csv={output}", "--score=score", "--group=component"]
    assert command.main([*build, "--on-bad-image=skip", f"--data_dir={tmp_path / 'data'}"]) == 0
    assert command.main(["rank", str(table), "-o", str(table)]) == 2
