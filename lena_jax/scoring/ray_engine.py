"""Score blocks of pictures with a Ray Data pipeline, on the cores of this machine or on a cluster.

One row of the Ray dataset is a block (`blocks.Block`). `map_batches` gives the rows to actors, each with its own
compiled model. An actor scores the pictures of a block, writes its file, and returns the number of pictures.

**How every picture is scored exactly once.** Ray guarantees at-least-once execution: if an actor dies, another one gets
its row, and a row may run twice if Ray only believed the actor dead. `Dataset.write_parquet` would write such a row
twice, because it names files after tasks. So each block writes its own file: the name depends only on its pictures and
the model, and a rename puts the complete file in place. However often a block is scored, it has one file, which is
complete or absent. At a start, the blocks without a file are scored; the job is finished when none is left. Ray's own
state plays no part. A picture that cannot be read is a row with the reason, not a failure.

A picture that crashes its process, through a bug in a decoder, would be retried for ever, because Ray restarts actors
without limit. Each crash leaves an unfinished file, and a block with `blocks.MOST_ATTEMPTS` of them is skipped until
the next start.
"""

import contextlib
import logging
import os
import pickle
import socket
import warnings
from collections.abc import Iterable
from typing import Any

from lena_jax.runtime import signals
from lena_jax.runtime.locks import own
from lena_jax.runtime.progress import counted
from lena_jax.scoring import blocks
from lena_jax.scoring.block_inputs import slices
from lena_jax.scoring.preparation import cores
from lena_jax.scoring.scorer import Scorer

# Number of blocks that may fail, such as on a full disk, before the run stops.
_MOST_FAILURES = 8
_KEPT = "finished blocks are kept; run the same command again to continue"


class BlockActor:
    """A Ray actor that scores blocks.

    Args:
        scorer: the model.
        folder: folder of the job.
        threads: number of network threads, and of decoding threads.
    """

    def __init__(self, scorer: Scorer, folder: str, threads: int) -> None:
        # XLA reads this when the first device is used. Unpickling the scorer uses none.
        os.environ["PJRT_NPROC"] = str(threads)
        from lena_jax.runtime.compilation_cache import keep_compiled_programs

        keep_compiled_programs()
        scorer.threads = threads
        self._scorer, self._folder = scorer, folder

    def __call__(self, rows: dict[str, Any]) -> dict[str, list[int]]:
        """Maps {"block": [pickled `Block`]} to {"pictures": [number scored]}, which is 0 for a skipped block."""
        (block,) = map(pickle.loads, rows["block"])
        if blocks.attempts(self._folder, block) >= blocks.MOST_ATTEMPTS:
            return {"pictures": [0]}
        blocks.write_block(self._folder, block, self._scorer)
        return {"pictures": [len(block.pictures)]}


def score(
    scorer: Scorer,
    given: Iterable[str | bytes | os.PathLike],
    folder: str,
    workers: int = 1,
    block: int = 1000,
    column: str = "path",
    cpus_per_worker: int | None = None,
    gpus_per_worker: float = 0,
    ray_address: str | None = None,
) -> tuple[int, int]:
    """Scores pictures into a folder of Parquet files, with a progress bar. Continues an interrupted job.

    Args:
        scorer: the model; each worker gets a copy.
        given: iterable of files and folders, or of Parquet files, see `block_inputs.slices`.
        folder: folder to write, see `blocks`. All machines must reach it, and the pictures, by the same path.
        workers: number of processes that score.
        block: pictures per block.
        column: column of the Parquet files.
        cpus_per_worker: cores and threads per worker. None for an equal share of this machine's cores, or 1 on a
            cluster.
        gpus_per_worker: GPUs per worker.
        ray_address: address of a Ray cluster. None to start one that only this machine can reach. A cluster that this
            process has already joined is used, and stays up afterwards.

    Returns:
        (number of pictures, number of those that could not be read).

    Raises:
        ValueError: Ray is missing, the address is malformed, there are no pictures, or the folder is in use or belongs
            to another job.
        OSError: some blocks could not be scored, or the cluster cannot be reached.
    """
    _check_address(ray_address)
    ray, folder = _import_ray(ray_address), os.path.abspath(folder)
    job = blocks.make_job(slices(given, column, block), scorer.digest())
    if cpus_per_worker is None:
        cpus_per_worker = 1 if ray_address else max(1, cores() // workers)
    with own(folder, "--output"):
        blocks.enter(folder, job)
        blocks.clear_attempts(folder)
        if todo := blocks.missing(folder, job):
            with _cluster(ray, ray_address, workers * cpus_per_worker, workers * gpus_per_worker):
                rows = _pipeline(ray, scorer, todo, folder, workers, cpus_per_worker, gpus_per_worker).iter_rows()
                _watch(ray, rows, job.manifest["pictures"], sum(len(block.pictures) for block in todo))
            _check(job, blocks.missing(folder, job))
            blocks.clear_attempts(folder)
        return job.manifest["pictures"], blocks.finish(folder, job)


def _watch(ray, rows, total, todo):
    with counted(what="scoring", total=total, done=total - todo) as bar:
        try:
            for row in rows:
                bar.update(row["pictures"])
        except KeyboardInterrupt as stop:
            raise type(stop)(_KEPT) from None
        except ray.exceptions.RayError as error:
            raise OSError(f"Ray: {_last_line(error)}; {_KEPT}") from error


def _check(job, left):
    if left:
        first = left[0].pictures.names()
        raise OSError(
            f"{len(left):,} of {len(job.blocks):,} blocks could not be scored, the first one from "
            f"{first[0]!r} to {first[-1]!r}; run the same command again to retry"
        )


def _pipeline(ray, scorer, todo, folder, workers, cpus, gpus):
    rows = [{"block": pickle.dumps(block)} for block in todo]
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
    context = dataset.context
    context.enable_progress_bars = context.print_on_execution_start = False
    context.max_errored_blocks = _MOST_FAILURES
    actors = ray.data.ActorPoolStrategy(size=min(workers, len(rows)), max_tasks_in_flight_per_actor=2)
    return dataset.map_batches(
        BlockActor,
        fn_constructor_args=(scorer, folder, cpus),
        batch_size=1,
        compute=actors,
        num_cpus=cpus,
        num_gpus=gpus or None,
    )


def _check_address(address):
    """Fails fast where Ray itself would retry for minutes."""
    if address in (None, "auto"):
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise ValueError(f"got the Ray address {address!r}, expected HOST:PORT or auto")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise OSError(f"cannot reach the Ray cluster at {address!r}: {error.strerror or error}") from error


def _import_ray(address):
    # Ray reads these when it is imported or started.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if address is None:
        # The name speaks of other systems, but the effect is to bind every port to the loopback interface.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ValueError(f"--engine=ray needs Ray Data ({error}): pip install 'lena-jax[ray]'") from error
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    return ray


@contextlib.contextmanager
def _cluster(ray, address, cpus, gpus):
    if ray.is_initialized():
        yield
        return
    # "local" overrides RAY_ADDRESS: a cluster is used only on request.
    options = {} if address else {"num_cpus": cpus, "num_gpus": gpus, "include_dashboard": False}
    try:
        with warnings.catch_warnings():
            # JAX warns about every fork. Ray's forks are harmless: they set signals and execute another program.
            warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise OSError(
            f"cannot {f'reach the Ray cluster at {address!r}' if address else 'start Ray'}: {_last_line(error)}"
        ) from error
    # Ray's own handler of SIGTERM ends the process with a dump of its stack.
    signals.handle_again()
    try:
        yield
    finally:
        ray.shutdown()


def _last_line(error):
    return str(error).strip().split("\n")[-1][:300]
