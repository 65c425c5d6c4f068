"""Calls ahead: in order, a bounded number of them, errors at their item, none left behind."""

import threading
import time

import pytest

from lena_jax.runtime.ahead import ahead


def test_results_come_in_order_whatever_takes_longer():
    def slow(number):
        time.sleep(0.01 * (number % 3 == 0))
        return number**2

    assert list(ahead(slow, range(20))) == [(number, number**2) for number in range(20)]
    assert list(ahead(slow, [])) == []


def test_only_a_few_are_taken_before_they_are_asked_for():
    taken = []

    def items():
        for number in range(1000):
            taken.append(number)
            yield number

    found = ahead(lambda number: number, items())
    assert next(found) == (0, 0) and len(taken) < 200
    found.close()
    assert len(taken) < 200


def test_an_error_comes_at_its_item_and_ends_it():
    def picky(number):
        if number == 3:
            raise ValueError("three")
        return number

    before = set(threading.enumerate())  # Also of other tests' executors.
    found = ahead(picky, range(100))
    assert [next(found) for _ in range(3)] == [(0, 0), (1, 1), (2, 2)]
    with pytest.raises(ValueError, match="three"):
        next(found)
    left = set(threading.enumerate()) - before
    assert not [one for one in left if one.name.startswith("ThreadPoolExecutor") and one.is_alive()]
