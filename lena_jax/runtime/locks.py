"""Advisory file locks, which the operating system drops when their process ends, however it ends."""

import contextlib
import fcntl
import os
import socket


def try_lock(file):
    """Locks an open file for this process until the file is closed; returns False where another process holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def own(workdir, flag="--workdir"):
    """Holds `workdir/.lock` while the body runs; makes the folder if it is absent.

    Args:
        workdir: the folder.
        flag: the option with which the user names another folder.

    Raises:
        ValueError: if another process holds the lock (names its number and machine), or `workdir` is a file.
    """
    if os.path.exists(workdir) and not os.path.isdir(workdir):
        raise ValueError(f"{workdir!r} is a file, expected a folder for the run or nothing")
    os.makedirs(workdir, exist_ok=True)
    with open(os.path.join(workdir, ".lock"), "a+") as file:
        if not try_lock(file):
            file.seek(0)
            raise ValueError(
                f"{workdir!r} is in use by {file.read().strip() or 'another process'}: wait for it, stop "
                f"it, or use another {flag}"
            )
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield
