"""Build a dataset in a staging folder and move it into place whole: a failed or killed build leaves nothing there."""

import contextlib
import dataclasses
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from data_prep import build_report
from data_prep.streaming import StreamingBuilder
from lena_jax.runtime.files import unfinished
from lena_jax.runtime.locks import try_lock

# Prefix of staging folders. One whose lock is free belongs to a build that was killed.
PREFIX = ".building-"
_NEW, _NEW_SECONDS = ".new-", 60


@dataclasses.dataclass(frozen=True)
class Built:
    """A dataset on disk.

    Attributes:
        name: the name to read it by, such as "image_scores/photos".
        path: its folder.
        report: its build report.
        fresh: whether this call built it.
    """

    name: str
    path: Path
    report: dict
    fresh: bool


def build(make_builder: Callable[[Path], StreamingBuilder], data_dir: Path, overwrite: bool = False) -> Built:
    """Build into `data_dir`, or find that the same input was built there before.

    Args:
        make_builder: makes the builder for a data_dir.
        data_dir: the folder of all datasets; it is created if it is missing.
        overwrite: whether to replace a dataset of the same name.

    Raises:
        ValueError: bad input, or a dataset of this name made from other input is there and `overwrite` is False.
    """
    data_dir = Path(data_dir).expanduser().absolute()
    if data_dir.exists() and not data_dir.is_dir():
        raise ValueError(f"data_dir: got {data_dir}, which is a file; expected a folder")
    probe = make_builder(data_dir / f"{PREFIX}probe")
    relative = Path(probe.data_path).relative_to(data_dir / f"{PREFIX}probe")
    name, target = str(relative.parent), data_dir / relative
    if target.exists() and not overwrite:
        # A folder without a report was made by something else: its input is unknown, so it equals no input.
        report = build_report.read(target)
        if report.get("fingerprint") != probe.fingerprint():
            raise ValueError(
                f"{name} is already in {data_dir}, made from other input: "
                "expected a new name, or --overwrite to replace it"
            )
        return Built(name, target, report, fresh=False)
    missing = _missing_parents(data_dir)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        remove_leftovers(data_dir)
        with _staging_folder(data_dir) as staging:
            make_builder(staging).download_and_prepare()
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                os.replace(target, staging / "replaced")
            os.replace(staging / relative, target)
    finally:
        # Remove the folders created for a build that failed: they are empty.
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()
    return Built(name, target, build_report.read(target), fresh=True)


def remove_leftovers(data_dir: Path) -> None:
    """Remove the staging folders of builds that were killed; a build under way holds its lock and keeps its folder."""
    for folder in Path(data_dir).glob(f"{PREFIX}*"):
        try:
            with (folder / "lock").open("r+b") as lock:
                if try_lock(lock):
                    shutil.rmtree(folder)
        except FileNotFoundError:
            # The lock went first when this folder's removal was interrupted.
            shutil.rmtree(folder, ignore_errors=True)
    for folder in Path(data_dir).glob(f"{_NEW}*"):
        # A folder has this name for a moment. A build that was killed in it leaves it.
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _NEW_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _staging_folder(data_dir: Path) -> Iterator[Path]:
    """Make a locked folder for one build; it gets the prefix only once it is locked."""
    unlocked = Path(tempfile.mkdtemp(prefix=_NEW, dir=data_dir))
    with unfinished(unlocked), (unlocked / "lock").open("w+b") as lock:
        try_lock(lock)
        folder = unlocked.with_name(PREFIX + unlocked.name.removeprefix(_NEW))
        with unfinished(folder):
            unlocked.rename(folder)
            yield folder


def _missing_parents(folder: Path) -> list[Path]:
    """Return the folders that have to be created for `folder` to exist, innermost first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]
