"""`lena-jax video`: scores, the folder that it writes, its thumbnail, and files that are not videos."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av")

import clips  # noqa: E402

from lena_jax.cli.main import main  # noqa: E402
from lena_jax.scoring import Scorer  # noqa: E402
from lena_jax.scoring.clip_files import FILES  # noqa: E402


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    """Keeps compiled programs out of the user's cache folder."""
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Two seconds of noise at 10 frames a second, as a lossless RGB video, and its frames."""
    frames = (
        np.random.default_rng(0).integers(0, 256, (20, 600, 640, 3), dtype=np.uint8)
        // np.arange(1, 21, dtype=np.uint8)[:, None, None, None]
    )
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    clips.write(path, frames, lossless=True)
    return path, frames


def test_a_folder_with_scores_drawings_and_the_thumbnail(run, video, tmp_path, capsys):
    path, frames = video
    out = tmp_path / "deep" / "out"
    assert main(["video", str(path), f"--model={run}", "-o", str(out), "--rate=5"]) == 0
    said = capsys.readouterr().out
    assert sorted(one.name for one in out.iterdir()) == sorted(FILES)
    stored = json.loads((out / "clip.json").read_text())
    with open(out / "frames.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    times = np.array([float(row["time"]) for row in rows])
    np.testing.assert_allclose(times, np.arange(1, 20, 2) / 10, atol=1e-6)
    scores = np.array([float(row["score"]) for row in rows])
    assert [row["score"] for row in stored["frames"]] == scores.tolist()
    assert stored["frame_mean"] == pytest.approx(scores.mean(), abs=1e-5)
    assert f"clip score {stored['score']:+.4f}, mean of its 10 frames {stored['frame_mean']:+.4f}" in said
    # The frames as they are scored are smaller; resized twice they have the scores of the pictures to some hundredths.
    stills = [one.score for one in Scorer.from_checkpoint(run).score(frames[1::2])]
    np.testing.assert_allclose(scores, stills, atol=0.05)
    best = int(scores.argmax())
    assert stored["thumbnail"] == rows[best]["time"] or stored["thumbnail"] == times[best]
    assert stored["moments"][0] == stored["thumbnail"] and f"{scores[best]:+.4f}" in said.splitlines()[1]
    thumbnail = np.asarray(Image.open(out / "thumbnail.jpg"), np.float64)
    assert thumbnail.shape == frames[0].shape
    assert np.argmin([np.abs(thumbnail.mean() - frame.mean()) for frame in frames]) == 2 * best + 1
    for name in ("timeline.png", "moments.png"):
        assert np.asarray(Image.open(out / name).convert("L")).std() > 5


def test_without_a_folder_nothing_is_written(run, video, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["video", str(video[0]), f"--model={run}", "--frames=3", "--rate=0", "--moments=1"]) == 0
    assert not list(tmp_path.iterdir()) and len(capsys.readouterr().out.splitlines()) == 2


def test_what_is_no_video_is_said_and_leaves_no_folder(run, tmp_path, capsys):
    (tmp_path / "a.mp4").write_bytes(b"no video" * 50)
    assert main(["video", str(tmp_path / "a.mp4"), f"--model={run}", "-o", str(tmp_path / "out")]) == 1
    assert "a.mp4: does not decode as a video" in capsys.readouterr().err and not (tmp_path / "out").exists()
    assert main(["video", str(tmp_path / "a.mp4"), f"--model={run}", "--frames=0"]) == 2
    assert main(["video", str(tmp_path / "a.mp4"), f"--model={run}", "--moments=0"]) == 2
