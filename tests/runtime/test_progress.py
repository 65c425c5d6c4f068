"""Bars on a terminal, plain lines elsewhere."""

import io
import sys

import pytest

from lena_jax.runtime import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def written(monkeypatch):
    """What is written to standard error, with a clock on which every reading is a second later."""

    def start(stream=None):
        stream = io.StringIO() if stream is None else stream
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    ticks = iter(range(10**6))
    monkeypatch.setattr(progress.std, "time", lambda: float(next(ticks)))
    return start


def test_a_log_gets_lines_at_least_ten_seconds_apart(written):
    stream = written()
    assert list(progress.counted(range(40), "scoring")) == list(range(40))
    lines = stream.getvalue().splitlines()
    assert "\r" not in stream.getvalue() and all(line.startswith("scoring: ") for line in lines)
    assert 2 < len(lines) < 40 and "left" in lines[0] and lines[-1].startswith("scoring: 40 of 40 pictures, ")


def test_the_last_line_is_not_said_twice(written, monkeypatch):
    stream = written()
    monkeypatch.setattr(progress, "EVERY", 0)
    list(progress.counted(range(3), "scoring"))
    said = [line.split(",")[0] for line in stream.getvalue().splitlines()]
    assert said[-1] == "scoring: 3 of 3 pictures" and said.count(said[-1]) == 1


def test_counting_by_hand_goes_on_where_it_was(written):
    stream = written()
    with progress.counted(what="runs", total=5, done=3, unit="runs") as bar:
        bar.set_postfix_str("seed_1", refresh=False)
        bar.write("a word")
        bar.update()
    assert stream.getvalue().splitlines()[-1].startswith("runs: 4 of 5 runs, ")
    assert stream.getvalue().splitlines()[-1].endswith(", seed_1")


def test_without_a_total_it_counts(written):
    stream = written()
    list(progress.counted((one for one in range(3)), "reading"))
    assert stream.getvalue().startswith("reading: 3 pictures, ")


def test_a_terminal_gets_a_bar(written):
    stream = written(Terminal())
    list(progress.counted(range(3), "scoring"))
    assert "\r" in stream.getvalue() and "100%" in stream.getvalue()


def test_quiet_says_nothing(written):
    stream = written()
    assert sum(progress.counted(range(3), quiet=True)) == 3
    assert stream.getvalue() == ""
