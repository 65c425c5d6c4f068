"""`lena-jax crop`, `pick` and `demo`: what they print and write, and what they refuse."""

import csv

import numpy as np
import pytest
from PIL import Image
from scored_run import scene

from lena_jax.cli import demo, explain, score, train
from lena_jax.cli.main import main


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")


def test_crop_writes_each_shape_and_a_drawing(run, tmp_path, capsys):
    scene(4, (120, 80)).save(tmp_path / "a.b.png")
    out = tmp_path / "crops"
    arguments = ["crop", str(tmp_path / "a.b.png"), f"--model={run}", "--aspect=1:1,1.91:1", "-o", str(out)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "whole picture, 120x80 px" in said and "1.91:1" in said and f"crops {out}" in said
    assert {path.name for path in out.iterdir()} == {"a.b_1x1.png", "a.b_1.91x1.png", "a.b_crops.png"}
    with Image.open(out / "a.b_1x1.png") as picture:
        assert picture.width == picture.height >= 48


def test_pick_groups_shots_and_writes_a_row_for_each(run, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name, seed in (("a", 1), ("b", 1), ("c", 50)):
        pixels = np.asarray(scene(seed, (90, 70)))
        Image.fromarray(pixels if name != "b" else np.clip(pixels * 1.02, 0, 255).astype(np.uint8)).save(
            tmp_path / "in" / f"{name}.png"
        )
    (tmp_path / "in" / "d.png").write_bytes(b"\x89PNG")
    code = main(["pick", str(tmp_path / "in"), f"--model={run}", "-o", str(tmp_path / "picks.csv")])
    said = capsys.readouterr().out
    assert code == 1 and "that the pick is ahead" in said and "1 of 4 could not be read" in said
    with open(tmp_path / "picks.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 and sum(row["picked"] == "yes" for row in rows) == len({row["series"] for row in rows}) - 1
    of = {row["name"][-5:]: row for row in rows}
    assert of["a.png"]["series"] == of["b.png"]["series"] and of["d.png"]["error"] and not of["d.png"]["score"]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["crop", "a.png", "--aspect=1"], "got --aspect='1', expected W:H"),
        (["crop", "a.png", "--aspect=1:0"], "got --aspect='1:0'"),
        (["crop", "a.png", "--aspect=,"], "got no --aspect"),
        (["crop", "a.png", "--output=setup.cfg"], "which is a file"),
        (["pick", "a.png", "--output=picks.txt"], "ends in .csv or .xlsx"),
        (["pick", "a.png", "--output=no/such/picks.csv"], "there is no folder 'no/such'"),
    ],
)
def test_wrong_words_are_one_line(arguments, said, capsys, monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)
    assert main([*arguments, "--model=none"]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_demo_draws_pictures_and_types_what_a_user_would(tmp_path, capsys, monkeypatch):
    typed = []
    for command in (train, score, explain):
        monkeypatch.setattr(command, "run", lambda arguments: typed.append(vars(arguments)) or 0)
    monkeypatch.setattr(demo, "_TRAINING", 3)
    monkeypatch.setattr(demo, "_NEW", 2)
    folder = tmp_path / "demo"
    for _ in range(2):  # Again: what is drawn is kept.
        assert main(["demo", "-o", str(folder)]) == 0
    said = capsys.readouterr().out
    assert said.count("$ lena-jax ") == 6 and said.count("drew 3 pictures with scores and 2 new ones") == 1
    assert len(list((folder / "pictures").iterdir())) == 3 and len(typed) == 6
    with open(folder / "new.csv", newline="", encoding="utf-8") as file:
        known = {row["image"]: float(row["score"]) for row in csv.DictReader(file)}
    best = max(known, key=known.get)
    assert typed[2]["picture"] == str(folder / "new" / best) and len(known) == 2
    assert typed[0]["pictures"] == str(folder / "pictures") and typed[1]["model"] == str(folder / "model")


def test_demo_keeps_out_of_other_folders(tmp_path, capsys):
    assert main(["demo", "-o", str(tmp_path)]) == 2
    assert "expected an unused name" in capsys.readouterr().err
