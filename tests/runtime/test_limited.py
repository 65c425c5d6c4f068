"""Work in processes with limits: answers, refusals, and what becomes of a function that wants too much."""

import concurrent.futures
import os
import signal
import subprocess
import sys
import time

import pytest

from lena_jax.runtime import limited

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(autouse=True)
def _functions(monkeypatch):
    """Workers find `limited_functions` where this process does."""
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.setattr(limited, "_POOLS", {})
    yield
    for pool in limited._POOLS.values():
        pool.close()


def call(name, data=b"", cpu=20.0, size=None, need=0, **options):
    size = len(data) if size is None else size
    with limited.called(
        f"limited_functions:{name}", data, size=size, cpu=cpu, errors={"Odd": Odd}, options=options, need=need
    ) as answer:
        return answer.known, b"".join(answer.parts)


class Odd(ValueError):
    pass


def workers():
    return [worker._process.pid for pool in limited._POOLS.values() for worker in pool._idle]


@pytest.mark.parametrize("size", [0, 1, 1000, 9 << 20])
def test_bytes_go_there_and_come_back(size):
    data = os.urandom(size)
    for _ in range(2):
        assert call("backwards", data) == ({"size": size}, data[::-1])
    assert len(workers()) == 1
    assert call("backwards", lambda: data, size=size)[1] == data[::-1]


def test_errors_are_those_of_the_caller():
    with pytest.raises(Odd, match="no good: abc"):
        call("refuse", b"abc", kind="Odd")
    with pytest.raises(ValueError, match="no good") as caught:
        call("refuse", b"abc", kind="Other")
    assert type(caught.value) is ValueError
    with pytest.raises(RuntimeError, match="ZeroDivisionError: division by zero"):
        call("fail")
    assert len(workers()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not keep the limit")
def test_memory_is_limited_and_granted_again_in_full(monkeypatch):
    assert call("fill", count=100 << 20)[0] is True
    with pytest.raises(limited.Exceeded, match="needs more than 1,000 MB of memory"):
        call("fill", count=2 << 30)
    # One that knows what it needs is called again with that.
    assert call("say", count=500 << 20)[0] == 500 << 20 and call("say", count=5 << 30)[0] is None
    # The next one is not granted what another was.
    assert call("fill", count=1)[0] is True


@pytest.mark.parametrize("name", ["spin", "spin_in_c", "sleep"])
def test_time_is_limited_whatever_runs(name, monkeypatch):
    monkeypatch.setattr(limited, "_PATIENCE", 2)
    started = time.monotonic()
    with pytest.raises(limited.Exceeded, match=r"takes more than 0\.3 s of processor time"):
        call(name, cpu=0.3)
    assert time.monotonic() - started < 30
    assert call("backwards", b"ab")[1] == b"ba"


def test_a_crash_is_tried_again_alone_and_then_a_reason():
    with pytest.raises(limited.Exceeded, match="SIGSEGV"):
        call("crash")
    assert call("backwards", b"ab")[1] == b"ba"


def test_what_libraries_say_is_not_shown(capfd):
    assert call("shout")[0] == "a library in C says this"
    assert capfd.readouterr() == ("", "")


def test_requests_share_the_memory_in_the_order_of_asking():
    memory, order = limited._Memory(), []

    def ask(number, count):
        with memory.granted(count):
            order.append(number)

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        with memory.granted(limited.MEMORY // 2):
            large = pool.submit(ask, 1, limited.MEMORY)
            while len(memory._waiting) < 1:
                time.sleep(0.001)
            small = pool.submit(ask, 2, 1)
            while len(memory._waiting) < 2:
                time.sleep(0.001)
            assert not order
        large.result(), small.result()
    assert order == [1, 2] and memory._free == limited.MEMORY


def test_threads_have_workers_of_their_own():
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: call("backwards", b"ab%d" % number)[1], range(40)))
    assert answers == [(b"ab%d" % number)[::-1] for number in range(40)]
    assert 1 <= len(workers()) <= min(limited.WORKERS, limited._cores())


PROGRAM = """
import os, signal, sys, threading
from lena_jax.runtime import limited
def call(name):
    with limited.called("limited_functions:" + name, b"", size=0, cpu=50, errors={}, options={}) as answer:
        return answer.known
print(call("process"), flush=True)
threading.Timer(0.5, lambda: print("busy", flush=True)).start()
call("sleep")
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(number):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([HERE, os.path.dirname(os.path.dirname(HERE))])}
    program = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, start_new_session=True
    ) as process:
        worker = int(process.stdout.readline())
        assert process.stdout.readline() == b"busy\n"
        os.killpg(process.pid, number)
    for _ in range(500):
        if not os.path.exists(f"/proc/{worker}"):
            return
        time.sleep(0.02)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker lives on")


FORKED = """
import os
from lena_jax.runtime import limited
def process():
    with limited.called("limited_functions:process", b"", size=0, cpu=50, errors={}, options={}) as answer:
        return answer.known
worker = process()
child = os.fork()
if not child:
    os._exit(process() == worker)
print(os.waitpid(child, 0)[1], process() == worker)
"""


def test_a_forked_child_has_workers_of_its_own():
    # In a process of its own: JAX warns of forks.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([HERE, os.path.dirname(os.path.dirname(HERE))])}
    assert subprocess.check_output([sys.executable, "-c", FORKED], env=environment) == b"0 True\n"
