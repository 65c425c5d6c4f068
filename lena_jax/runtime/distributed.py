"""Join a multi-process run (`jax.distributed`), share its work, and leave it without hanging the others."""

import contextlib
import os
import re
import socket
import sys
import time

import jax
import numpy as np
from jax.experimental import multihost_utils

from lena_jax.runtime.signals import Interrupted

START_SECONDS = 300  # Wait this long for all processes; a cluster may start them one after another.
HEARTBEAT_SECONDS = 30  # A process that is silent this long is considered lost, and the others end.
SHUTDOWN_SECONDS = 60  # Wait this long at the end for the others to finish.


def index():
    """Return the number of this process; 0 is the first or only one."""
    return jax.process_index()


def count():
    """Return the number of processes."""
    return jax.process_count()


def wait_for_all(name):
    """Wait until every process has called this."""
    if count() > 1:
        multihost_utils.sync_global_devices(name)


@contextlib.contextmanager
def first_goes_first(name):
    """Run the body in the first process, then in all others."""
    if index():
        wait_for_all(name)
    yield
    if not index():
        wait_for_all(name)


def any_of(flag):
    """Return whether the flag is set in any process. Every process must call this."""
    return bool(flag) if count() == 1 else bool(np.any(multihost_utils.process_allgather(np.asarray(bool(flag)))))


def share_of(length):
    """Return this process's share of `length` indices. The sizes of the shares differ by at most one."""
    return np.array_split(np.arange(length), count())[index()]


def gather(rows, length):
    """Concatenate the rows of all processes.

    Args:
        rows: [len(share_of(length)), ...], the rows of this process.
        length: number of rows of all processes together.

    Returns:
        [length, ...], the same in every process.
    """
    if count() == 1:
        return rows
    most = -(-length // count())
    padded = np.zeros((most, *rows.shape[1:]), rows.dtype)
    padded[: len(rows)] = rows
    parts = multihost_utils.process_allgather(padded)
    shares = np.array_split(np.arange(length), count())
    return np.concatenate([part[: len(share)] for part, share in zip(parts, shares, strict=True)])


@contextlib.contextmanager
def joined(coordinator, number, index, cluster, explain):
    """Join a multi-process run, and leave it without hanging the others. Do nothing for a single process.

    Enter this context before JAX uses any device. A process that fails exits here at once: the normal exit would wait
    for the others, which wait for it.

    Args:
        coordinator: "HOST:PORT" of the first process, or None.
        number: number of processes, or None.
        index: number of this process, from 0, or None.
        cluster: whether to ask the cluster (SLURM, a TPU pod and so on) for all three.
        explain: error -> exit code; prints the error's message.

    Raises:
        ValueError: arguments are missing or contradict each other.
        OSError: the other processes cannot be reached.
    """
    if not _check(coordinator, number, index, cluster):
        yield
        return
    # This service would catch SIGTERM, which `StopSignal` handles.
    jax.config.update("jax_enable_preemption_service", False)
    if index:
        _wait_for_first(coordinator)
    try:
        jax.distributed.initialize(
            coordinator,
            number,
            index,
            initialization_timeout=START_SECONDS,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=SHUTDOWN_SECONDS,
        )
    except ValueError as error:
        raise ValueError(
            "--distributed finds no cluster that it knows (SLURM, Open MPI, TPU, Kubernetes): use "
            "--coordinator=HOST:PORT --num_processes=N --process_id=K instead"
        ) from error
    except RuntimeError as error:
        raise OSError(
            f"cannot start {number or 'several'} processes with the first at {coordinator or 'its host'}: "
            f"{_first_line(error)}"
        ) from error
    try:
        yield
    except BaseException as error:  # Whatever it is: a process that left in the usual way would wait for the others.
        if isinstance(error, Interrupted) and error.everywhere:
            jax.distributed.shutdown()
            raise
        if isinstance(error, jax.errors.JaxRuntimeError):
            error = OSError(
                f"process {jax.process_index()} of {jax.process_count()} failed or lost another process: "
                f"{_first_line(error)}"
            )
        _leave(explain(error))


def _check(coordinator, number, index, cluster):
    """Check the arguments; return whether to join a multi-process run."""
    given = {"--coordinator": coordinator, "--num_processes": number, "--process_id": index}
    missing = [name for name, value in given.items() if value is None]
    if cluster and len(missing) < 3:
        raise ValueError(
            "got --distributed, which asks the cluster, together with "
            f"{', '.join(sorted(given.keys() - missing))}: expected one or the other"
        )
    if missing and len(missing) < 3:
        raise ValueError(f"several processes need {', '.join(given)}, got no {' and no '.join(missing)}")
    if not missing:
        if not re.fullmatch(r"[^:/\s]+:\d+|\[[^\]]+\]:\d+", coordinator):
            raise ValueError(f"--coordinator must be HOST:PORT of the first process, got {coordinator!r}")
        if not 0 <= index < number:
            raise ValueError(f"--process_id must be in [0, {number}), the number of processes, got {index}")
    return cluster or not missing


def _wait_for_first(coordinator):
    """Wait until the first process answers. Without it, JAX would abort with a page of C++ stack trace."""
    host, port = coordinator.rsplit(":", 1)
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
            return
        except OSError as error:
            if time.monotonic() > until:
                raise OSError(
                    f"the first process did not answer at {coordinator} for {START_SECONDS} seconds: "
                    f"{error.strerror or error}"
                ) from error
        time.sleep(0.2)


def _leave(code):
    sys.stdout.flush()
    sys.stderr.flush()
    if not jax.process_index():
        time.sleep(2)  # When the first process ends, the others are cut off. Let them print their errors.
    os._exit(code)


def _first_line(error):
    return str(error).strip().split("\n")[0][:300]
