"""A TFDS builder that writes each record as it comes: constant memory, no TensorFlow, the generator's order.

`tfds.core.GeneratorBasedBuilder` keeps every record in memory to shuffle it, and above one gigabyte it spills to disk
through TensorFlow. This builder writes the records in the order in which they are yielded, so the generator decides
the dataset's order.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from array_record.python import array_record_module
from tensorflow_datasets.core import example_serializer

from lena_jax.runtime import signals

Examples = Iterable[tuple[str, dict[str, Any]]]

# Small enough to copy and to read in parallel, large enough that 100,000 pictures are a few dozen files.
SHARD_BYTES = 256 << 20


class StreamingBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Base class of the builders; a subclass defines `_info`, `_split_generators` and a lazy `_generate_examples`.

    Attributes:
        progress: wraps a split's examples, `progress(examples, split, total)`; set it to show a progress bar.
    """

    progress: Callable[[Iterable, str, int | None], Iterable] | None = None

    def __init__(self, **kwargs: Any):
        # TFDS's default format cannot be written without TensorFlow.
        kwargs.setdefault("file_format", tfds.core.FileFormat.ARRAY_RECORD)
        super().__init__(**kwargs)

    @property
    def info(self) -> tfds.core.DatasetInfo:
        info = super().info
        # TFDS would look for a dataset's description online, and leave a temporary folder behind each time.
        info.initialize_from_bucket = lambda: None
        return info

    def expected_counts(self) -> Mapping[str, int]:
        """Return the greatest number of examples of each split, for the progress bar; splits may be missing."""
        return {}

    def finish(self, folder: Path) -> None:
        """Add files to the folder that becomes the dataset, or raise; called when all records are written."""

    # TFDS prints about downloads here, but there are none.
    def _log_download_bytes(self) -> None: ...

    def _log_download_done(self) -> None: ...

    def _generate_splits(self, dl_manager, download_config) -> list[tfds.core.SplitInfo]:
        infos = []
        for split, examples in self._split_generators(dl_manager).items():
            if self.progress is not None:
                examples = self.progress(examples, split, self.expected_counts().get(split))
            infos.append(self._write_split(split, examples))
        self.finish(Path(self.data_path))
        return [info for info in infos if info.num_examples]

    def _write_split(self, split: str, examples: Examples) -> tfds.core.SplitInfo:
        """Write one split, shard by shard; the shards get their names once their number is known."""
        template = self._get_filename_template(split_name=split)
        features = self.info.features
        serializer = example_serializer.ExampleSerializer(features.get_serialized_info())
        # Without `deterministic`, the order of a protocol buffer's map differs between processes.
        records = (
            serializer.get_tf_example(features.encode_example(example)).SerializeToString(deterministic=True)
            for _, example in _watched(examples)
        )
        written = []
        lengths = []
        size = 0
        for shard in _shards(records):
            path = Path(self.data_path) / f"{split}-shard-{len(written):05d}"
            count, length = _write_shard(path, shard)
            written.append(path)
            lengths.append(count)
            size += length
        for index, path in enumerate(written):
            os.replace(path, template.sharded_filepath(shard_index=index, num_shards=len(written)))
        return tfds.core.SplitInfo(name=split, shard_lengths=lengths, num_bytes=size, filename_template=template)


def _watched(examples: Examples) -> Examples:
    for example in examples:
        signals.check()
        yield example


def _shards(records: Iterator[bytes]) -> Iterator[Iterator[bytes]]:
    """Cut a stream of records into streams of about `SHARD_BYTES`; use up each before taking the next."""

    def take(first):
        size = len(first)
        yield first
        while size < SHARD_BYTES and (record := next(records, None)) is not None:
            size += len(record)
            yield record

    while (first := next(records, None)) is not None:
        yield take(first)


def _write_shard(path: Path, records: Iterator[bytes]) -> tuple[int, int]:
    """Write records to an ArrayRecord file; return their number and their bytes."""
    # With one record per group, random access reads no other record. The pictures are compressed already.
    writer = array_record_module.ArrayRecordWriter(os.fspath(path), "group_size:1,uncompressed")
    count = size = 0
    try:
        try:
            for record in records:
                writer.write(record)
                count += 1
                size += len(record)
        finally:
            writer.close()
    except RuntimeError as error:
        # The writer's own kind of error: no room, or a limit on the size of files.
        reason = str(error).partition(";")[0].partition("\n")[0]
        raise OSError(
            f"the dataset cannot be written to {path.parent}: {reason}; is there room on the disk?"
        ) from error
    return count, size
