"""Functions of a single process; tests/train/test_several_processes.py has the tests with several."""

import numpy as np
import pytest

from lena_jax.runtime import distributed


@pytest.mark.parametrize("length", [0, 1, 7])
def test_one_process_has_it_all(length):
    assert (distributed.index(), distributed.count()) == (0, 1)
    np.testing.assert_array_equal(distributed.share_of(length), np.arange(length))
    rows = np.random.default_rng(0).normal(size=(length, 2))
    np.testing.assert_array_equal(distributed.gather(rows, length), rows)
    assert distributed.any_of(True) is True and distributed.any_of(False) is False


@pytest.mark.parametrize("length, count", [(7, 3), (2, 4), (0, 2), (6, 2)])
def test_shares_are_equal_or_one_smaller_and_are_put_together_in_order(monkeypatch, length, count):
    rows = np.random.default_rng(0).normal(size=(length, 2)).astype(np.float32)
    monkeypatch.setattr(distributed, "count", lambda: count)
    shares = []
    for index in range(count):
        monkeypatch.setattr(distributed, "index", lambda index=index: index)
        shares.append(distributed.share_of(length))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    sent = []

    def allgather(padded):
        sent.append(padded)
        return np.stack(sent + [padded] * (count - len(sent)))

    monkeypatch.setattr(distributed.multihost_utils, "process_allgather", allgather)
    # Each process sends its share. Only the last call here has received all of them.
    gathered = [distributed.gather(rows[share], length) for share in shares]
    np.testing.assert_array_equal(gathered[-1], rows)
    assert len({part.shape for part in sent}) == 1


def test_the_body_runs_once_in_the_only_process():
    done = []
    with distributed.first_goes_first("name"):
        done.append(1)
    distributed.wait_for_all("name")
    assert done == [1]
