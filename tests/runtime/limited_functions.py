"""What `test_limited.py` runs in a worker."""

import ctypes
import os
import time

from lena_jax.runtime import limited_worker


def prepare():
    pass


def backwards(data, memory):
    return {"size": len(data)}, [data[place : place + 100_000][::-1] for place in range(0, len(data), 100_000)][::-1]


class Odd(ValueError):
    pass


class Other(ValueError):
    pass


def refuse(data, memory, kind):
    raise {"Odd": Odd, "Other": Other}[kind](f"no good: {data.decode()}")


def fail(data, memory):
    return 1 / 0


def fill(data, memory, count):
    return len(bytearray(count)) == count, []


def say(data, memory, count):
    if memory is not None and memory < count:
        raise limited_worker.NeedsMore(count)
    return memory, []


def spin(data, memory):
    while True:
        pass


def spin_in_c(data, memory):
    return pow(3, 10**9, 10 ** (10**6)), []


def sleep(data, memory):
    time.sleep(20)
    return None, []


def crash(data, memory):
    ctypes.string_at(0)


def shout(data, memory):
    limited_worker.forget_said()
    os.write(2, b"a library in C says this")
    return limited_worker.said(), []


def process(data, memory):
    return os.getpid(), []
