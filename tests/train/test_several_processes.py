"""Two processes of two CPU devices each train one model, and give what one process gives."""

import json
import re
import shutil
import signal
import socket

import jax
import numpy as np
import pair_data
import pytest
import red_maps

from lena_jax.runs import checkpoints
from lena_jax.runs.load import load_ranker
from lena_jax.runtime import distributed
from lena_jax.runtime.distributed import joined

pytestmark = pytest.mark.usefixtures("tiny_trunks")
HEARTBEAT = 10  # Seconds; shorter than usual, so that the test waits less for a process that was killed.
# One after another in the same processes: starting those costs more than the runs.
CONFIGS = {
    "given": {"data.name": "judged", "accumulate": 2, "fusion": "gate"},
    "norm": {"backbone.name": "tiny_norm", "backbone.batch_norm": "train"},
    "frozen": {
        "backbone.frozen": True,
        "augmentation.views": 2,
        "average_decay": 0.9,
        "pooling": "lena",
        "pairs.mode": "random",
        "fusion": "concat",
    },
}


@pytest.fixture(scope="module")
def data_dir(planted_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")
    shutil.copytree(planted_dir / "planted", folder / "planted")
    pair_data.build(
        folder,
        {
            "train": pair_data.some_pairs(0, 30),
            "validation": pair_data.some_pairs(30, 7),
            "test": pair_data.some_pairs(40, 4),
        },
    )
    red_maps.add("planted", folder)
    red_maps.add("judged", folder)
    return folder


@pytest.fixture(scope="module")
def runs(data_dir, tmp_path_factory):
    """A function: (prefix of the folders' name) -> {folder: config}."""
    folder = tmp_path_factory.mktemp("runs")
    # AdamW would blow up what is rounding alone: the bias of the scores has no gradient.
    common = {
        "data.dir": str(data_dir),
        "steps": 8,
        "eval_every": 4,
        "batch_size": 8,
        "pooling": "average",
        "optimizer.name": "sgd",
        "optimizer.learning_rate": 0.1,
    }
    return lambda prefix, names=tuple(CONFIGS): {folder / f"{prefix}_{name}": common | CONFIGS[name] for name in names}


def together():
    """The flags of two processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [{"coordinator": f"127.0.0.1:{port}", "num_processes": 2, "process_id": index} for index in range(2)]


def without_last_checkpoint(folder, target):
    shutil.copytree(folder, target)
    shutil.rmtree(target / "checkpoints/8")


def losses_of(ended):
    assert ended["code"] == 0, ended["err"]
    return list(json.loads(ended["out"].splitlines()[-1]).values())


@pytest.fixture(scope="module")
def of_two(trainings, runs):
    numbers = [trainings.start(runs=runs("two"), devices=2, **flags) for flags in together()]
    ended = [trainings.wait(number) for number in numbers]
    assert "%|" not in ended[1]["err"] and ended[1]["err"].count("training") == 0, ended[1]["err"]
    return [losses_of(one) for one in ended]


@pytest.fixture(scope="module")
def of_four_devices(trainings, runs):
    """The losses of one process with as many devices as two have together; it trains each config, too."""
    return losses_of(trainings.run(runs=runs("one"), devices=4))


def assert_equal_ends(folder, expected):
    """Final variables and the history, validation accuracy included, to rounding."""
    ends = []
    for one in (folder, expected):
        manager = checkpoints.open_checkpoints(one, read_only=True)
        ends.append((load_ranker(str(one))[1], checkpoints.restore_run(manager, 8)["history"]))
        manager.close()
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, atol=1e-5), *ends)
    assert ends[0][1][-1]["pair_accuracy"] is not None


def test_the_losses_and_variables_are_those_of_one_process(trainings, runs, of_two, of_four_devices):
    first, second = of_two
    assert first == second
    of_one_device = losses_of(trainings.run(runs=runs("single", ("norm",)), devices=1))
    for author, names, expected in (
        ("one", tuple(CONFIGS), of_four_devices),
        ("single", ("norm",), of_one_device),
    ):
        of_these = [losses for name, losses in zip(CONFIGS, first, strict=True) if name in names]
        for name, folder, one, other in zip(names, runs(author, names), of_these, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5, err_msg=f"{name}, {author}")
            assert len(set(one)) == 8
            assert_equal_ends(folder.with_name(f"two_{name}"), folder)


def test_two_go_on_from_what_two_or_one_have_saved_and_one_from_what_two_have(trainings, runs, of_two, of_four_devices):
    whole, by_one = (losses[list(CONFIGS).index("norm")] for losses in (of_two[0], of_four_devices))
    folders = {}
    for author in ("two", "one"):
        ((folder, config),) = runs(author, ("norm",)).items()
        without_last_checkpoint(folder, folder.with_name(f"of_{author}"))
        folders[folder.with_name(f"of_{author}")] = config
    without_last_checkpoint(folder.with_name("two_norm"), folder.with_name("for_one"))
    numbers = [trainings.start(runs=folders, devices=2, **flags) for flags in together()]
    of_two_again, of_one_again = losses_of(trainings.wait(numbers[0]))
    trainings.wait(numbers[1])
    assert of_two_again == whole[4:]
    np.testing.assert_allclose(of_one_again, by_one[4:], atol=1e-5)
    assert_equal_ends(folder.with_name("of_one"), folder)
    alone = trainings.run(runs={folder.with_name("for_one"): config}, devices=4)
    np.testing.assert_allclose(losses_of(alone)[0], whole[4:], atol=1e-5)


def test_sigterm_to_one_stops_both_and_both_go_on(trainings, runs, tmp_path):
    ((_, config),) = runs("", ("norm",)).items()
    config |= {"steps": 400, "eval_every": 400, "log_every": 2}
    both = together()
    numbers = [
        trainings.start(
            config=config,
            devices=2,
            workdir=tmp_path,
            **flags,
            send=[(signal.SIGTERM, "step", 3, 0)] if flags["process_id"] else [],
        )
        for flags in both
    ]
    ended = [trainings.wait(number) for number in numbers]
    assert [one["code"] for one in ended] == [143, 143], ended
    said = re.search(r"stopped on request after step (\d+), which is saved", ended[0]["err"] + ended[0]["out"])
    step = int(said[1])
    assert 3 <= step < 100 and step % 2 == 0
    assert [sum(name == "step" for name, _ in one["points"]) for one in ended] == [step, step]
    assert (tmp_path / f"checkpoints/{step}").is_dir()
    # Again, and now one of them is killed: the other one ends with an error, and soon.
    both = together()
    numbers = [
        trainings.start(
            config=config,
            devices=2,
            workdir=tmp_path,
            heartbeat=HEARTBEAT,
            **flags,
            send=[(signal.SIGKILL, "step", 7, 0)] if flags["process_id"] else [],
        )
        for flags in both
    ]
    ended = [trainings.wait(number) for number in numbers]
    assert ended[1]["code"] == -9 and ended[0]["code"] not in (0, -9)
    assert ended[0]["points"][-1][1] - ended[1]["points"][-1][1] < HEARTBEAT + 15
    assert "lost another process" in ended[0]["err"] or "another task died" in ended[0]["err"]
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows[step // 2 - 1]["step"] == step and rows[-1]["step"] >= step + 4


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"coordinator": "here:1"}, "got no --num_processes and no --process_id"),
        ({"num_processes": 2, "process_id": 1}, "got no --coordinator"),
        ({"coordinator": "here:1", "num_processes": 2, "process_id": 2}, r"must be in \[0, 2\), .* got 2"),
        ({"coordinator": "here", "num_processes": 2, "process_id": 1}, "must be HOST:PORT .* got 'here'"),
        ({"distributed": True, "process_id": 1}, "got --distributed, .* together with --process_id"),
        ({"distributed": True}, "--distributed finds no cluster"),
    ],
)
def test_flags_that_do_not_fit_are_one_line(trainings, tmp_path, flags, message):
    ended = trainings.run(workdir=tmp_path / "run", **flags)
    assert ended["code"] == 2 and re.match(f"error: .*{message}.*\n$", ended["err"]), ended["err"]
    assert not (tmp_path / "run").exists()


def test_a_first_process_that_does_not_come_is_an_error(monkeypatch):
    monkeypatch.setattr(distributed, "START_SECONDS", 0)
    with pytest.raises(OSError, match="first process did not answer at 127.0.0.1:.* for 0 seconds"):
        with joined(together()[0]["coordinator"], 2, 1, False, explain=None):
            pass


def test_an_error_of_both_is_said_by_both_and_ends_them(trainings, runs, tmp_path):
    ((_, config),) = runs("", ("given",)).items()
    numbers = [
        trainings.start(config=config | {"batch_size": 6}, devices=2, workdir=tmp_path / "run", **flags)
        for flags in together()
    ]
    for number in numbers:
        ended = trainings.wait(number)
        assert ended["code"] == 2 and "batch_size=6, 4 devices" in ended["err"]
        assert ended["points"][-1][1] < 30
    assert not (tmp_path / "run").exists()
