"""Training that is killed, asked to stop, run out of disk or given damaged files: it goes on, and exactly."""

import json
import os
import re
import shutil
import signal
import socket
import time

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from lena_jax.runs import checkpoints
from lena_jax.runs.load import load_ranker

KILL, TERM, STOP = signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP
# BatchNorm by the batch's statistics, an average, and files of decoded pictures; or feature maps and early stopping.
WHOLE = {
    "backbone.name": "tiny_norm",
    "backbone.batch_norm": "train",
    "average_decay": 0.9,
    "pooling": "average",
    "steps": 64,
    "eval_every": 2,
}
FROZEN = {
    "backbone.frozen": True,
    "augmentation.views": 2,
    "stop_after": 3,
    "steps": 60,
    "average_decay": 0.5,
    # LENA takes longer to trace than all else here; test_loop.py goes on with it.
    "pooling": "average",
}


pytestmark = pytest.mark.usefixtures("tiny_trunks")


@pytest.fixture(scope="module")
def uninterrupted(trainings, planted_dir, tmp_path_factory):
    """A function: config -> folder of a run of it that nothing disturbed."""
    done = {}

    def run(config):
        key = json.dumps(config)
        if key not in done:
            workdir = tmp_path_factory.mktemp("uninterrupted")
            ended = trainings.run(config=config | {"data.dir": planted_dir}, workdir=workdir)
            assert ended["code"] == 0, ended["err"]
            done[key] = workdir
        return done[key]

    return run


@pytest.fixture
def own_data(planted_dir, tmp_path):
    """Copy the dataset without the files that other runs left there."""
    shutil.copytree(planted_dir / "planted", tmp_path / "data/planted")
    return tmp_path / "data"


def same(workdir, expected):
    """Whether two runs logged and ended the same, to the last bit; but for the time that things took."""
    rows, expected_rows = (
        [
            {
                name: value
                for name, value in json.loads(line).items()
                if name in ("step", "loss", "pair_accuracy", "gradient_norm", "validation_pair_accuracy")
            }
            for line in (folder / "metrics.jsonl").read_text().splitlines()
        ]
        for folder in (workdir, expected)
    )
    assert rows == expected_rows
    ends = []
    for folder in (workdir, expected):
        manager = checkpoints.open_checkpoints(folder, read_only=True)
        step = manager.latest_step()
        ends.append(
            (
                step,
                checkpoints.restore_run(manager, step)["history"],
                load_ranker(str(folder))[1],
                manager.restore(step, args=ocp.args.Composite(training=ocp.args.StandardRestore()))["training"],
            )
        )
        manager.close()
    (step, history, *trees), (expected_step, expected_history, *expected_trees) = ends
    assert (step, history) == (expected_step, expected_history)
    jax.tree.map(np.testing.assert_array_equal, trees, expected_trees)
    return [row for row in rows if "loss" in row]


def error_lines(printed):
    return [line for line in printed.splitlines() if line.startswith("error: ")]


def test_killed_at_random_moments_it_ends_the_same(trainings, uninterrupted, own_data, tmp_path):
    expected = uninterrupted(WHOLE)
    config, workdir = WHOLE | {"data.dir": own_data}, tmp_path / "run"
    rng = np.random.default_rng(0)
    # While the file of pictures is written, between steps, inside of saving, and anywhere from the very start on.
    kills = ["caching", "step", *rng.permutation(["start"] * 4 + ["step"] * 2 + ["saving"] * 5)]
    latest = {"caching": (1, 0.1), "step": (3, 0.02), "saving": (2, 0.1)}
    came_to = []
    for point in kills:
        count, seconds = latest[point]
        # The second one keeps a machine that is busy for a moment from getting far; the earlier of the two counts.
        send = [(KILL, str(point), count, seconds * rng.random()), (KILL, "saving", 3, 0)]
        ended = trainings.run(config=config, workdir=workdir, send=send)
        assert ended["code"] == -KILL, ended["err"]
        came_to.append(ended["points"][-2][0])
        if any(name == "step" for name, _ in ended["points"]):
            latest["start"] = 1, 1.2 * dict(reversed(ended["points"]))["step"]
    ended = trainings.run(config=config, workdir=workdir)
    assert ended["code"] == 0, ended["err"]
    print(f"killed {len(came_to)} times after", {point: came_to.count(point) for point in came_to})
    assert len(same(workdir, expected)) == 64
    # It was not one long run with a few short ones before it.
    assert len(came_to) == 13 and came_to.count("saving") >= 3
    assert sum(name == "step" for name, _ in ended["points"]) < 64


def test_killed_with_a_frozen_backbone_and_early_stopping(trainings, uninterrupted, own_data, tmp_path):
    expected = uninterrupted(FROZEN)
    config, workdir = FROZEN | {"data.dir": own_data}, tmp_path / "run"
    for point, count, seconds in (
        ("caching", 1, 0.01),
        ("caching", 2, 0.01),
        ("saving", 1, 0.01),
        ("saving", 2, 0.04),
        ("saved", 1, 0.0),
    ):
        ended = trainings.run(config=config, workdir=workdir, send=[(KILL, point, count, seconds)])
        assert ended["code"] == -KILL, ended["err"]
    assert trainings.run(config=config, workdir=workdir)["code"] == 0
    steps = [row["step"] for row in same(workdir, expected)]
    assert steps == list(range(1, steps[-1] + 1)) and 16 <= steps[-1] < 60  # Stopped early,
    ended = trainings.run(config=config, workdir=workdir)
    assert ended["code"] == 0 and "step" not in dict(ended["points"])  # and for good.


def test_sigterm_saves_and_ends_well_and_before_the_first_step_leaves_nothing(
    trainings, uninterrupted, own_data, tmp_path
):
    expected = uninterrupted(FROZEN)
    config, workdir = FROZEN | {"data.dir": own_data}, tmp_path / "run"
    ended = trainings.run(config=config, workdir=workdir, send=[(TERM, "caching", 1, 0)])
    assert ended["code"] == 143 and "terminated: stopped on request before the first step" in ended["err"]
    assert "Traceback" not in ended["err"]
    assert sorted(path.name for path in workdir.iterdir()) == [".lock"]
    assert not list((own_data / "features").iterdir())
    ended = trainings.run(config=config, workdir=workdir, send=[(TERM, "step", 6, 0)])
    came, end = [seconds for name, seconds in ended["points"] if name == "step"][5], ended["points"][-1][1]
    assert ended["code"] == 143 and end - came < 30, ended["err"]
    step = int(re.search(r"stopped on request after step (\d+), which is saved", ended["err"] + ended["out"])[1])
    assert 6 <= step < 16 and (workdir / f"checkpoints/{step}").is_dir() and "trained" not in ended["out"]
    assert trainings.run(config=config, workdir=workdir)["code"] == 0
    same(workdir, expected)


def test_a_full_disk_is_one_line_and_the_checkpoint_before_is_kept(trainings, uninterrupted, own_data, tmp_path):
    expected = uninterrupted(FROZEN)
    config, workdir = FROZEN | {"data.dir": own_data}, tmp_path / "run"
    ended = trainings.run(config=config, workdir=workdir, limit=("caching", 1, 1000))
    assert ended["code"] == 1 and len(error_lines(ended["err"])) == 1 and "Traceback" not in ended["err"]
    assert "backbone features, train, in" in ended["err"] and "too large" in ended["err"].lower()
    assert not list((own_data / "features").iterdir())
    for count in (2, 1):  # Of this start; both are the checkpoint of step 8.
        # The second time not even a name can be written.
        ended = trainings.run(config=config, workdir=workdir, limit=("saving", count, 2000 * (count - 1)))
        assert ended["code"] == 1, ended["err"]
        assert [path.name for path in (workdir / "checkpoints").iterdir() if path.name.isdigit()] == ["4"]
        assert error_lines(ended["err"]) == ended["err"].splitlines()[-1:], ended["err"]
        assert "Traceback" not in ended["err"], ended["err"]
        assert re.search(
            r"the checkpoint of step 8 could not be written into .*: .*File too large; the newest "
            "checkpoint is of step 4",
            error_lines(ended["err"])[0],
        ), ended["err"]
    assert trainings.run(config=config, workdir=workdir)["code"] == 0
    same(workdir, expected)


def damage_bit(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_after_damage_it_goes_on_from_the_one_before_and_says_so(trainings, uninterrupted, planted_dir, tmp_path):
    expected = uninterrupted(FROZEN)
    workdir = tmp_path / "run"
    shutil.copytree(expected, workdir)
    newest = checkpoints.open_checkpoints(workdir, read_only=True).latest_step()

    def again(message, log=""):
        with open(workdir / "metrics.jsonl", "a") as file:
            file.write(log)
        ended = trainings.run(config=FROZEN | {"data.dir": planted_dir}, workdir=workdir)
        assert ended["code"] == 0 and message in ended["out"] and bool(message) == ("damaged" in ended["out"]), ended
        same(workdir, expected)
        return sum(name == "step" for name, _ in ended["points"])

    files = [path for path in (workdir / f"checkpoints/{newest}").rglob("*") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    damage_bit(largest)
    assert again(f"the checkpoint of step {newest} is damaged and was moved") == 4
    # The next checkpoint of that step is sound, though another of its number was not: nothing is left to do.
    assert again("") == 0
    # Deleted by hand; the log ends in half a line and garbage, and the list of digests is cut in half.
    shutil.rmtree(workdir / f"checkpoints/{newest}")
    digests = (workdir / "checkpoint_digests.json").read_text()
    (workdir / "checkpoint_digests.json").write_text(digests[: len(digests) // 2])
    assert again("", log='nonsense\n[1]\n\x00\n{"step": 4, "lo') == 4
    assert str(newest) in json.loads((workdir / "checkpoint_digests.json").read_text())
    (workdir / "checkpoint_digests.json").unlink()
    shutil.rmtree(workdir / f"checkpoints/{newest}")
    assert again("") == 4
    (largest if largest.exists() else next((workdir / f"checkpoints/{newest}").rglob("_METADATA"))).unlink()
    assert again(f"the checkpoint of step {newest} is damaged and was moved") == 4


def test_of_two_in_one_folder_the_second_is_refused_until_the_first_is_killed(trainings, planted_dir, tmp_path):
    config = FROZEN | {"data.dir": planted_dir, "steps": 8}
    first = trainings.start(config=config, workdir=tmp_path, send=[(STOP, "step", 2, 0), (KILL, "step", 2, 20)])
    while not (tmp_path / "metrics.jsonl").exists():
        time.sleep(0.05)
    second = trainings.run(config=config, workdir=tmp_path)
    assert second["code"] == 2 and len(error_lines(second["err"])) == 1
    pid = int(re.search(r"is in use by process (\d+) on " + re.escape(socket.gethostname()), second["err"])[1])
    os.kill(pid, KILL)
    assert trainings.wait(first)["code"] == -KILL
    third = trainings.run(config=config, workdir=tmp_path)
    assert third["code"] == 0, third["err"]
