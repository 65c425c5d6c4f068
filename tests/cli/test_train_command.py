"""`lena-jax train`: one command from a folder and a table to a model, which goes on, and does nothing twice."""

import csv
import errno
import itertools
import json
import os
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lena_jax.cli import train
from lena_jax.cli.main import main
from lena_jax.scoring import Scorer
from lena_jax.studies import own_pictures

pytestmark = pytest.mark.usefixtures("tiny_trunks")
TINY = ["--config.backbone.name=tiny", "--config.backbone.pretrained=False", "--config.backbone.endpoint="]
TINY += ["--config.image_size=64", "--config.head.ridges=(1.0,)", "--config.head.freedoms=(10.0,)", "--folds=2"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """24 pictures whose score is their brightness, in a folder with a table beside it."""
    root = tmp_path_factory.mktemp("own")
    folder, rng = root / "photos", np.random.default_rng(0)
    folder.mkdir()
    with open(root / "photos.csv", "w", newline="") as file:
        table = csv.writer(file, delimiter=";")
        table.writerow(["id", "file", "likes", "author", "pairs"])
        for number in range(24):
            level = int(rng.integers(20, 236))
            pixels = np.clip(rng.normal(level, 20, (40, 60, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
            table.writerow([number + 1, f"{number}.png", level * 100 + number, "ab"[number % 2], f"p{number // 2}"])
    return folder


def test_from_a_folder_to_a_model(photos, tmp_path, capsys, monkeypatch):
    output = tmp_path / "models" / "photos"
    command = ["train", str(photos), "-o", str(output), *TINY]

    # A kill before the model of all pictures: the same command goes on, and repeats no fold.
    with monkeypatch.context() as broken:
        broken.setattr(own_pictures, "measure_by_folds", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert main(command) == 130
    assert not output.exists()
    capsys.readouterr()
    with monkeypatch.context() as checked:
        checked.setattr(own_pictures, "train", lambda config, place: np.zeros(0))
        assert main(command) == 0
    out = capsys.readouterr().out
    assert "going on" in out and "column 'file'; score: column 'likes'" in out
    assert f"lena-jax score FOLDER --model={output} --html" in out

    # One folder, and nothing else.
    names = {path.name for path in output.iterdir()}
    expected = {"README.md", "input.json", "metrics.json", "model.json", "model.safetensors", "report.html"}
    assert names == expected | {"trained_on.json"}
    assert [path.name for path in output.parent.iterdir()] == ["photos"]
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["pictures"] == 24 and metrics["folds"] == 2 and metrics["pairs"] == 2 * 12 * 11 / 2
    # Brightness is one of the simple properties, so nothing can be better than those.
    assert metrics["simple_properties"]["pair_accuracy"] > 0.9
    card = (output / "README.md").read_text()
    assert "in 2 folds, each ranked by a model that was trained without it" in card
    page = (output / "report.html").read_text()
    assert "2 folds" in page and "Size, shape and colour alone" in page
    scorer = Scorer.from_checkpoint(output)
    assert {one.percentile is not None for one in scorer.score([photos / "0.png", photos / "1.png"])} == {True}

    ranking = str(tmp_path / "ranking.html")
    assert main(["score", str(photos), f"--model={output}", f"--html={ranking}"]) == 0
    said = "he model was trained on all these 24 pictures: their scores flatter the model"
    assert said in capsys.readouterr().err and said in Path(ranking).read_text(encoding="utf-8")

    # The same input again does nothing; other options are refused.
    assert main(command) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert main([*command, "--group=author"]) == 2
    refused = capsys.readouterr().err
    assert "made without --group, not with --group=author" in refused and f"-o {os.path.relpath(output)}_2" in refused


def test_from_choices_to_a_model(photos, tmp_path, capsys):
    # All pairs among 24 pictures, two votes each, and the brighter one wins them; three more say tie.
    with open(photos.parent / "photos.csv", newline="") as file:
        likes = {row["file"]: int(row["likes"]) for row in csv.DictReader(file, delimiter=";")}
    names = sorted(likes)
    path = tmp_path / "choices.csv"
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["left", "right", "for_left", "for_right"])
        for number, (one, other) in enumerate(itertools.combinations(names, 2)):
            votes = (2, 0) if likes[one] > likes[other] else (0, 2)
            table.writerow([one, other, *((1, 1) if number % 90 == 0 else votes)])
    output = tmp_path / "models" / "pairs"
    command = ["train", str(photos), f"--pairs={path}", "-o", str(output), *TINY, "--time_limit=0.0001"]
    assert main(command) == 2 and "--left_votes" in capsys.readouterr().err
    command += ["--left_votes=for_left", "--right_votes=for_right"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "pairs: 276 train" in out and "two people agree on 0.9" in out and "(Bradley-Terry): 0.9" in out
    metrics = json.loads((output / "metrics.json").read_text())
    choices = metrics["choices"]
    assert metrics["pictures"] == 12 and metrics["pairs"] + choices["ties"] + metrics["pairs_across_folds"] == 276
    assert metrics["pair_accuracy"]["value"] > 0.9 and choices["two_votes"] == 276
    assert choices["agreement"]["value"] == pytest.approx(1 - 4 / 276)
    assert choices["entropy"] < choices["soft_log_loss"]["value"] < np.log(2)
    assert "Two people agree on 0.986 of the pairs, so no ranker" in (output / "README.md").read_text()
    assert "agreement with one person" in (output / "report.html").read_text()
    assert main(command) == 0 and "nothing to do" in capsys.readouterr().out
    assert main([*command, "--score=likes"]) == 2 and "got --pairs and --score" in capsys.readouterr().err
    assert main(["train", str(photos), f"--table={path}"]) == 2 and f"pass --pairs={path}" in capsys.readouterr().err


def test_a_short_time_measures_in_fewer_folds(photos, tmp_path, capsys):
    output = tmp_path / "model"
    options = [one for one in TINY if "folds" not in one]
    assert main(["train", str(photos), "-o", str(output), *options, "--folds=4", "--time_limit=0.0001"]) == 0
    assert "time limit: measured in 1 of 4 folds" in capsys.readouterr().out
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["folds"] == 1 and metrics["pictures"] == 6


@pytest.mark.parametrize(
    "options, message",
    [
        (["gone"], "got 'gone', expected a folder of pictures"),
        (["--folds=1"], "got --folds=1, expected at least 2"),
        (["--time_limit=0"], "expected minutes above 0"),
        (["--table=gone.csv"], "no such table"),
        (["--table=FOLDER"], "is a folder, expected a CSV"),
        (["--folds=13"], "got 24 pictures that differ, expected at least 26 to measure in 13 folds: add pictures, or"),
        (["--pairs=gone.csv"], "no such table"),
        (["--winner=best"], "got --winner without --pairs"),
        (["--group=pairs", "--folds=6"], "a fold of 6 has no two pictures of one group with different scores: leave"),
        (["--score=stars"], "got column 'stars'"),
        (["--group=site"], "got column 'site'"),
        (["--score=likes", "--views=likes"], "for two things"),
        (["--views=id"], "expected 0 <= likes <= id"),
        (["--config.backbon.name=tiny"], "did you mean 'backbone'?"),
        (["--config.data.folds=3"], "this command sets itself"),
        (["--config.seed=many"], "expected a value of type int"),
    ],
)
def test_bad_input_is_one_line(photos, tmp_path, options, message, capsys):
    given = options if options == ["gone"] else [str(photos), *(one.replace("FOLDER", str(photos)) for one in options)]
    assert main(["train", *given, "-o", str(tmp_path / "model"), *TINY[:5]]) == 2
    captured = capsys.readouterr().err.strip().splitlines()[-1]
    assert captured.startswith("lena-jax: error: ") and message in captured
    assert not list(tmp_path.iterdir())


def test_pictures_that_are_all_the_same_are_too_few(photos, tmp_path, capsys):
    folder, table = tmp_path / "copies", tmp_path / "copies.csv"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.png").write_bytes((photos / "0.png").read_bytes())
    table.write_text("file,likes\n" + "".join(f"{number},{number}\n" for number in range(12)))
    assert main(["train", str(folder), "-o", str(tmp_path / "model"), *TINY[:5]]) == 2
    said = capsys.readouterr()
    assert "got 1 pictures that differ (of 12: equal and nearly equal ones" in said.err
    assert "names found in another spelling or folder: 12, such as '0' as '0.png'" in said.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copies", "copies.csv"]


def test_what_is_mistyped_or_forbidden_is_answered(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(photos.parent)
    for options, message in (
        (["photo"], "did you mean 'photos'?"),
        (["photos", "--table=Photo.csv"], "did you mean 'photos.csv'?"),
    ):
        assert main(["train", *options]) == 2 and message in capsys.readouterr().err

    def forbidden(*_):
        raise PermissionError(errno.EACCES, "Permission denied", "models/photos.partial")

    monkeypatch.setattr(train.train_folders, "work_on", forbidden)
    assert main(["train", "photos"]) == 1
    expected = "'models/photos.partial': Permission denied: change its permissions, or use another place; -o"
    assert expected in capsys.readouterr().err


def test_without_a_network_the_best_strength_names_the_one_that_needs_none(photos, tmp_path, monkeypatch, capsys):
    def no_network(*_):
        raise FileNotFoundError("cannot fetch model.safetensors")

    monkeypatch.setattr(train, "_build", lambda *_: types.SimpleNamespace(name="image_scores/photos"))
    monkeypatch.setattr(own_pictures, "check_enough", lambda *_: None)
    monkeypatch.setattr(own_pictures, "fit", no_network)
    for strength, told in (("best", True), ("quick", False)):
        assert main(["train", str(photos), f"--strength={strength}", "-o", str(tmp_path / "model")]) == 2
        said = capsys.readouterr().err
        assert "cannot fetch" in said and ("Without a network: --strength=default" in said) == told
