import os
import signal
import threading

import pytest

from lena_jax.runtime.signals import Stopped, StopSignal


def ask():
    os.kill(os.getpid(), signal.SIGTERM)


def test_before_it_is_deferred_the_signal_ends_the_process_well(capsys):
    with pytest.raises(Stopped) as stopped, StopSignal():
        ask()
    assert stopped.value.code == 0 and not stopped.value.everywhere
    assert "before the first step" in capsys.readouterr().err


def test_once_deferred_it_is_only_noted_however_often():
    with StopSignal() as stop:
        stop.defer()
        assert not stop.requested
        ask()
        ask()
        assert stop.requested


def test_the_handler_before_is_put_back_even_after_an_error():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyError), StopSignal():
        assert signal.getsignal(signal.SIGTERM) != before
        raise KeyError
    assert signal.getsignal(signal.SIGTERM) == before


def test_another_thread_than_the_main_one_changes_nothing():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def enter():
        with StopSignal() as stop:
            seen.append((signal.getsignal(signal.SIGTERM), stop.requested))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [(before, False)]


def test_after_the_last_step_it_ends_at_once_again(capsys):
    with pytest.raises(Stopped), StopSignal() as stop:
        stop.defer()
        stop.end_at_once("everything is saved")
        ask()
    assert capsys.readouterr().err == "everything is saved\n"
