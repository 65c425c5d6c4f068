"""Writing records as they come: several shards, in order, each record once."""

import tempfile

import numpy as np
import pytest
import tensorflow_datasets as tfds

from data_prep import streaming


class Numbers(streaming.StreamingBuilder, skip_registration=True):
    VERSION = tfds.core.Version("1.0.0")
    fail_at = None

    def _info(self):
        features = tfds.features.FeaturesDict({"n": np.int64, "text": tfds.features.Text()})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(50), "test": self._generate_examples(3)}

    def _generate_examples(self, count):
        for n in range(count):
            if n == self.fail_at:
                raise ValueError("no more")
            yield str(n), {"n": n, "text": "x" * 100}


@pytest.mark.parametrize(("shard_bytes", "shards"), [(1, 50), (1000, 7), (1 << 20, 1)])
def test_shards_hold_every_record_once_in_order(tmp_path, monkeypatch, shard_bytes, shards):
    monkeypatch.setattr(streaming, "SHARD_BYTES", shard_bytes)
    builder = Numbers(data_dir=tmp_path)
    builder.download_and_prepare()
    assert abs(len(builder.info.splits["train"].shard_lengths) - shards) <= 1
    for split, count in (("train", 50), ("test", 3)):
        numbers = [int(record["n"]) for record in builder.as_data_source(split)]
        assert numbers == list(range(count))
    read = tfds.builder_from_directory(builder.data_path)
    assert [int(read.as_data_source("train")[n]["n"]) for n in (49, 0, 25)] == [49, 0, 25]
    assert not [path for path in builder.data_path.iterdir() if "-shard-" in path.name]


def test_records_are_written_as_they_come(tmp_path, monkeypatch):
    # With a shard for each record, all but the last are on disk before the next is asked for.
    monkeypatch.setattr(streaming, "SHARD_BYTES", 1)
    builder = Numbers(data_dir=tmp_path)
    on_disk = []

    def watch(examples, split, total):
        for example in examples:
            on_disk.append(len(list(tmp_path.rglob(f"{split}-shard-*"))))
            yield example

    builder.progress = watch
    builder.download_and_prepare()
    assert on_disk == [*range(50), *range(3)]


def test_no_temporary_folder_is_left(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    Numbers(data_dir=tmp_path / "data").download_and_prepare()
    tfds.builder_from_directory(Numbers(data_dir=tmp_path / "data").data_path).as_data_source("train")
    assert not list((tmp_path / "temporary").iterdir())


def test_a_failed_build_leaves_no_dataset(tmp_path):
    builder = Numbers(data_dir=tmp_path)
    builder.fail_at = 20
    with pytest.raises(ValueError, match="no more"):
        builder.download_and_prepare()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    builder.fail_at = None
    builder.download_and_prepare()
    assert len(builder.as_data_source("train")) == 50
