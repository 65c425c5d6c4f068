import os
import signal
import socket
import subprocess
import sys

import pytest

from lena_jax.runtime.locks import own

HOLD = """
import sys
from lena_jax.runtime.locks import own
with own(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_is_refused_with_the_number_of_the_first(tmp_path):
    with own(tmp_path / "run"):
        with pytest.raises(ValueError, match=f"in use by process {os.getpid()} on {socket.gethostname()}: wait"):
            with own(tmp_path / "run"):
                pass
        with own(tmp_path / "other"):
            pass
    with own(tmp_path / "run"):
        assert (tmp_path / "run/.lock").read_text().count("\n") == 1


def test_an_error_gives_it_back(tmp_path):
    with pytest.raises(KeyError):
        with own(tmp_path):
            raise KeyError
    with own(tmp_path):
        pass


def test_a_killed_owner_leaves_it_free(tmp_path):
    owner = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert owner.stdout.readline() == b"held\n"
        with pytest.raises(ValueError, match=f"in use by process {owner.pid} "):
            with own(tmp_path):
                pass
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.communicate()
    with own(tmp_path):
        assert f"process {os.getpid()} " in (tmp_path / ".lock").read_text()
