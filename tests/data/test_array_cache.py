import os
import pickle
import shutil
import time
from collections import namedtuple

import numpy as np
import pytest

from lena_jax.data.array_cache import MappedArray, cached_array

ROWS = np.arange(24, dtype=np.float16).reshape(6, 4)


def build(folder, blocks=lambda: iter((ROWS[:4], ROWS[4:])), key="key", dtype=np.float16, shape=ROWS.shape):
    return cached_array(str(folder), {"of": key}, shape, dtype, blocks, "test")


def test_what_was_computed_is_used_again(tmp_path):
    held = build(tmp_path)
    np.testing.assert_array_equal(held, ROWS)
    np.testing.assert_array_equal(held[[5, 0]], ROWS[[5, 0]])
    assert len(held) == 6 and held.shape == (6, 4) and held.dtype == np.float16
    np.testing.assert_array_equal(build(tmp_path, blocks=None), ROWS)  # Calling None would fail.
    with pytest.raises(TypeError):
        build(tmp_path, blocks=None, key="other")
    assert len(os.listdir(tmp_path)) == 1


def test_it_cannot_be_written_to_and_travels_as_its_path(tmp_path):
    held = build(tmp_path)
    with pytest.raises(ValueError, match="read-only"):
        held[0][0] = 1
    sent = pickle.dumps(held)
    assert len(sent) < 300
    got = pickle.loads(sent)
    assert isinstance(got, MappedArray)
    np.testing.assert_array_equal(got, ROWS)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, OSError])
def test_an_interruption_leaves_nothing(tmp_path, error):
    def blocks():
        yield ROWS[:4]
        raise error

    with pytest.raises(error):
        build(tmp_path, blocks)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("bad", [np.inf, np.nan, 1e6])
def test_what_is_not_finite_or_does_not_fit_the_type_is_refused(tmp_path, bad):
    block = ROWS.astype(np.float32)
    block[3, 1] = bad
    with pytest.raises(ValueError, match="test: got values up to (inf|nan|1000000.0), expected at most 65504.0, the"):
        build(tmp_path, lambda: [block])
    assert not os.listdir(tmp_path)


def test_pictures_are_kept_as_they_are(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 2, 2, 3), dtype=np.uint8)
    held = build(tmp_path, lambda: [pictures[:2], pictures[2:]], dtype="uint8", shape=pictures.shape)
    np.testing.assert_array_equal(held, pictures)


def test_a_disk_without_room_is_said_before_anything_is_computed(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 47))
    with pytest.raises(OSError, match="test, in .*: needs 0.0 MB, but only 0.0 MB are free: make room"):
        build(tmp_path, blocks=None)
    assert not os.listdir(tmp_path)


def test_what_a_killed_process_left_goes_after_a_day(tmp_path):
    for name, age in (("old.npy.1.unfinished", 90000), ("new.npy.2.unfinished", 60)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    build(tmp_path)
    assert sorted(name[:3] for name in os.listdir(tmp_path) if "unfinished" in name) == ["new"]
