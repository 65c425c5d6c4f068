"""Download many pictures into one folder with several threads, and go on where an interrupted download stopped."""

import contextlib
import dataclasses
import os
import queue
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from data_prep.download import transfer
from data_prep.download.ledger import open_ledger
from data_prep.download.limits import Limits
from data_prep.download.schedule import Job, Schedule

# Prefix of unfinished files. Those found at the start belong to a download that was killed.
PART = ".part-"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,199}")


@dataclasses.dataclass
class Fetched:
    """What became of the requested pictures.

    Attributes:
        there: how many pictures were in the folder before.
        fetched: how many pictures were downloaded.
        gone: names to reasons of pictures that are gone for good, now or before; they are not requested again.
        failed: names to reasons of pictures that failed this time; the next download requests them again.
    """

    there: int = 0
    fetched: int = 0
    gone: dict[str, str] = dataclasses.field(default_factory=dict)
    failed: dict[str, str] = dataclasses.field(default_factory=dict)


def fetch(
    addresses: Mapping[str, str],
    folder: Path,
    limits: Limits | None = None,
    progress: Callable[[Iterable, int], Iterable] | None = None,
) -> Fetched:
    """Download the pictures that are not in the folder yet, as `<name>.<ending of their format>`.

    A picture gets its name only once it is complete and decodes. `fetch_ledger.jsonl` in the folder records what
    became of each; after an interruption, the same call goes on. Pictures that are gone for good (404, 410, or a
    server's placeholder for removed pictures) are not requested again unless their address changed.

    Args:
        addresses: names (letters, digits, _ and -) to http or https addresses.
        folder: the folder to download into; it is created if it is missing.
        limits: `Limits()` by default.
        progress: wraps the outcomes, `progress(outcomes, total)`, to show a progress bar.

    Raises:
        ValueError: a name with other characters, a folder that is a file, or another download into the folder.
    """
    limits = limits or Limits()
    folder = Path(folder).expanduser()
    for name in addresses:
        if not _NAME.fullmatch(name):
            raise ValueError(f"picture name: got {name!r}, expected letters, digits, _ and -")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"folder of pictures: got {folder}, which is a file; expected a folder")
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    result = Fetched()
    with open_ledger(folder) as ledger:
        for part in folder.glob(f"{PART}*"):
            part.unlink()
        there = _there(folder)
        jobs = []
        for name, url in addresses.items():
            if name in there:
                result.there += 1
            elif ledger.gone.get(name) == url:
                result.gone[name] = "was gone before"
            else:
                try:
                    jobs.append(Job(name, url, transfer.check_address(url)))
                except transfer.Refused as error:
                    result.failed[name] = str(error)
        outcomes = _outcomes(jobs, folder, limits)
        # Close it at once when interrupted, not at garbage collection: the ledger is open only here.
        with contextlib.closing(outcomes):
            for job, outcome, reason in progress(outcomes, len(jobs)) if progress else outcomes:
                ledger.write(job.name, job.url, outcome, reason)
                if outcome == "fetched":
                    result.fetched += 1
                else:
                    getattr(result, outcome)[job.name] = reason
    return result


def _there(folder: Path) -> set[str]:
    endings = {*transfer.ENDINGS.values(), "jpeg", "tif"}
    names = (path.name.rpartition(".") for path in folder.iterdir())
    return {name for name, _, ending in names if ending.lower() in endings}


def _outcomes(jobs: list[Job], folder: Path, limits: Limits):
    """Yield `(job, outcome, reason)` as the threads finish; closing the generator stops them."""
    schedule = Schedule(jobs, limits)
    results = queue.SimpleQueue()
    threads = [
        # Daemons, so that exit does not wait for a silent connection; no file is ever half written.
        threading.Thread(target=_work, args=(schedule, results, folder, limits), daemon=True)
        for _ in range(min(limits.workers, len(jobs)))
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in jobs:
            job, outcome, reason = results.get()
            if isinstance(reason, BaseException):
                raise reason
            yield job, outcome, reason
    finally:
        schedule.stop()
        patience = time.monotonic() + 2.0
        for thread in threads:
            thread.join(max(patience - time.monotonic(), 0.0))


def _work(schedule: Schedule, results: queue.SimpleQueue, folder: Path, limits: Limits) -> None:
    """Run a thread: take jobs until there are none. An error of this machine, such as a full disk, ends them all."""
    while (taken := schedule.next()) is not None:
        job, left_alone = taken
        try:
            if left_alone:
                outcome, reason, alive = "failed", left_alone, False
            else:
                outcome, reason, alive = _try(job, schedule, folder, limits)
        except transfer.Stopped:
            return
        except BaseException as error:  # Whatever it is: the main thread waits for the outcome, and raises it there.
            results.put((job, "failed", error))
            return
        if outcome is not None:
            results.put((job, outcome, reason))
            schedule.done(job, alive)


def _try(job: Job, schedule: Schedule, folder: Path, limits: Limits) -> tuple[str | None, str, bool]:
    """Try once; return the outcome (None to try again), its reason, and whether the server is alive."""
    job.tries += 1
    try:
        data, ending = transfer.get(job.url, limits, schedule.stopped)
    except transfer.Gone as error:
        return "gone", str(error), True
    except transfer.Refused as error:
        return "failed", str(error), True
    except transfer.Failed as error:
        if error.wait is not None and error.wait > limits.max_wait:
            reason = f"{error} and asks to wait {error.wait:,.0f} s"
            schedule.leave_alone(job.host, reason)
            return "failed", reason, False
        if job.tries >= limits.attempts:
            return "failed", f"{error} (tried {job.tries} times)", False
        pause = min(limits.backoff * 2 ** (job.tries - 1), limits.max_backoff)
        # Vary at random, so that pictures that failed together are not retried together.
        pause *= random.uniform(0.5, 1.5)
        schedule.again(job, max(pause, error.wait or 0.0), whole_host=error.wait is not None)
        return None, "", False
    if schedule.stopped():
        raise transfer.Stopped
    _store(folder, f"{job.name}.{ending}", data)
    return "fetched", "", True


def _store(folder: Path, name: str, data: bytes) -> None:
    """Write a file whole or not at all."""
    part = folder / f"{PART}{name}"
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, folder / name)
    except BaseException:  # Also in a thread that is told to end.
        with contextlib.suppress(OSError):
            part.unlink()
        raise
