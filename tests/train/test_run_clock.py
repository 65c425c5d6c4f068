import json
import time

import pytest

from lena_jax.runs.folder import read_timing, versions
from lena_jax.train.log import RunClock


def test_a_run_says_how_long_it_took_and_on_what(trained):
    timing = read_timing(str(trained[0]))
    assert timing["pictures"] == 12 * 16 and timing["devices"] == 2 and timing["device_kind"] == "cpu"
    assert timing["seconds"] > 0 and timing["pictures_per_second"] > 0
    assert timing["versions"] == versions() and set(timing["versions"]) == {"jax", "flax", "optax", "lena_jax"}
    assert "per_second" not in (trained[0] / "metrics.jsonl").read_text()


def test_the_starts_of_a_run_add_up(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    first = RunClock(str(tmp_path), 0, 2)
    first.add(60)
    now[0] += 2
    assert first.lap() == 30
    first.add(10)
    now[0] += 1
    first.write()
    again = RunClock(str(tmp_path), 7, 2)
    again.add(20)
    now[0] += 4
    assert again.lap() == 5
    again.write()
    timing = json.loads((tmp_path / "timing.json").read_text())
    assert timing["pictures"] == 90 and timing["seconds"] == 7 and timing["pictures_per_second"] == 5
    fresh = RunClock(str(tmp_path), 0, 1)
    now[0] += 1
    assert fresh.lap() is None  # No step: a solved head.
    fresh.write()
    timing = read_timing(str(tmp_path))
    assert timing["pictures"] == 0 and timing["seconds"] == pytest.approx(1) and timing["pictures_per_second"] is None
