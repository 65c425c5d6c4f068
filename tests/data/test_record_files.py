"""What goes wrong with a dataset's files is one line, whatever the library below says."""

import pickle
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

from lena_jax.data.dataset import dataset_directory
from lena_jax.data.record_files import Records, open_builder


@pytest.fixture
def folder(planted_dir, tmp_path):
    """A copy of a dataset, to damage."""
    source = dataset_directory("planted", planted_dir)
    return shutil.copytree(source, tmp_path / "planted/1.0.0")


def test_records_are_those_of_tfds(folder):
    builder = open_builder(folder)
    ours, theirs = Records(builder, "test"), builder.as_data_source("test")
    assert len(ours) == len(theirs) == 24
    for one, other, again in zip(ours, theirs, pickle.loads(pickle.dumps(ours)), strict=True):
        assert one["id"] == other["id"] == again["id"]
        np.testing.assert_array_equal(one["image"], other["image"])
    undecoded = Records(builder, "test", decoders={"image": tfds.decode.SkipDecoding()})
    assert isinstance(undecoded[3]["image"], bytes)


def test_files_that_have_gone_or_are_cut_off_are_an_error_of_the_system(folder):
    records = Records(open_builder(folder), "test")
    assert records[0]["id"]
    (path,) = folder.glob("*-test*")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    for damage in (lambda: None, path.unlink):
        damage()
        with pytest.raises(OSError, match="the dataset in .* cannot be read: ") as raised:
            list(Records(open_builder(folder), "test"))
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"{}", b"[]", b"\xff", b'{"splits": 3}'])
def test_damaged_descriptions_are_named_or_read(folder, name, content):
    (folder / name).write_bytes(content)
    try:
        builder = open_builder(folder)
    except (ValueError, OSError) as error:
        assert str(folder) in str(error) and "\n" not in str(error)
    else:
        assert builder.info is not None
