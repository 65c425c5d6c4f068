"""One run, one process group: a lock on the run's folder, given back when its process ends, however it ends."""

import contextlib
import fcntl
import os
import socket


@contextlib.contextmanager
def own(workdir, flag="--workdir"):
    """Holds `workdir/.lock` while the body runs; the folder is made if absent.

    The operating system drops the lock of a process that is killed, so nothing has to be cleaned up.

    Args:
        workdir: the folder.
        flag: with which the user names another.

    Raises:
        ValueError: if another process holds it, with that process' number and machine, or it is no folder.
    """
    if os.path.exists(workdir) and not os.path.isdir(workdir):
        raise ValueError(f"{workdir!r} is a file, expected a folder for the run or nothing")
    os.makedirs(workdir, exist_ok=True)
    with open(os.path.join(workdir, ".lock"), "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ValueError(f"{workdir!r} is in use by {file.read().strip() or 'another process'}: wait for it, stop "
                             f"it, or use another {flag}") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield
