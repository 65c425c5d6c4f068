"""What `lena-jax train` finds in its folders: the same input, a changed one, other options, something else."""

import argparse
import os

import pytest

from data_prep.image_scores.guess import Guess
from lena_jax.cli import train_folders


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.jpg").write_bytes(name.encode())
    (tmp_path / "t.csv").write_text("file,likes\na.jpg,1\nb.jpg,2\n")
    return tmp_path


def made(place, **changed):
    names = ("group", "views", "fold_by", "missing", "follow_links", "strength", "folds", "config")
    arguments = argparse.Namespace(**dict.fromkeys(names), of_pairs=["winner"], winner=None)
    vars(arguments).update({"missing": [], "config": [], "follow_links": False, "folds": 5} | changed)
    return train_folders.made_from(arguments, place / "photos", place / "t.csv", Guess("file", "likes", ""))


def finished(place, known, text="first"):
    """Puts a model made from `known` into its place."""
    with train_folders.work_on(place / "model", known) as work:
        (work / "model").mkdir()
        (work / "model" / "weights").write_text(text)
        (work / "input.json").rename(work / "model" / "input.json")
        train_folders.put(work / "model", place / "model")


def test_only_what_the_model_depends_on_counts(place):
    first = made(place)
    # Not a picture of the table, and neither what systems nor people leave beside.
    for name in ("c.jpg", ".DS_Store", "notes.txt", "model.partial"):
        (place / "photos" / name).write_bytes(b"other")
    assert made(place) == first
    for change in ({"group": "site"}, {"folds": 3}, {"config": ["pooling=max"]}, {"missing": ["-1"]}):
        assert made(place, **change)["options"] != first["options"]
    (place / "photos" / "a.jpg").write_bytes(b"larger")
    assert made(place)["pictures"] != first["pictures"]
    # Also a picture whose name the table has in the other Unicode spelling.
    (place / "photos" / "cafe\u0301.jpg").write_bytes(b"x")
    (place / "t.csv").write_text("file,likes\na.jpg,1\ncaf\u00e9.jpg,2\n", encoding="utf-8")
    before = made(place)
    (place / "photos" / "cafe\u0301.jpg").write_bytes(b"xx")
    assert made(place)["pictures"] != before["pictures"] and made(place)["table"] == before["table"]
    (place / "t.csv").write_text("file,likes\na.jpg,1\nb.jpg,3\n")
    assert made(place)["table"] != first["table"]


def test_a_changed_input_makes_it_again_and_keeps_the_model_before(place, capsys):
    output = place / "model"
    output.mkdir()  # An empty folder is as good as none.
    first = made(place)
    assert not train_folders.is_finished(output, first)
    finished(place, first)
    assert train_folders.is_finished(output, first) and "nothing to do" in capsys.readouterr().out
    for number, text in ((3, "second"), (4, "third")):
        (place / "t.csv").write_text(f"file,likes\na.jpg,1\nb.jpg,{number}\n")
        assert not train_folders.is_finished(output, made(place))
        assert f"table changed since {output} was made" in capsys.readouterr().out
        finished(place, made(place), text)
    assert (output / "weights").read_text() == "third"
    assert (place / "model.before" / "weights").read_text() == "second"
    with pytest.raises(ValueError, match="made without --missing, not with --missing=-1 --missing=x: choose .* -o "):
        train_folders.is_finished(output, made(place, missing=["-1", "x"]))


def test_what_is_not_ours_is_never_touched(place):
    output = place / "model"
    for name in ("model", "model.partial", "model.before"):
        (place / name).mkdir()
        (place / name / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds something else: choose another folder, such as -o .*model_2"):
        train_folders.is_finished(output, made(place))
    with pytest.raises(ValueError, match="model.partial is in the way"), train_folders.work_on(output, made(place)):
        pass
    os.remove(output / "thesis.txt")
    (place / "model.partial" / "thesis.txt").unlink()
    finished(place, made(place))
    (place / "t.csv").write_text("file,likes\na.jpg,1\nb.jpg,3\n")
    with pytest.raises(ValueError, match="model.before is in the way"):
        train_folders.is_finished(output, made(place))
    assert (place / "model.before" / "thesis.txt").read_text() == "mine"


def test_work_goes_on_for_the_same_input_only(place, capsys):
    output, first = place / "model", made(place)
    with train_folders.work_on(output, first) as work:
        (work / "done").write_text("half")
        with pytest.raises(ValueError, match="in use by process .* or use another -o"):
            with train_folders.work_on(output, first):
                pass
    with train_folders.work_on(output, first) as work:
        assert (work / "done").exists() and "going on" in capsys.readouterr().out
    with train_folders.work_on(output, made(place, folds=3)) as work:
        assert not (work / "done").exists() and "begun again" in capsys.readouterr().out
