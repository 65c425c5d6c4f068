"""`describe`: the counts are right, and the two PNGs show what they should."""

import numpy as np
import pytest
from PIL import Image

from data_prep import charts, describe
from data_prep.built import BuiltDataset
from data_prep.command import main


@pytest.fixture
def photos(tmp_path, write_csv):
    """Twelve plain pictures of two sites, brighter ones with higher scores; site b's scores are far above a's."""
    images = tmp_path / "images"
    images.mkdir()
    rows = []
    for number in range(12):
        Image.new("RGB", (40, 30), (20 * number + 10,) * 3).save(images / f"{number}.png")
        site = "ab"[number % 2]
        rows.append([f"{number}.png", number + 1000 * (site == "b"), site, "test" if number < 4 else "train"])
    csv = write_csv(["image", "score", "site", "part"], *rows)
    options = [f"--images={images}", f"--csv={csv}", "--score=score", "--group=site", "--split=part", "--name=x"]
    assert main(["build", "image_scores", *options, f"--data_dir={tmp_path / 'data'}"]) == 0
    return BuiltDataset("image_scores/x", tmp_path / "data")


def test_counts_and_scores(photos):
    scores = describe.read_scores(photos)
    lines = describe.table(photos, scores).splitlines()
    assert lines[0].split() == "split records pictures groups comparable pairs least score median greatest".split()
    assert lines[1].split() == ["test", "4", "4", "2", "2", "0", "501.5", "1003"]
    assert lines[2].split() == ["train", "8", "8", "2", "12", "4", "507.5", "1011"]


def test_the_command_says_where_and_leaves_two_pictures(photos, tmp_path, capfd):
    data_dir = f"--data_dir={tmp_path / 'data'}"
    assert main(["describe", "image_scores/x", data_dir]) == 0
    out = capfd.readouterr().out
    for name in (describe.HISTOGRAM, describe.SHEET):
        assert f"see   {photos.folder / name}" in out
        with Image.open(photos.folder / name) as picture:
            assert picture.format == "PNG" and picture.width > 500 and picture.height > 200
    # The dataset is as sound as before.
    assert main(["check", "image_scores/x", data_dir]) == 0
    assert main(["describe", "image_scores/x", data_dir, f"--out={tmp_path / 'out'}"]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [describe.SHEET, describe.HISTOGRAM]


def test_a_damaged_data_set_exits_2_and_names_check(photos, tmp_path, capfd):
    for path in photos.folder.glob("*.array_record-*"):
        path.write_bytes(path.read_bytes()[:5000])
    capfd.readouterr()
    assert main(["describe", "image_scores/x", f"--data_dir={tmp_path / 'data'}"]) == 2
    out, err = capfd.readouterr()
    assert not out and "cannot be read: `python -m data_prep check image_scores/x`" in err


def test_the_sheet_has_the_highest_and_lowest_within_their_groups(photos, tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(charts, "save_sheet", lambda path, name, blocks: drawn.update(blocks))
    monkeypatch.setattr(charts, "SHEET_PICTURES", 3)
    describe.draw(photos, describe.read_scores(photos), tmp_path)
    assert list(drawn) == ["highest scores within their groups", "lowest scores within their groups"]
    highest, lowest = ([label for _, label in block] for block in drawn.values())
    assert set(highest[:2]) == {"10 a", "1011 b"} and set(lowest[:2]) == {"0 a", "1001 b"}
    for block in drawn.values():
        for picture, label in block:
            assert picture.shape == (30, 40, 3)
            assert np.all(picture == 20 * (float(label.split()[0]) % 1000) + 10)


def test_ranks_within_groups():
    ranks = describe.within_groups(np.array([5.0, 1.0, 3.0, 900.0, 2.0, 2.0]), np.array(list("aaabcc")))
    np.testing.assert_allclose(ranks, [1, 0, 0.5, 0.5, 0.5, 0.5])


def test_the_histogram_shows_the_scores(tmp_path):
    # Two bars, one three times as high: the tallest column of ink is on the side with more pictures.
    scores = np.array([0.0] * 10 + [1.0] * 30)
    charts.save_histogram(tmp_path / "h.png", "x", scores, np.array(["train"] * 40), np.array([""] * 40))
    with Image.open(tmp_path / "h.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    blue = (pixels[..., 2] - pixels[..., 0] > 60).sum(0)
    left, right = np.split(blue, 2)
    assert right.max() > 2 * left.max() > 0


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_pictures_make_a_sheet(tmp_path, count):
    pictures = [(np.zeros((9, 300, 3), np.uint8), "$a_b$ " * 9)] * count
    charts.save_sheet(tmp_path / "s.png", "x", [("highest", pictures), ("lowest", [])])
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.width > 500


def test_pictures_of_pairs_count_once(planted_dir):
    data = BuiltDataset("planted", planted_dir)
    scores = describe.read_scores(data)
    assert len(scores.ids) == 460 and not scores.groups.any()
