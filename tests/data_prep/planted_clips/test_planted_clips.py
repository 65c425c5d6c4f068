"""`planted_clips`: objects show where and when the record says, and the length of a run does not affect the score."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from data_prep import check, command
from data_prep.built import BuiltDataset
from data_prep.planted import score
from data_prep.planted_clips import Builder, clip
from lena_jax.data import dataset


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    options = [f"--data_dir={folder}", "--train=12", "--validation=3", "--test=4"]
    assert command.main(["build", "planted_clips", *options]) == 0
    return folder


def test_an_object_is_seen_in_its_run_and_only_there():
    for index in range(20):
        made = clip.compose(0, "test", index, 64, 8)
        for number, one in enumerate(made.objects):
            assert 1 <= one.shown <= 8 and 0 <= one.first <= 8 - one.shown
            top, left, bottom, right = (round(64 * side) for side in one.bbox)
            middle = made.frames[:, (top + bottom) // 2, (left + right) // 2].astype(int)
            others = [
                other
                for at, other in enumerate(made.objects)
                if at != number
                and not (
                    other.bbox[2] <= one.bbox[0]
                    or other.bbox[0] >= one.bbox[2]
                    or other.bbox[3] <= one.bbox[1]
                    or other.bbox[1] >= one.bbox[3]
                )
            ]
            if others or one.shown == 8:
                continue
            there = np.arange(8)[one.first : one.first + one.shown]
            away = np.setdiff1d(np.arange(8), there)
            assert np.ptp(middle[there], axis=0).max() == 0 and np.ptp(middle[away], axis=0).max() == 0
            assert (middle[there[0]] != middle[away[0]]).any()


def test_the_score_is_that_of_what_is_shown_at_any_time():
    made = [clip.compose(0, "train", index, 32, 8) for index in range(150)]
    for one in made:
        assert one.signal == pytest.approx(sum(item.effect for item in one.objects) - 2.4 * one.veil_share)
    noise = np.array([one.score - one.signal for one in made])
    assert 0.1 < noise.std() < 0.2
    runs = [sum(item.shown for item in one.objects) / len(one.objects) for one in made]
    assert stats.spearmanr(runs, [one.score for one in made]).pvalue > 0.01
    shown = [item.shown for one in made for item in one.objects]
    assert set(shown) == set(range(1, 9)) and 3.8 < np.mean(shown) < 5.2
    signals = np.array([one.signal for one in made])
    assert score.noise_ceiling(signals, score.NOISE_SIGMA["sum"]) == pytest.approx(0.95, abs=0.02)


def test_the_same_arguments_give_the_same_clip_and_others_another():
    one = clip.compose(3, "train", 7, 32, 4)
    np.testing.assert_array_equal(one.frames, clip.compose(3, "train", 7, 32, 4).frames)
    for other in ((4, "train", 7), (3, "test", 7), (3, "train", 8)):
        assert (clip.compose(*other, 32, 4).frames != one.frames).any()


def test_what_is_read_is_what_was_composed(data_dir):
    pictures = dataset.load("planted_clips", str(data_dir), "test")
    assert pictures.time == (8,) and len(pictures) == 4
    for index in range(4):
        made = clip.compose(0, "test", index, 112, 8)
        frames = pictures.picture(index)
        assert frames.shape == (8, 112, 112, 3) and pictures.ids[index] == f"test/{index:05d}"
        assert np.abs(frames.astype(int) - made.frames).mean() < 3
        assert pictures.scores[index] == pytest.approx(made.score, abs=1e-5)
        np.testing.assert_array_equal(pictures.still(index), frames[4])
        boxes = pictures.record(index)["boxes"]
        assert list(boxes["first"]) == [item.first for item in made.objects]
        assert list(boxes["shown"]) == [item.shown for item in made.objects]


def test_report_and_check(data_dir, capsys):
    report = json.loads((data_dir / "planted_clips" / "1.0.0" / "build_report.json").read_text())
    assert report["frames"] == 8 and report["counts"] == {"train": 12, "validation": 3, "test": 4}
    assert report["fingerprint"].startswith("planted_clips 1.0.0, seed 0")
    assert not check.check(BuiltDataset("planted_clips", data_dir)).problems
    assert command.main(["list", f"--data_dir={data_dir}"]) == 0
    assert "planted_clips/1.0.0" in capsys.readouterr().out
    assert command.main(["describe", "planted_clips", f"--data_dir={data_dir}"]) == 0
    with Image.open(next(data_dir.rglob("contact_sheet.png"))) as sheet:
        assert sheet.size[0] > 100


def test_bad_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match="seed: got -1"):
        Builder(data_dir=tmp_path, seed=-1)
    with pytest.raises(ValueError, match="test: got 1"):
        Builder(data_dir=tmp_path, test=1)
