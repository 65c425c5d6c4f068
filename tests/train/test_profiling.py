import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import pytest

from lena_jax.train import profiling


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """Run twelve steps with known operations, trace five of them, and time them with the clock of this process."""
    folder = tmp_path_factory.mktemp("profile")

    @jax.jit
    def step(x):
        return jnp.sort(x, axis=0) @ x / 300

    def stream():
        for number in range(12):
            time.sleep(0.02)
            yield number

    x, starts = jnp.ones((300, 300)), []
    with profiling.StepProfile(str(folder)) as profile:
        for _number in profile.watch(stream()):
            starts.append(time.perf_counter())
            x = step(x)
    assert len(starts) == 12
    return profile, starts[8] - starts[3]


def test_a_trace_names_operations_and_its_numbers_add_up(traced):
    profile, seconds = traced
    assert profile.steps == 5
    costs = profiling.read(profile.folder, profile.steps)
    names = [name for name, _ in costs.operations]
    assert any("sort" in name for name in names) and all(program for _, program in costs.operations)
    assert costs.compute + costs.waiting + costs.other == pytest.approx(costs.total)
    assert min(costs.compute, costs.waiting, costs.other) >= 0 and costs.compute > 0
    assert sum(costs.operations.values()) >= costs.compute * (1 - 1e-6)
    # What the stream slept, less what the device computed meanwhile; the clock here goes on while the trace is written.
    assert costs.waiting + costs.compute >= 0.09 and costs.waiting + costs.compute <= costs.total <= seconds
    assert list(costs.operations.values()) == sorted(costs.operations.values(), reverse=True)


def test_the_report_has_shares_of_the_whole(traced):
    text = traced[0].report()
    assert "mean per step (5 traced)" in text and "sort" in text and text.endswith(traced[0].folder)
    clock, operations = text.split("device time of")
    shares = [
        [float(line.split("%")[0].split()[-1]) for line in part.splitlines() if "%" in line]
        for part in (clock, operations)
    ]
    for whole, *parts in shares:
        assert whole == 100 and sum(parts) == pytest.approx(100, abs=0.6)


def test_where_warnings_are_errors_a_trace_is_read_all_the_same(traced):
    # In a process of its own: the reader's types are made once, and a warning raised there would abort.
    code = (
        "import sys, warnings; from lena_jax.train import profiling; warnings.simplefilter('error');"
        "print(profiling.read(sys.argv[1], 5).steps)"
    )
    done = subprocess.run([sys.executable, "-c", code, traced[0].folder], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr


def test_time_inside_another_operation_counts_once():
    own = profiling._own_times([(0, 100, "while"), (10, 40, "dot"), (50, 60, "dot"), (120, 130, "copy")])
    assert sorted(own) == [("copy", 10), ("dot", 10), ("dot", 30), ("while", 60)]
    assert profiling._union([(5, 8), (0, 3), (7, 12), (20, 30)], 1, 25) == [[1, 3], [5, 12], [20, 25]]


def test_what_cannot_be_read_is_one_line(tmp_path):
    profile = profiling.StepProfile(str(tmp_path))
    with profile:
        assert list(profile.watch(range(3))) == [0, 1, 2]
    assert profile.report() == "no profile: this call trained fewer than 4 steps" and not list(tmp_path.iterdir())
    profile.steps = 2
    assert "could not be summarized: no trace" in profile.report()
    (tmp_path / "vm.xplane.pb").write_bytes(b"\xff not a trace")
    text = profile.report()
    assert "could not be summarized" in text and len(text.splitlines()) == 1


def test_the_trace_ends_with_a_failure(tmp_path):
    with pytest.raises(KeyError), profiling.StepProfile(str(tmp_path)) as profile:
        for number in profile.watch(range(9)):
            if number == 4:
                raise KeyError(number)
    jax.profiler.start_trace(str(tmp_path / "next"))  # Raises where one is under way.
    jax.profiler.stop_trace()
    assert profile.steps == 2
