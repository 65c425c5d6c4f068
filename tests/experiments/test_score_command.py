"""experiments/score.py in its own process: the table, the files, the drawn maps and the exit code."""

import csv
import os
import subprocess
import sys

import pytest
from config_files import REPOSITORY
from scored_run import evaluated_scores


def score(*arguments, before=""):
    """Run the script with the tiny backbones registered; run the code `before` first."""
    code = (
        "import runpy, sys, tiny_trunk; from lena_jax import backbones; "
        f"backbones.BACKBONES.update(tiny_trunk.tiny_trunks()); {before}\n"
        "sys.argv[0] = 'experiments/score.py'; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "tests")},
    )


def test_ranks_pictures_lists_what_is_damaged_and_draws(scored_run, tmp_path):
    photos = scored_run.parent / "photos"
    (tmp_path / "broken.jpg").write_bytes((photos / "test_photo.jpg").read_bytes()[:900])
    done = score(
        f"--workdir={scored_run}",
        photos / "test_photo.jpg",
        photos / "test_webp.webp",
        tmp_path,
        f"--csv={tmp_path / 'o.csv'}",
        f"--maps={tmp_path / 'maps'}",
    )
    assert done.returncode == 1, done.stderr
    assert "1 of 3 could not be read" in done.stdout and "broken.jpg: does not decode" in done.stdout
    expected = {name: evaluated_scores(scored_run)[name] for name in ("test_photo.jpg", "test_webp.webp")}
    first, second = sorted(expected, key=lambda name: -expected[name])
    with open(tmp_path / "o.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [os.path.basename(row["name"]) for row in rows] == ["test_photo.jpg", "test_webp.webp", "broken.jpg"]
    assert float(rows[0]["score"]) == pytest.approx(expected["test_photo.jpg"], abs=1e-5)
    drawn = sorted(os.listdir(tmp_path / "maps"))
    assert drawn == [f"{place:05}_{name.split('.')[0]}.png" for place, name in enumerate((first, second), 1)]


def test_without_a_file_it_prints_the_ranked_table(scored_run):
    photos = scored_run.parent / "photos"
    done = score("--model", scored_run, photos / "test_photo.jpg", photos / "test_webp.webp")
    assert done.returncode == 0, done.stderr
    expected = {name: evaluated_scores(scored_run)[name] for name in ("test_photo.jpg", "test_webp.webp")}
    lines = done.stdout.splitlines()
    for place, name in enumerate(sorted(expected, key=lambda name: -expected[name]), 1):
        assert lines[place].split()[0] == str(place) and lines[place].endswith(name)


def test_a_file_in_the_place_of_the_maps_is_refused_and_kept(scored_run, tmp_path):
    (tmp_path / "maps").write_text("mine")
    done = score("--model", scored_run, scored_run.parent / "photos", f"--maps={tmp_path / 'maps'}")
    assert done.returncode == 2 and "which is a file, expected a folder" in done.stderr
    assert (tmp_path / "maps").read_text() == "mine"


def test_without_pictures_it_says_what_is_missing(scored_run):
    done = score(f"--workdir={scored_run}")
    assert done.returncode == 2 and "missing: PICTURES (files and folders" in done.stderr


@pytest.mark.parametrize(
    "csv, said",
    [("o.csv", "the 2 finished rows are in o.csv.partial"), (None, "the table has the 2 finished pictures")],
)
def test_interrupted_it_says_what_is_left(scored_run, tmp_path, csv, said):
    photos, where = scored_run.parent / "photos", tmp_path / (csv or "none.csv")
    interrupt = (
        "from lena_jax.scoring import scorer; scores = scorer.Scorer.score\n"
        "def interrupted(*given):\n"
        "    found = scores(*given)\n"
        "    yield next(found)\n"
        "    yield next(found)\n"
        "    raise KeyboardInterrupt\n"
        "scorer.Scorer.score = interrupted"
    )
    done = score(f"--workdir={scored_run}", photos, *([f"--csv={where}"] if csv else []), before=interrupt)
    assert done.returncode == 130 and f"interrupted: {said.replace('o.csv', str(where))}" in done.stderr
    assert csv or len(done.stdout.splitlines()) == 1 + 2
    assert sorted(os.listdir(tmp_path)) == (["o.csv.partial"] if csv else [])
