"""Colours of videos: what a stream says about them is honoured, compared with the standards' formulas."""

import clips
import numpy as np
import pytest

from lena_jax.data.video import BadVideo, read_clip


def pq(nits):
    """The PQ curve of SMPTE ST 2084."""
    y = (np.asarray(nits) / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def srgb(light):
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def read(tmp_path, colours, said):
    path = tmp_path / "clip.mp4"
    clips.write(path, [clips.plain(np.rint(colour)) for colour in colours], said=said, pixels="yuv444p")
    return read_clip(path, len(colours)).frames[:, 24, 32].astype(float)


def test_hdr_and_wide_primaries_are_brought_to_what_ordinary_screens_show(tmp_path):
    # Light of Display P3, 1 for the reference white of 203 nits; the last is brighter, and white as well.
    light = np.array([[0.05] * 3, [0.25] * 3, [0.6] * 3, [1.0] * 3, [0.4, 0.3, 0.2], [0.2, 0.3, 0.4], [4.0] * 3])
    found = read(tmp_path, 255 * pq(203 * light), (12, 16, 1))
    to_srgb = [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]]
    expected = srgb(np.clip(light @ np.transpose(to_srgb), 0, 1))
    # The clip has 8 bits, of which PQ gives few to each step of sRGB.
    assert np.abs(found - expected).max() < 12 and np.abs(found - expected).mean() < 4


@pytest.mark.parametrize("said", [(1, 1, 1), (2, 2, 2), (5, 6, 5), None])
def test_ordinary_colours_stay(tmp_path, said):
    path = tmp_path / "clip.mp4"
    clips.write(path, [clips.plain((120, 120, 120))], said=said, pixels="yuv444p")
    assert np.abs(read_clip(path, 1).frames[0].astype(int) - 120).max() <= 3


def test_what_cannot_be_converted_is_named(tmp_path):
    with pytest.raises(BadVideo, match="a logarithm of light, which this FFmpeg cannot convert .*: convert it to SDR"):
        read(tmp_path, [np.full(3, 100)], (1, 9, 1))
