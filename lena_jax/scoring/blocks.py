"""Score many pictures in blocks. Each block is one file of scores, which is complete or absent.

The folder of a job:

    _manifest.json                        which pictures are scored by which model; written first, never changed
    part-00000-1f0c62d5a1b3c4d5.parquet   the rows of block 0, in the order of its pictures; one such file per block
    _SUCCESS                              written last: all blocks are finished

The file name of a block contains a hash of its pictures' names and the model. Every worker that scores a block writes
the same file, and scoring it twice changes nothing. Readers of Parquet folders skip names that begin with "_" or ".".
"""

import dataclasses
import glob
import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from lena_jax.runtime.files import write_whole
from lena_jax.runtime.untrusted import described, read_json
from lena_jax.scoring.scorer import Scorer

MANIFEST, SUCCESS = "_manifest.json", "_SUCCESS"
FORMAT = "lena-jax scores, version 1"
# A block that has killed this many workers is skipped until the next start.
MOST_ATTEMPTS = 3
_PICTURES_A_READ = 64


@dataclasses.dataclass(frozen=True)
class Paths:
    """A block of picture files.

    Attributes:
        paths: absolute paths as bytes.
    """

    paths: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def names(self) -> list[str]:
        """Lists the name of each picture."""
        return [os.fsdecode(path) for path in self.paths]

    def pictures(self) -> Iterator[str]:
        """Yields each picture in a form that `Scorer.score` takes."""
        yield from self.names()

    def identity(self) -> bytes:
        """Bytes that tell these pictures from others."""
        return b"\0".join(self.paths)


@dataclasses.dataclass(frozen=True)
class Rows:
    """A block of pictures in a column of a Parquet file.

    Attributes:
        file: absolute path of the Parquet file.
        digest: hash of the file's metadata, see `block_inputs`.
        column: column with the contents of image files.
        first, end: range of rows, from 0, `end` excluded.
    """

    file: str
    digest: str
    column: str
    first: int
    end: int

    def __len__(self) -> int:
        return self.end - self.first

    def names(self) -> list[str]:
        """Lists the name of each picture: file, "#" and row number."""
        return [f"{self.file}#{row}" for row in range(self.first, self.end)]

    def pictures(self) -> Iterator[bytes]:
        """Yields each picture in a form that `Scorer.score` takes. Reads only the row groups that hold them."""
        from pyarrow import parquet

        with parquet.ParquetFile(self.file) as file:
            metadata, before = file.metadata, 0
            groups: list[int] = []
            starts = [0, *itertools.accumulate(metadata.row_group(k).num_rows for k in range(metadata.num_row_groups))]
            for group, (start, end) in enumerate(itertools.pairwise(starts)):
                if start < self.end and end > self.first:
                    before = before if groups else start
                    groups.append(group)
            batches = file.iter_batches(_PICTURES_A_READ, row_groups=groups, columns=[self.column])
            values = itertools.chain.from_iterable(batch.column(0) for batch in batches)
            for value in itertools.islice(values, self.first - before, self.end - before):
                yield value.as_py() or b""

    def identity(self) -> bytes:
        """Bytes that tell these pictures from others."""
        return json.dumps(dataclasses.astuple(self)).encode()


@dataclasses.dataclass(frozen=True)
class Block:
    """Pictures that are scored together, and the file name of their scores.

    Attributes:
        file: file name in the folder of the job.
        pictures: `Paths` or `Rows`.
    """

    file: str
    pictures: Paths | Rows


@dataclasses.dataclass(frozen=True)
class Job:
    """All blocks, and a manifest that identifies the job.

    Attributes:
        blocks: all blocks.
        manifest: identity of the job, as JSON values.
    """

    blocks: list[Block]
    manifest: dict[str, Any]


def make_job(slices: Sequence[Paths | Rows], model: str) -> Job:
    """Plans the scoring of pictures.

    Args:
        slices: one `Paths` or `Rows` per block, in an order that depends only on their content.
        model: digest of the model, from `Scorer.digest`.
    """
    every, found = hashlib.sha256(), []
    for number, pictures in enumerate(slices):
        digest = hashlib.sha256(pictures.identity()).digest()
        every.update(digest)
        identity = hashlib.sha256(model.encode() + digest).hexdigest()[:16]
        found.append(Block(f"part-{number:05}-{identity}.parquet", pictures))
    manifest = {
        "format": FORMAT,
        "model": model,
        "input": every.hexdigest(),
        "blocks": len(found),
        "pictures": sum(map(len, slices)),
    }
    return Job(found, manifest)


def enter(folder: str, job: Job) -> None:
    """Claims a folder for a job, or checks that it belongs to this job already.

    Raises:
        ValueError: the folder belongs to another job or holds other files. The message says what differs.
    """
    path = os.path.join(folder, MANIFEST)
    try:
        there = read_json(path)
    except FileNotFoundError:
        if others := [name for name in os.listdir(folder) if name != ".lock"]:
            raise ValueError(f"{folder!r} holds other files, such as {min(others)!r}: use a new folder") from None
        write_whole(path, lambda file: json.dump(job.manifest, file, indent=1))
        return
    except ValueError as error:
        raise ValueError(f"{path!r} is damaged: {error}") from error
    if there != job.manifest:
        raise ValueError(
            f"{folder!r} has {_difference(there, job.manifest)}: use another folder, or the pictures, model and "
            "options that it was started with"
        )


def _difference(there, expected):
    if not isinstance(there, dict) or there.get("format") != FORMAT:
        return f"a {MANIFEST} whose format is not {FORMAT!r}"
    if there.get("model") != expected["model"]:
        return f"scores of another model ({described(there.get('model'))[:14]}, got {expected['model'][:12]})"
    if there.get("pictures") != expected["pictures"]:
        return f"scores of another list of {described(there.get('pictures'))} pictures (got {expected['pictures']:,})"
    if there.get("blocks") != expected["blocks"]:
        return f"another block size, {described(there.get('blocks'))} blocks (got {expected['blocks']:,})"
    return f"scores of another list of {expected['pictures']:,} pictures, or other blocks of them"


def missing(folder: str, job: Job) -> list[Block]:
    """Lists the blocks whose file is missing or incomplete."""
    return [block for block in job.blocks if _rows(os.path.join(folder, block.file)) != len(block.pictures)]


def unreadable(folder: str, job: Job) -> int:
    """Counts the pictures of a finished job that have an error instead of a score. Reads only file metadata."""
    from pyarrow import parquet

    count = 0
    for block in job.blocks:
        metadata = parquet.read_metadata(os.path.join(folder, block.file))
        column = metadata.schema.names.index("error")
        groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
        count += sum(group.num_rows - group.column(column).statistics.null_count for group in groups)
    return count


def finish(folder: str, job: Job) -> int:
    """Marks the job as finished.

    Returns:
        Number of pictures that could not be read.
    """
    bad = unreadable(folder, job)
    write_whole(
        os.path.join(folder, SUCCESS),
        lambda file: json.dump({"pictures": job.manifest["pictures"], "unreadable": bad}, file),
    )
    return bad


def attempts(folder: str, block: Block) -> int:
    """Counts the workers that died on this block since the start. Each left an unfinished file."""
    return len(glob.glob(glob.escape(os.path.join(folder, block.file)) + ".*.unfinished"))


def clear_attempts(folder: str) -> None:
    """Removes the unfinished files of workers that died. No worker may be running."""
    for path in glob.glob(os.path.join(glob.escape(folder), "part-*.unfinished")):
        os.remove(path)


def write_block(folder: str, block: Block, scorer: Scorer) -> None:
    """Scores a block and writes its file atomically. The unfinished file exists from the start.

    Args:
        folder: folder of the job.
        block: `Block`.
        scorer: `Scorer`.
    """
    from pyarrow import parquet

    from lena_jax.scoring.result_files import as_table

    def write(file):
        names, scores = block.pictures.names(), scorer.score(block.pictures.pictures())
        named = (dataclasses.replace(one, name=name) for name, one in zip(names, scores, strict=True))
        parquet.write_table(as_table(named), file)

    # What a worker that died has left counts its attempts.
    write_whole(os.path.join(folder, block.file), write, "wb", forget=False)


def _rows(path):
    import pyarrow
    from pyarrow import parquet

    try:
        return parquet.read_metadata(path).num_rows
    except (OSError, pyarrow.ArrowInvalid):
        return None
