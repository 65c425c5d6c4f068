"""Several processes that train one model (`jax.distributed`): which one this is, and what they do together."""

import contextlib

import jax
import numpy as np
from jax.experimental import multihost_utils


def index():
    """The number of this process, 0 for the first or only one."""
    return jax.process_index()


def count():
    """The number of processes."""
    return jax.process_count()


def wait_for_all(name):
    """Returns once every process is here."""
    if count() > 1:
        multihost_utils.sync_global_devices(name)


@contextlib.contextmanager
def first_goes_first(name):
    """Runs its body in the first process, and then in all others."""
    if index():
        wait_for_all(name)
    yield
    if not index():
        wait_for_all(name)


def any_of(flag):
    """Whether the flag is set in any process; each must ask."""
    return bool(flag) if count() == 1 else bool(np.any(multihost_utils.process_allgather(np.asarray(bool(flag)))))


def share_of(length):
    """The indices that this process does of `length` things, so that shares are equal or one smaller."""
    return np.array_split(np.arange(length), count())[index()]


def gather(rows, length):
    """Puts the rows of all processes together.

    Args:
        rows: [len(share_of(length)), ...] of this process.
        length: of all.

    Returns:
        [length, ...], the same in every process.
    """
    if count() == 1:
        return rows
    most = -(-length // count())
    padded = np.zeros((most, *rows.shape[1:]), rows.dtype)
    padded[:len(rows)] = rows
    parts = multihost_utils.process_allgather(padded)
    shares = np.array_split(np.arange(length), count())
    return np.concatenate([part[:len(share)] for part, share in zip(parts, shares, strict=True)])
