"""The builder `image_scores` on videos: frames as the reader gives them, the number of them, bad files."""

import json

import numpy as np
import pytest
import tensorflow_datasets as tfds

pytest.importorskip("av")

import clips  # noqa: E402

from data_prep import command  # noqa: E402
from lena_jax.data import dataset  # noqa: E402
from lena_jax.data.video import read_clip  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    """Four videos of different sizes and a table of their scores."""
    (tmp_path / "videos").mkdir()
    for number in range(4):
        colours = clips.colours(10 + number)
        frames = [clips.plain(one, (64 + 16 * number, 48)) for one in colours]
        clips.write(tmp_path / "videos" / f"{number}.mp4", frames)
    rows = "".join(f"{number}.mp4,{number}.5\n" for number in range(4))
    (tmp_path / "clips.csv").write_text(f"video,likes\n{rows}")
    return tmp_path


def build(folder, *options):
    return command.main(
        [
            "build",
            "image_scores",
            f"--images={folder / 'videos'}",
            f"--csv={folder / 'clips.csv'}",
            "--image_column=video",
            "--score=likes",
            f"--data_dir={folder / 'data'}",
            *options,
        ]
    )


def test_frames_are_stored_without_loss(folder, capsys):
    assert build(folder, "--frames=5") == 0
    assert "configs/clips.py" in capsys.readouterr().out
    pictures = dataset.load("image_scores/clips", str(folder / "data"), "all")
    assert pictures.time == (5,) and sorted(pictures.scores) == [0.5, 1.5, 2.5, 3.5]
    for index, name in enumerate(pictures.ids):
        np.testing.assert_array_equal(pictures.picture(index), read_clip(folder / "videos" / name, 5).frames)
    report = json.loads(next((folder / "data").rglob("build_report.json")).read_text())
    assert report["frames"] == 5
    # The digest knows how many frames there are; so does the fingerprint, for which other frames are another input.
    assert build(folder, "--frames=5") == 0
    assert build(folder, "--frames=6") == 2
    assert "made from other input" in capsys.readouterr().err
    assert build(folder, "--frames=6", "--overwrite") == 0
    assert dataset.load("image_scores/clips", str(folder / "data"), "all").digest != pictures.digest


def test_a_bad_video_is_named_or_left_out(folder, capsys):
    (folder / "videos" / "1.mp4").write_bytes(b"\x89PNG\r\n\x1a\n not a video")
    assert build(folder, "--frames=4") == 2
    assert "1.mp4 (row 3" in (said := capsys.readouterr().err) and "does not decode as a video" in said
    assert build(folder, "--frames=4", "--on-bad-image=skip") == 0
    assert "1.mp4 (row 3): does not decode as a video" in capsys.readouterr().out


def test_videos_without_a_number_of_frames_are_no_pictures(folder, capsys):
    assert build(folder) == 2
    assert "0.mp4" in (said := capsys.readouterr().err) and "does not decode" in said and "--frames" in said


@pytest.mark.parametrize("frames", ["0", "129"])
def test_numbers_of_frames_out_of_range(folder, frames, capsys):
    assert build(folder, f"--frames={frames}") == 2
    assert f"frames: got {frames}, expected 1 to 128" in capsys.readouterr().err


def test_pictures_have_no_feature_of_frames(folder):
    from data_prep.image_scores import Builder, ImageScoresConfig

    config = ImageScoresConfig(name="a", images="a", csv="a", score="a")
    builder = Builder(config=config, data_dir=folder / "data")
    assert "frames" not in builder.info.features and isinstance(builder.info.features["image"], tfds.features.Image)
