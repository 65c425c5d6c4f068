"""Mistakes on the command line are one line, with what was probably meant and what to type."""

import re

import pytest

from lena_jax.cli.main import main


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "got no command. `lena-jax demo` shows everything without data, `lena-jax train FOLDER` starts"),
        (["scroe"], "did you mean score?"),
        (["train", "p", "--tabel=x"], "unrecognized arguments: --tabel=x; did you mean --table?"),
        (["train", "p", "--tab", "x"], "did you mean --table?"),
        (["train", "p", "--image-column=x"], "did you mean --image_column?"),
        (["train", "p", "--qqqq"], "unrecognized arguments: --qqqq. Example: `lena-jax train photos/`"),
        (["train", "My", "photos"], "unrecognized arguments: photos (a name with spaces needs quotes)"),
        (["train", "p", "--strength=quik"], "did you mean quick?"),
        (["train", "p", "--folds=x"], "invalid int value: 'x'"),
        (["train"], "missing: FOLDER (folder of pictures). Example: `lena-jax train photos/`"),
        (["explain", "a.png", "--model=x"], "missing: -o/--output (PNG file to draw the map to)"),
        (["info"], "missing: MODEL (trained model: "),
        (["score", "a.png"], "; there is --model='models/My photos' or --model=runs/mine. Example: `lena-jax score "),
    ],
)
def test_wrong_usage_is_one_line_with_what_to_type(arguments, message, tmp_path, monkeypatch, capsys):
    for place in ("models/My photos", "runs/mine/checkpoints", "models/half.partial/checkpoints"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "models/My photos/model.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    (line,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and message in line
    assert line.endswith(f"All options: `lena-jax {arguments[0]} --help`" if arguments[1:] else "--help`")


def test_a_picture_that_is_not_there_is_answered_with_the_nearest_one(run, photos, tmp_path, capsys):
    given = [f"--model={run}", "-o", str(tmp_path / "map.png")]
    assert main(["explain", str(photos / "TEST_gif.giff"), *given]) == 1
    assert f"no such file; did you mean '{photos}/test_gif.gif'?" in capsys.readouterr().err
    assert main(["explain", str(photos), *given]) == 1
    assert "is a folder, not a file; of a folder: lena-jax score FOLDER" in capsys.readouterr().err
    assert main(["judge", f"{photos}s", "-o", str(tmp_path / "c.csv")]) == 2
    assert f"expected a folder of pictures; did you mean '{photos}'?" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_answered_with_those_that_are(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "half.partial").mkdir()
    (tmp_path / "models/mine").mkdir(parents=True)
    (tmp_path / "models/mine/model.json").write_text("{}")
    (tmp_path / "a.png").write_bytes(b"")
    for arguments, message in (
        (["score", "a.png", "--model=gone"], "there is no such folder; .* wrote; there is --model=models/mine"),
        (["score", "a.png", "--model=a.png"], "it is a file"),
        (["info", "half"], "`lena-jax train` has not finished it; type its command again"),
        (["save", "models/mine", "copy"], "'models/mine' is a saved model already, expected a run: copy the folder"),
    ):
        assert main(arguments) == 2
        assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize("command", [["explain", "-o", "x.png"], ["score"], ["pick"]])
def test_a_name_that_begins_with_a_dash_is_shown_how_to_type(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-dash.jpg").touch()
    with pytest.raises(SystemExit):
        main([*command, "-dash.jpg", "--model=none"])
    error = capsys.readouterr().err
    assert "the file -dash.jpg is typed as ./-dash.jpg" in error and error.count("\n") == 1
