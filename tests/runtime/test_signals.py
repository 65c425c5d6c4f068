"""Signals reach a command wherever they arrive: in the main thread here, and in processes of their own."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from lena_jax.runtime import signals
from lena_jax.runtime.signals import Interrupted, StopSignal, Terminated, check, ended_at_once, stoppable

KINDS = pytest.mark.parametrize("number, kind", [(signal.SIGINT, Interrupted), (signal.SIGTERM, Terminated)])


def ask(number=signal.SIGTERM):
    os.kill(os.getpid(), number)


@KINDS
def test_a_signal_is_raised_and_the_handlers_before_are_put_back(number, kind):
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with pytest.raises(kind) as raised, stoppable("test"), stoppable("inside does nothing"):
        assert signal.getsignal(number) not in before
        ask(number)
    assert type(raised.value) is kind and raised.value.code == 128 + number
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
    check()  # It is forgotten.


@KINDS
def test_a_signal_in_a_callback_of_the_collector_is_not_lost(number, kind, capsys):
    class Deleted:
        def __del__(self):
            ask(number)
            sum(range(10))

    began = time.monotonic()
    with pytest.raises(kind), stoppable("test"):
        Deleted()
        gc.collect()
        while time.monotonic() - began < 10:
            sum(range(100))
    assert time.monotonic() - began < 5
    assert capsys.readouterr().err == ""


def test_a_loop_sees_it_where_a_library_swallows_everything():
    with pytest.raises(Terminated), stoppable("test"):
        try:
            ask()
        except BaseException:
            pass
        check()
        raise AssertionError("not reached")


def test_an_error_that_follows_from_a_signal_is_the_signal():
    with pytest.raises(Terminated), stoppable("test"):
        try:
            ask()
        except Terminated as error:
            raise OSError("the library lost its connection") from error


def test_training_is_stopped_at_once_until_it_defers_and_then_only_notes():
    with pytest.raises(Terminated, match="stopped on request before the first step"), StopSignal() as stop:
        ask()
    with pytest.raises(Terminated, match="saved") as raised, StopSignal() as stop:
        stop.defer()
        assert not stop.requested
        ask()
        ask()
        check()
        assert stop.requested
        raise stop.exception("all is saved")
    assert raised.value.everywhere
    with pytest.raises(Terminated, match="stopped on request after all"), StopSignal() as stop:
        stop.defer()
        ask()
        stop.end_at_once("after all")


def test_a_second_signal_is_raised_where_the_process_is_not_a_commands_own():
    with pytest.raises(Terminated), StopSignal() as stop:
        stop.defer()
        ask()
        assert stop.requested
        time.sleep(0.3)
        ask()
        raise AssertionError("not reached")


def test_an_error_of_training_that_came_first_is_raised():
    with pytest.raises(OSError, match="full"), StopSignal() as stop:
        stop.defer()
        ask()
        raise OSError("the disk is full")


def test_another_thread_than_the_main_one_changes_nothing():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def enter():
        with StopSignal() as stop, stoppable("test"):
            seen.append((signal.getsignal(signal.SIGTERM), stop.requested))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [(before, False)]


@pytest.mark.filterwarnings("ignore:os.fork")
def test_a_forked_child_has_the_usual_handlers():
    with stoppable("test"):
        pid = os.fork()
        if not pid:
            ask()
            os._exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
        time.sleep(0.01)
        check()  # Nothing came to the parent.


SCRIPT = """
import os, signal, sys, time
from lena_jax.runtime import files, signals
signal.signal(signal.SIGINT, signal.default_int_handler)  # A process in the background ignores it.
signals.end_silently()
{body}
"""
# Raises whatever is asked of it: a body that goes on after the first signal.
STUBBORN = """
with signals.stoppable("test"):
    path = sys.argv[1]
    with files.unfinished(path):
        os.mkdir(path)
        write, said = os.write, "ready"
        os.write = lambda *what: (write(*what), time.sleep(0.3))  # Time for the other thread to say it as well.
        while True:
            try:
                print(said, flush=True)
                time.sleep(30)
            except KeyboardInterrupt:
                said = "once"
"""
AT_ONCE = """
with signals.stoppable("test"), signals.ended_at_once():
    print("ready", flush=True)
    try:
        time.sleep(30)
    finally:
        print("cleans up", flush=True)
"""
OUTSIDE = """
print("ready", flush=True)
time.sleep(30)
"""


def run(body, folder, *numbers):
    """(exit code, output, errors) of a process that gets the signals, each after it has said something."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(body=body), str(folder / "unfinished")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    said = ""
    for number in numbers:
        process.send_signal(number)
        if number is not numbers[-1]:
            said += process.stdout.readline()
            time.sleep(0.5)
    out, err = process.communicate(timeout=60)
    return process.returncode, said + out, err.strip()


@pytest.mark.parametrize(
    "body, numbers, expected",
    [
        (STUBBORN, (signal.SIGINT, signal.SIGTERM), (130, "once\n", "test: interrupted")),
        (AT_ONCE, (signal.SIGTERM,), (143, "", "test: terminated")),
        (OUTSIDE, (signal.SIGINT,), (-signal.SIGINT, "", "")),
    ],
    ids=["second", "at once", "outside"],
)
def test_ends_at_once_without_a_traceback(body, numbers, expected, tmp_path):
    assert run(body, tmp_path, *numbers) == expected
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_a_watch():
    threads = threading.active_count()
    hook = sys.unraisablehook
    with stoppable("test"), ended_at_once():
        assert threading.active_count() == threads + 1
    assert threading.active_count() == threads and sys.unraisablehook is hook
    assert signal.set_wakeup_fd(-1) == -1 and not signals._pipes
