"""`python -m data_prep`: what it prints, the code it exits with, and that bad input leaves nothing behind."""

import json
import subprocess
import sys

import pytest
from absl import logging

from data_prep.command import main
from data_prep.image_scores.command import clean_name
from lena_jax.data import pictures


@pytest.fixture(autouse=True)
def keep_log_level():
    """The command quietens the process's log; the other tests keep theirs."""
    level = logging.get_verbosity()
    yield
    logging.set_verbosity(level)


@pytest.fixture
def run(tmp_path, folder, capfd):
    """Runs `build image_scores` on `folder`; returns exit code, stdout and stderr."""

    def run(csv, *options, images=folder):
        arguments = [f"--images={images}", f"--csv={csv}", f"--data_dir={tmp_path / 'data'}", *options]
        if not any(option.startswith("--score") for option in options):
            arguments.append("--score=score")
        code = main(["build", "image_scores", *arguments])
        return code, *capfd.readouterr()

    return run


def test_builds_and_says_what_came_of_it(run, scores_csv, tmp_path):
    code, out, err = run(scores_csv)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "built image_scores/holiday_photos: 6 train"
    assert lines[1].split() == ["in", str(tmp_path / "data" / "image_scores" / "holiday_photos" / "2.0.0")]
    assert "python experiments/train.py" in lines[2]
    assert f"--config.data.name=image_scores/holiday_photos --config.data.dir={tmp_path / 'data'}" in lines[2]
    assert "train: 6 of 6 pictures" in err and "Shuffling" not in err and "Generating" not in err
    code, out, _ = run(scores_csv)
    assert code == 0 and out.startswith("already there, made from the same input: image_scores/holiday_photos")


def test_other_input_under_the_same_name(run, scores_csv, write_csv):
    assert run(scores_csv)[0] == 0
    other = write_csv(["image", "score"], ["0.jpg", 5], ["1.jpg", 6])
    code, _, err = run(other)
    assert code == 2 and "--overwrite" in err
    code, out, _ = run(other, "--overwrite")
    assert code == 0 and "2 train" in out
    code, out, _ = run(scores_csv, "--name=second")
    assert code == 0 and "image_scores/second" in out


def test_skipping_says_what_was_left_out(run, write_csv):
    csv = write_csv(["image", "score"], ["0.jpg", 1], ["1.jpg", 2], ["gone.jpg", 3], ["2.jpg", ""])
    code, out, _ = run(csv, "--on-bad-image=skip")
    assert code == 0
    assert "left out 1 of 4 rows: no score" in out
    assert "left out 1 of 4 rows: bad picture" in out and "gone.jpg (row 4): no such file" in out


def test_all_that_a_table_can_say(run, write_csv, tmp_path, folder):
    header = ["image", "likes", "views", "rating", "site", "part", "author", "times"]
    rows = [[f"{n}.jpg", n, 10 * n + 5, 6 - n, "x", "train" if n < 3 else "test", f"a{n}", 1 + n] for n in range(6)]
    (folder / "copy.jpg").write_bytes((folder / "5.jpg").read_bytes())
    more = ["copy.jpg", 1, 9, 1, "x", "train", "b", 1], ["none.jpg", 1, "", 1, "x", "test", "c", 1]
    csv = write_csv(header, *rows, *more)
    options = ["--score=likes", "--score=rating", "--transform=rate", "--views=views", "--prior_views=20"]
    options += ["--group=site", "--split=part", "--fold_by=author", "--weight=times", "--name=all"]
    code, out, err = run(csv, *options)
    assert code == 2 and "'copy.jpg' (row 8) in train is equal to '5.jpg'" in err and not (tmp_path / "data").exists()
    code, out, _ = run(csv, *options, "--on-duplicate=skip")
    assert code == 0 and "3 train, 3 test" in out
    assert "left out 1 of 8 rows: no views" in out
    assert "left out 1 of 8 rows: equal to a picture of another split" in out
    (report,) = (tmp_path / "data").rglob("build_report.json")
    assert json.loads(report.read_text())["priors"] == {"x": {"rate": 16 / 189, "strength": 20.0}}


def bad_inputs(write_csv):
    good = ["0.jpg", "1"], ["1.jpg", "2"]
    header = ["image", "score"]
    return {
        "no such table": ("gone.csv", []),
        "did you mean 'score'": (write_csv(header, *good, name="1.csv"), ["--score=scor"]),
        "score is 'lots'": (write_csv(header, *good, ["2.jpg", "lots"], name="2.csv"), []),
        "twice": (write_csv(header, *good, ["0.jpg", "3"], name="3.csv"), []),
        "no such file": (write_csv(header, *good, ["gone.jpg", "3"], name="4.csv"), []),
        "comparable": (write_csv(header, ["0.jpg", "1"], ["1.jpg", "1"], name="5.csv"), []),
        "leaves the folder": (write_csv(header, *good, ["../x.jpg", "3"], name="6.csv"), []),
        "is absolute": (write_csv(header, *good, ["/x.jpg", "3"], name="7.csv"), []),
        "got no column of views": (write_csv(header, *good, name="9.csv"), ["--transform=rate"]),
        "expected it with 'rate' only": (write_csv(header, *good, name="10.csv"), ["--views=score"]),
        "--name=my_photos": (write_csv(header, *good, name="8.csv"), ["--name=My photos"]),
        "expected a-z": (write_csv(header, *good, name="éé.csv"), []),
    }


def test_bad_input_exits_2_with_one_line_and_leaves_nothing(run, write_csv, tmp_path):
    for message, (csv, options) in bad_inputs(write_csv).items():
        code, out, err = run(csv, *options)
        said = [line for line in err.replace("\r", "\n").splitlines() if line.startswith("data_prep: error:")]
        assert code == 2 and len(said) == 1 and message in said[0], (message, err)
        assert "Traceback" not in err and not out
        assert not (tmp_path / "data").exists(), message


def test_a_missing_folder_exits_2(run, scores_csv, tmp_path):
    code, _, err = run(scores_csv, images=tmp_path / "gone")
    assert code == 2 and f"no such folder of pictures: {tmp_path / 'gone'}" in err


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["build"],
        ["build", "cats"],
        ["build", "planted", "--sed=1"],
        ["build", "image_scores"],
        ["build", "planted", "--seed=x"],
    ],
)
def test_a_mistyped_command_exits_2(argv, capsys):
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code == 2
    assert "usage: python -m data_prep" in capsys.readouterr().err


def test_an_interrupted_build_exits_130_and_leaves_nothing(run, scores_csv, tmp_path, monkeypatch):
    whole, seen = pictures.decode, []

    def interrupted(data, *small):
        seen.append(data)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return whole(data, *small)

    monkeypatch.setattr(pictures, "decode", interrupted)
    code, out, err = run(scores_csv)
    assert code == 130 and not out and "interrupted, nothing was left behind" in err
    assert not (tmp_path / "data").exists()
    code, out, _ = run(scores_csv)
    assert code == 0 and out.startswith("built image_scores/holiday_photos: 6 train")


def test_list_shows_what_is_there(run, scores_csv, tmp_path, capfd):
    assert main(["list", f"--data_dir={tmp_path / 'data'}"]) == 0
    assert "nothing is built" in capfd.readouterr().out
    run(scores_csv)
    assert main(["list", f"--data_dir={tmp_path / 'data'}"]) == 0
    assert "image_scores/holiday_photos/2.0.0" in capfd.readouterr().out


def test_data_dir_comes_from_the_environment(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "there"))
    assert main(["build", "planted", "--seed=2", "--train=2", "--validation=2", "--test=2"]) == 0
    report = json.loads((tmp_path / "there" / "planted" / "1.0.0" / "build_report.json").read_text())
    assert report["seed"] == 2
    assert "2 train, 2 validation, 2 test" in capsys.readouterr().out


def test_an_output_folder_that_cannot_be_written_exits_1(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    argv = [
        "build",
        "planted",
        "--train=2",
        "--validation=2",
        "--test=2",
        f"--data_dir={tmp_path / 'file' / 'data'}",
    ]
    assert main(argv) == 1
    assert "data_prep: error:" in capsys.readouterr().err


def test_as_a_process(tmp_path, folder, scores_csv):
    command = [
        sys.executable,
        "-m",
        "data_prep",
        "build",
        "image_scores",
        f"--images={folder}",
        f"--csv={scores_csv}",
    ]
    command.append(f"--data_dir={tmp_path / 'data'}")
    good = subprocess.run([*command, "--score=score"], capture_output=True, text=True)
    assert good.returncode == 0 and "6 train" in good.stdout, good.stderr
    bad = subprocess.run([*command, "--score=likes"], capture_output=True, text=True)
    assert bad.returncode == 2 and bad.stdout == ""
    (line,) = bad.stderr.splitlines()
    assert line.startswith("data_prep: error:") and "expected one of image, score" in line


@pytest.mark.parametrize(
    ("text", "name"),
    [("Holiday Photos 2024", "holiday_photos_2024"), ("a--b__c", "a_b_c"), ("éé", ""), ("x.y", "x_y")],
)
def test_names_are_cleaned(text, name):
    assert clean_name(text) == name
