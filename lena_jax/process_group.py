"""Making this process one of several that train together, and leaving so that no other waits in vain."""

import contextlib
import os
import re
import socket
import sys
import time

import jax

from lena_jax.stop_signal import Stopped

START_SECONDS = 300  # For all processes to come, which a cluster may start one after another.
HEARTBEAT_SECONDS = 30  # A process of which nothing was heard for so long is lost, and the others end.
SHUTDOWN_SECONDS = 60  # For the others to come to the end too.


@contextlib.contextmanager
def joined(coordinator, number, index, cluster, explain):
    """Runs its body as one of several processes; as the only one where nothing is asked for.

    To be entered before any device is touched. A process that fails ends here and at once: on the usual way it would
    first wait for the others, which wait for it.

    Args:
        coordinator: "HOST:PORT" of the first process, or None.
        number: of processes, or None.
        index: of this process, from 0, or None.
        cluster: whether SLURM, a TPU pod or the like tells all three.
        explain: error -> exit code; prints what is to be said of it.

    Raises:
        ValueError: for arguments that are missing or contradict each other.
        OSError: if the others cannot be reached.
    """
    if not _check(coordinator, number, index, cluster):
        yield
        return
    # The service would keep SIGTERM to itself; `StopSignal` looks after it.
    jax.config.update("jax_enable_preemption_service", False)
    if index:
        _wait_for_first(coordinator)
    try:
        jax.distributed.initialize(
            coordinator, number, index, initialization_timeout=START_SECONDS,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS, shutdown_timeout_seconds=SHUTDOWN_SECONDS)
    except ValueError as error:
        raise ValueError("--distributed finds no cluster that it knows (SLURM, Open MPI, TPU, Kubernetes): say "
                         "--coordinator=HOST:PORT --num_processes=N --process_id=K instead") from error
    except RuntimeError as error:
        raise OSError(f"cannot start {number or 'several'} processes with the first at {coordinator or 'its host'}: "
                      f"{_first_line(error)}") from error
    try:
        yield
    except BaseException as error:
        if isinstance(error, Stopped) and error.everywhere:
            jax.distributed.shutdown()
            raise
        if isinstance(error, jax.errors.JaxRuntimeError):
            error = OSError(f"process {jax.process_index()} of {jax.process_count()} failed, or has lost another one: "
                            f"{_first_line(error)}")
        _leave(explain(error))


def _check(coordinator, number, index, cluster):
    """Whether there are several processes."""
    given = {"--coordinator": coordinator, "--num_processes": number, "--process_id": index}
    missing = [name for name, value in given.items() if value is None]
    if cluster and len(missing) < 3:
        raise ValueError("got --distributed, which asks the cluster, together with "
                         f"{', '.join(sorted(given.keys() - missing))}: expected the one or the others")
    if missing and len(missing) < 3:
        raise ValueError(f"several processes need {', '.join(given)}, got no {' and no '.join(missing)}")
    if not missing:
        if not re.fullmatch(r"[^:/\s]+:\d+|\[[^\]]+\]:\d+", coordinator):
            raise ValueError(f"--coordinator must be HOST:PORT of the first process, got {coordinator!r}")
        if not 0 <= index < number:
            raise ValueError(f"--process_id must be in [0, {number}), the number of processes, got {index}")
    return cluster or not missing


def _wait_for_first(coordinator):
    """JAX would end the process by a signal, with a page of C++, if the first one is not there."""
    host, port = coordinator.rsplit(":", 1)
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
            return
        except OSError as error:
            if time.monotonic() > until:
                raise OSError(f"the first process did not answer at {coordinator} for {START_SECONDS} seconds: "
                              f"{error.strerror or error}") from error
        time.sleep(0.2)


def _leave(code):
    sys.stdout.flush()
    sys.stderr.flush()
    if not jax.process_index():
        time.sleep(2)  # The end of the first one cuts off the others, which may have something to say as well.
    os._exit(code)


def _first_line(error):
    return str(error).strip().split("\n")[0][:300]
