"""Frames of videos: the right frames at the right times, upright. Hostile files are refused with a reason."""

import os
import sys

import numpy as np
import pytest

pytest.importorskip("av")

import clips  # noqa: E402

from lena_jax.data import video_decoding as decoding  # noqa: E402
from lena_jax.data.video import BadVideo, read_clip, read_frame  # noqa: E402


def numbers(frames, colours):
    """The index of the colour that is nearest to each frame's."""
    means = np.asarray(frames, np.float64).mean((1, 2))
    return np.abs(means[:, None] - colours.astype(float)).sum(-1).argmin(1).tolist()


@pytest.mark.parametrize(
    "name, codec, rate",
    [
        ("a.mp4", "libx264", 10),
        ("a.mp4", "mpeg4", 10),
        ("a.mkv", "libx264", 10),
        ("a.webm", "libvpx-vp9", 10),
        ("a.webm", "libvpx", 10),
        ("a.avi", "mpeg4", 10),
        ("a.ts", "libx264", 10),
        ("a.mov", "mpeg4", 10),
        ("a.mpg", "mpeg2video", 25),
        ("a.flv", "flv1", 10),
    ],
)
def test_the_frame_shown_in_the_middle_of_each_part(tmp_path, name, codec, rate):
    colours = clips.colours(30)
    clips.write(tmp_path / name, [clips.plain(one) for one in colours], codec, rate)
    clip = read_clip(tmp_path / name, 6)
    assert clip.frames.shape == (6, 48, 64, 3) and clip.frames.dtype == np.uint8
    expected = np.array([2, 7, 12, 17, 22, 27])
    np.testing.assert_allclose(clip.times, expected / rate, atol=2e-3)
    assert clip.duration == pytest.approx(30 / rate, abs=2e-3)
    assert numbers(clip.frames, colours) == expected.tolist()


def test_every_frame_by_number_through_reordered_frames_and_skipped_stretches(tmp_path):
    """For each number of frames, exactly the planned ones, despite B-frames and many key frames."""
    colours = clips.colours(40)
    clips.write(tmp_path / "a.mp4", [clips.plain(one) for one in colours], key_every=7)
    for count in (1, 3, 11, 39, 40):
        clip = read_clip(tmp_path / "a.mp4", count)
        expected = np.floor((np.arange(count) + 0.5) * 40 / count + 1e-9).astype(int)
        np.testing.assert_allclose(clip.times, expected / 10, atol=1e-6)
        assert numbers(clip.frames, colours) == expected.tolist()


def test_a_frame_alone_at_its_full_size(tmp_path):
    colours = clips.colours(12)
    clips.write(tmp_path / "a.mp4", [clips.plain(one, (640, 64)) for one in colours])
    clip = read_clip(tmp_path / "a.mp4", 4, side=320)
    assert clip.frames.shape == (4, 32, 320, 3)
    for time, number in zip(clip.times, (1, 4, 7, 10), strict=True):
        frame = read_frame(tmp_path / "a.mp4", time)
        assert frame.shape == (64, 640, 3) and numbers([frame], colours) == [number]


def test_more_frames_than_there_are_repeat_them_and_a_rate_does_not(tmp_path):
    colours = clips.colours(3)
    clips.write(tmp_path / "a.mp4", [clips.plain(one) for one in colours])
    clip = read_clip(tmp_path / "a.mp4", 8)
    np.testing.assert_allclose(clip.times, [0, 0, 0, 0.1, 0.1, 0.2, 0.2, 0.2], atol=1e-6)
    np.testing.assert_array_equal(clip.frames[0], clip.frames[2])
    np.testing.assert_allclose(read_clip(tmp_path / "a.mp4", 8, rate=100).times, [0, 0.1, 0.2], atol=1e-6)


@pytest.mark.parametrize("most, rate, count", [(100, 2, 6), (4, 2, 4), (100, 0.01, 1), (100, 1e9, 30)])
def test_a_rate_with_a_cap(tmp_path, most, rate, count):
    clips.write(tmp_path / "a.mp4", [clips.plain(one) for one in clips.colours(30)])
    clip = read_clip(tmp_path / "a.mp4", most, rate=rate)
    assert len(clip.frames) == count and len(np.unique(clip.times)) == count
    if count > 1:
        np.testing.assert_allclose(np.diff(clip.times), 3 / count, atol=0.11)


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
@pytest.mark.parametrize("mirrored", [False, True])
def test_turned_and_mirrored_as_the_file_says(tmp_path, degrees, mirrored):
    clips.write(tmp_path / "a.mp4", [clips.corners()] * 2, turned=(degrees, mirrored))
    expected = np.rot90(clips.corners(), degrees // 90)
    expected = expected[:, ::-1] if mirrored else expected
    frame = read_clip(tmp_path / "a.mp4", 1).frames[0]
    assert frame.shape == expected.shape
    # Stay away from the edges, which the codec blurs.
    np.testing.assert_allclose(frame[8::16, 8::16], expected[8::16, 8::16], atol=40)


def test_the_content_counts_and_not_the_name(tmp_path):
    colours = clips.colours(4)
    clips.write(tmp_path / "a.mp4", [clips.plain(one) for one in colours])
    os.rename(tmp_path / "a.mp4", tmp_path / "a.jpg")
    assert numbers(read_clip(tmp_path / "a.jpg", 4).frames, colours) == [0, 1, 2, 3]


def make(folder, name, **options):
    noise = np.random.default_rng(0).integers(0, 256, (40, 48, 64, 3), dtype=np.uint8)
    clips.write(folder / "whole.mp4", list(noise))
    clips.copy(folder / "whole.mp4", folder / name, **options)
    return (folder / name).read_bytes()


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}, {"movflags": "frag_keyframe+empty_moov"}])
def test_a_file_that_was_cut_off(tmp_path, options):
    whole = make(tmp_path, "b.mp4", **options)
    assert len(read_clip(tmp_path / "b.mp4", 4).frames) == 4
    for share in (0.98, 0.6, 0.05, 0.01):
        (tmp_path / "cut.mp4").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(BadVideo, match="cut off|does not decode|holds no frames"):
            read_clip(tmp_path / "cut.mp4", 4)


@pytest.mark.parametrize("name", ["b.mp4", "b.mkv", "b.ts", "b.flv"])
def test_random_damage_gives_frames_or_a_reason(tmp_path, name):
    whole, rng = make(tmp_path, name), np.random.default_rng(0)
    outcomes = set()
    for number in range(6):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole) if number % 2 else 1500, rng.integers(1, 30)):
            damaged[at] = rng.integers(256)
        (tmp_path / "damaged").write_bytes(damaged)
        try:
            frames = read_clip(tmp_path / "damaged", 4).frames
            assert frames.ndim == 4 and frames.dtype == np.uint8
            outcomes.add("frames")
        except BadVideo as error:
            assert str(error)
            outcomes.add("reason")
    assert outcomes == {"frames", "reason"}


def test_files_that_are_no_video(tmp_path):
    clips.write(tmp_path / "a.ts", [clips.plain((9, 9, 9))] * 3)
    clips.write_sound(tmp_path / "sound.mp4")
    contents = {
        "playlist.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{tmp_path / 'a.ts'}\n#EXT-X-ENDLIST\n".encode(),
        "script.mp4": f"ffconcat version 1.0\nfile '{tmp_path / 'a.ts'}'\n".encode(),
        "text.mp4": b"this is no video at all " * 100,
        "zeros.mp4": bytes(5000),
        "empty.mp4": b"",
        "picture.mp4": b"\x89PNG\r\n\x1a\n" + bytes(100),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()
    for name, message in (
        *((name, "does not decode as a video") for name in contents if name != "empty.mp4"),
        ("empty.mp4", "empty"),
        ("sound.mp4", "sound or text only"),
        ("pipe.mp4", "device or pipe"),
        ("folder.mp4", "is a folder"),
        ("absent.mp4", "no such file"),
        ("a\0", "cannot be read"),
    ):
        with pytest.raises(BadVideo, match=message):
            read_clip(tmp_path / name)
    # A path that FFmpeg would take for an address is a file name.
    with pytest.raises(BadVideo, match="no such file"):
        read_clip("http://127.0.0.1:9/a.mp4")


def test_limits(tmp_path, monkeypatch):
    clips.write(tmp_path / "a.mp4", [clips.plain(one) for one in clips.colours(30)])
    for limit, value, message in (
        ("MAX_PIXELS", 64 * 48 - 1, "one that is too large|too many pixels"),
        ("MAX_SIDE", 63, "63 a side"),
        ("MAX_SECONDS", 2, "got 3 s, expected at most 2"),
        ("MAX_PACKETS", 29, "too many frames"),
        ("MAX_FILE_BYTES", 100, "file too large"),
        ("MAX_BYTES", 16 * 64 * 48 * 3 - 1, "got 16 of 64x48"),
        ("MAX_READING_SECONDS", -1, "longer than -1 s"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(decoding, limit, value)
            with pytest.raises(BadVideo, match=message):
                decoding.clip(b"", str(tmp_path / "a.mp4"), 16, None, 512)


def test_memory_is_that_of_the_chosen_frames(tmp_path, monkeypatch):
    """Of 300 frames, 3 are converted. Stretches between key frames without any of them are not decoded."""
    clips.write(tmp_path / "a.mp4", [clips.plain(one) for one in clips.colours(255)], key_every=5)
    converted = []
    whole = decoding._upright
    monkeypatch.setattr(decoding, "_upright", lambda frame, side: converted.append(frame.pts) or whole(frame, side))
    assert len(decoding.clip(b"", str(tmp_path / "a.mp4"), 3, None, 512)[1]) == 3
    assert len(converted) == 3


@pytest.mark.parametrize(
    "change, message",
    [
        ({"frames": 0}, "frames: got 0"),
        ({"frames": 5000}, "expected 1 to 4096"),
        ({"rate": 0}, "rate: got 0"),
        ({"rate": float("nan")}, "rate: got nan"),
        ({"side": 0}, "side: got 0"),
    ],
)
def test_arguments_out_of_range(change, message):
    with pytest.raises(ValueError, match=message):
        read_clip("any", **change)


def test_without_pyav_the_error_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match=r"lena-jax\[video\]"):
        decoding.clip(b"", str(tmp_path / "a.mp4"), 16, None, 512)
