"""Advisory file locks. The operating system drops them when their process ends, however it ends."""

import contextlib
import fcntl
import os
import socket


def try_lock(file):
    """Lock an open file for this process until it is closed; return False if another process holds the lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def own(workdir, flag="--workdir"):
    """Hold `workdir/.lock` while the body runs; create the folder if absent.

    Args:
        workdir: the folder.
        flag: the option that sets the folder, for the error message.

    Raises:
        ValueError: another process holds the lock (the message has its number and machine), or `workdir` is a file.
    """
    if os.path.exists(workdir) and not os.path.isdir(workdir):
        raise ValueError(f"{workdir!r} is a file, expected a folder or a path that does not exist yet")
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
