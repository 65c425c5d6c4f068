"""Scoring with Ray and two workers: if a worker or the driver is killed, every picture is still scored once."""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from scored_run import encode, scene

from lena_jax.cli.main import main
from lena_jax.scoring import blocks, ray_engine

# Not imported yet: it reads its environment then.
if not (importlib.util.find_spec("ray") and importlib.util.find_spec("pandas")):
    pytest.skip("Ray Data is not installed", allow_module_level=True)
psutil = pytest.importorskip("psutil")
parquet = pytest.importorskip("pyarrow.parquet")
# What Ray says of itself.
pytestmark = pytest.mark.filterwarnings(r"ignore:`use_\w+` is deprecated:DeprecationWarning:ray.data.context")

DRIVER = """
import sys
import tiny_trunk
from lena_jax import backbones
backbones.BACKBONES.update(tiny_trunk.tiny_trunks())
from lena_jax.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def cluster(run):
    """Address of a Ray cluster with two workers that this process has joined. Compiles fast and caches nothing."""
    tests = Path(__file__).parents[1]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("JAX_COMPILATION_CACHE_DIR", ""),
            ("JAX_DISABLE_MOST_OPTIMIZATIONS", "1"),
            ("PYTHONPATH", os.pathsep.join([str(tests), str(tests.parent)])),
            ("RAY_USAGE_STATS_ENABLED", "0"),
            ("RAY_BACKEND_LOG_LEVEL", "fatal"),
            ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0"),
        ):
            patch.setenv(name, value)
        ray = ray_engine._import_ray(None)
        with ray_engine._cluster(ray, None, 2, 0):
            address = ray.get_runtime_context().gcs_address
            # Nothing of it can be reached from another machine.
            ours = [psutil.Process(), *psutil.Process().children(recursive=True)]
            listening = [
                one.laddr.ip
                for process in ours
                for one in process.net_connections("inet")
                if one.status == psutil.CONN_LISTEN
            ]
            assert listening and set(listening) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, listening
            yield address


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    """48 large pictures, and small ones of every kind, one of them damaged."""
    folder = tmp_path_factory.mktemp("many")
    for path in (run.parent / "photos").iterdir():
        os.link(path, folder / path.name)
    for seed in range(48):
        (folder / f"large_{seed}.jpg").write_bytes(encode(scene(seed, (900, 700)), "JPEG", progressive=True))
    (folder / "damaged.png").write_bytes(b"\x89PNG")
    return folder


@pytest.fixture(scope="module")
def expected(scorer, folder):
    return {one.name: one for one in scorer.score(sorted(map(str, folder.iterdir())))}


def arguments(run, folder, output, workers):
    return [
        "score",
        str(folder),
        f"--model={run}",
        "--engine=ray",
        f"--workers={workers}",
        "--cpus_per_worker=1",
        "--block=4",
        f"--output={output}",
    ]


def files_of(output):
    return {path.name: path.stat().st_mtime_ns for path in Path(output).glob("part-*.parquet")}


def assert_whole(output, expected):
    rows = parquet.read_table(output).to_pylist()
    assert [row["name"] for row in rows] == sorted(expected)
    for row in rows:
        one = expected[row["name"]]
        assert row["error"] == one.error
        if one.error is None:
            np.testing.assert_allclose(row["score"], one.score, rtol=0, atol=1e-5, err_msg=row["name"])
            # Training scores may lie close together.
            np.testing.assert_allclose(row["percentile"], one.percentile, rtol=0, atol=0.01, err_msg=row["name"])
    assert (output / "_SUCCESS").exists() and not list(output.glob("*.unfinished"))


def writing(output):
    """{process: unfinished file} for the child processes that are scoring a block."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            for file in process.open_files():
                if file.path.startswith(f"{output}{os.sep}part-") and file.path.endswith(".unfinished"):
                    found[process] = file.path
    return found


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.005)
    return found


def test_a_killed_driver_and_a_killed_worker_lose_nothing_and_double_nothing(
    cluster, run, folder, expected, tmp_path, capsys
):
    output, killed = tmp_path / "scores", []
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, *arguments(run, folder, output, 1), f"--ray_address={cluster}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: len(files_of(output)) > 1 or driver.poll() is not None)
    finally:
        driver.kill()
        driver.wait()
    # Ray ends the workers of a driver that is gone.
    wait_for(lambda: not writing(output))
    before = files_of(output)
    assert 1 < len(before) < 16 and not (output / "_SUCCESS").exists()

    def kill():
        process, unfinished = wait_for(lambda: set(files_of(output)) > set(before) and writing(output)).popitem()
        process.send_signal(signal.SIGKILL)
        killed.append((Path(unfinished).name.split(".parquet.")[0] + ".parquet", set(files_of(output))))
        process.wait()

    # The next driver goes on where that one was; one of its two workers is killed.
    killer = threading.Thread(target=kill)
    killer.start()
    assert main(arguments(run, folder, output, 2)) == 1
    killer.join()
    after = files_of(output)
    # It was within a block that nobody had finished, and others were still to come.
    ((file, finished),) = killed
    assert file not in finished and len(finished) < len(after) - 2
    assert len(after) == 21 and {name: after[name] for name in before} == before
    assert_whole(output, expected)
    said = capsys.readouterr()
    assert f"finished: 83 rows in {output}" in said.out and "1 of 83 could not be read" in said.out
    assert "83 of 83" in said.err

    # Nothing is left to do, and nothing is done; another job is refused.
    assert main(arguments(run, folder, output, 2)) == 1 and files_of(output) == after
    (folder / "one_more.bmp").write_bytes(encode(scene(1), "BMP"))
    assert main(arguments(run, folder, output, 2)) == 2
    (folder / "one_more.bmp").unlink()
    assert "scores of another list of 83 pictures (got 84)" in capsys.readouterr().err and files_of(output) == after


def test_a_block_that_ends_its_workers_is_left_out(scorer, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PJRT_NPROC", "")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    monkeypatch.setattr(scorer, "threads", None)
    job = blocks.make_job([blocks.Paths((os.fsencode(folder / "large_0.jpg"),))], "m")
    actor = ray_engine.BlockActor(scorer, str(tmp_path), 3)
    assert os.environ["PJRT_NPROC"] == "3" and scorer.threads == 3
    rows = {"block": [ray_engine.pickle.dumps(job.blocks[0])]}
    for attempt in range(blocks.MOST_ATTEMPTS):
        (tmp_path / f"{job.blocks[0].file}.{attempt}.unfinished").write_bytes(b"")
    assert actor(rows) == {"pictures": [0]} and blocks.missing(str(tmp_path), job)
    with pytest.raises(OSError, match="1 of 1 blocks could not be scored, the first one from .*large_0.jpg"):
        ray_engine._check(job, blocks.missing(str(tmp_path), job))
    blocks.clear_attempts(str(tmp_path))
    assert actor(rows) == {"pictures": [1]} and not blocks.missing(str(tmp_path), job)


@pytest.mark.parametrize(
    "more, message",
    [
        (["--engine=ray"], "--engine=ray needs --output=FOLDER"),
        (["--workers=2"], "got --workers without --engine=ray"),
        (["--engine=ray", "--output=x", "--block=0"], "got --block=0, expected 1 or more"),
        (
            ["--engine=ray", "--output=x", "--ray_address=ray://a:1"],
            "got the Ray address 'ray://a:1', expected HOST:PORT",
        ),
        (["--engine=ray", "--output=x", "--ray_address=127.0.0.1:1"], "cannot reach the Ray cluster at '127.0.0.1:1'"),
    ],
)
def test_flags_that_do_not_fit_are_one_line(run, more, message, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    monkeypatch.chdir(tmp_path)
    assert main(["score", "a.png", f"--model={run}", *more]) == (1 if "cannot" in message else 2)
    assert message in capsys.readouterr().err and not os.listdir()


def test_a_missing_ray_is_said_with_the_remedy(scorer, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"needs Ray Data .*: pip install 'lena-jax\[ray\]'"):
        ray_engine.score(scorer, ["a.png"], str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()
