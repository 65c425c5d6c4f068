"""The console command: tables and files of scores, exit codes, results after an interruption, and a fast --help."""

import configparser
import csv
import fcntl
import importlib
import io
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from config_files import REPOSITORY
from html_elements import Elements
from PIL import Image
from scored_run import KINDS, evaluated_scores

from lena_jax.cli.main import COMMANDS, main
from lena_jax.scoring import scorer as scorer_module


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    """Keeps compiled programs out of the user's cache folder."""
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_scores_of_a_folder_as_a_ranked_table(run, photos, capsys):
    assert main(["score", str(photos), f"--model={run}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["rank", "score", "percentile", "ahead", "of", "next", "name"]
    rows = [line.split() for line in lines[1:]]
    assert [int(row[0]) for row in rows] == list(range(1, 2 * len(KINDS) + 1))
    scores = [float(row[1]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    ahead = [float(row[3]) for row in rows[:-1]]
    np.testing.assert_allclose(ahead, 1 / (1 + np.exp(np.diff(scores))), atol=1e-3)
    assert rows[-1][3] == "-" and all(0 <= float(row[2]) <= 100 for row in rows)
    found = {os.path.basename(row[4]): float(row[1]) for row in rows}
    for name, expected in evaluated_scores(run).items():
        assert found[name] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_file_of_scores_in_the_order_of_the_paths(run, photos, ending, tmp_path, capsys):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG")
    names = ["test_gif.gif", "test_cmyk.jpg", "test_photo.jpg"]
    output = tmp_path / f"scores.{ending}"
    output.write_text("what was there before")
    paths = [*(str(photos / name) for name in names), str(tmp_path / "bad.png")]
    assert main(["score", *paths, f"--model={run}", f"--output={output}"]) == 1
    said = capsys.readouterr().out
    assert f"wrote 4 rows to {output}" in said and "1 of 4 could not be read" in said and "bad.png" in said
    if ending == "csv":
        rows = read_csv(output)
    elif ending == "jsonl":
        rows = [json.loads(line) for line in output.read_text().splitlines()]
    else:
        from pyarrow import parquet

        rows = parquet.read_table(output).to_pylist()
    assert [row["name"] for row in rows] == paths and not list(tmp_path.glob("*.partial"))
    expected = evaluated_scores(run)
    np.testing.assert_allclose([float(row["score"]) for row in rows[:3]], [expected[name] for name in names], atol=1e-5)
    assert rows[3]["score"] in ("", None) and "does not decode" in rows[3]["error"]
    assert all(row["error"] in ("", None) and row["percentile"] not in ("", None) for row in rows[:3])


def test_parquet_without_pyarrow_says_what_to_install(run, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    output = tmp_path / "o.parquet"
    assert main(["score", str(photos / "test_bmp.bmp"), f"--model={run}", f"--output={output}"]) == 2
    assert "needs pyarrow" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_paths_from_standard_input(run, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{photos / 'test_bmp.bmp'}\n\n{photos / 'test_tiff.tif'}\n"))
    assert main(["score", "-", f"--model={run}", f"--output={tmp_path / 'o.csv'}"]) == 0
    assert [os.path.basename(row["name"]) for row in read_csv(tmp_path / "o.csv")] == ["test_bmp.bmp", "test_tiff.tif"]


@pytest.mark.parametrize(
    "ending, number, code",
    [
        ("csv", signal.SIGINT, 130),
        ("jsonl", signal.SIGTERM, 143),
        ("parquet", signal.SIGINT, 130),
        ("parquet", signal.SIGTERM, 143),
    ],
)
def test_an_interruption_leaves_the_finished_rows_in_a_partial_file(
    run, photos, ending, number, code, tmp_path, monkeypatch, capsys
):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    whole, done = scorer_module.Scorer._results, []

    def interrupted(self, group, scores):
        for one, signed_map in whole(self, group, scores):
            if len(done) == 3:
                if number == signal.SIGINT:  # A process in the background ignores the signal itself.
                    raise KeyboardInterrupt
                signal.raise_signal(number)
            done.append(one)
            yield one, signed_map

    monkeypatch.setattr(scorer_module.Scorer, "_results", interrupted)
    output = tmp_path / f"o.{ending}"
    output.write_text("before")
    assert main(["score", str(photos), f"--model={run}", f"--output={output}"]) == code
    assert f"3 finished rows are in {output}.partial" in capsys.readouterr().err
    assert output.read_text() == "before"
    partial = tmp_path / f"o.{ending}.partial"
    if ending == "parquet":
        from pyarrow import parquet

        names = [row["name"] for row in parquet.read_table(partial).to_pylist()]
    elif ending == "jsonl":
        names = [json.loads(line)["name"] for line in partial.read_text().splitlines()]
    else:
        names = [row["name"] for row in read_csv(partial)]
    assert names == [one.name for one in done]


def test_strange_file_names_are_escaped_and_found(run, photos, tmp_path, capsys):
    strange = [b"a\x1b[31m.png", b"b\xff.png", "ü.png".encode(), b"c\nd.png", b"=1+1.png"]
    content = (photos / "test_small.png").read_bytes()
    for name in strange:
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as file:
            file.write(content)
    assert main(["score", str(tmp_path), f"--model={run}"]) == 0
    said = capsys.readouterr().out
    assert len(said.splitlines()) == 1 + len(strange) and "\x1b" not in said
    assert "a\\x1b[31m.png" in said and "b\\udcff.png" in said and "ü.png" in said and "c\\nd.png" in said
    assert main(["score", str(tmp_path), f"--model={run}", f"--output={tmp_path / 'o.csv'}"]) == 0
    assert len(read_csv(tmp_path / "o.csv")) == len(strange)


def test_a_name_is_no_formula_in_a_spreadsheet_and_still_the_file(run, photos, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["=1+1.png", "+1.png", "@sum.png", "\t=1.png"]
    for name in names:
        (tmp_path / name).write_bytes((photos / "test_small.png").read_bytes())
    assert main(["score", *names, "--model", str(run), "--output=o.csv"]) == 0
    written = [row["name"] for row in read_csv("o.csv")]
    assert written == [f"./{name}" for name in names] and all(map(os.path.exists, written))
    assert main(["score", *names, "--model", str(run), "--output=o.jsonl"]) == 0
    lines = (tmp_path / "o.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["name"] for line in lines] == names


def test_two_commands_do_not_write_one_file(run, photos, tmp_path, capsys):
    output = tmp_path / "o.csv"
    with open(f"{output}.partial", "a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert main(["score", str(photos), f"--model={run}", "-o", str(output)]) == 2
    assert "is being written by another process" in capsys.readouterr().err and not output.exists()


def test_a_drawing_does_not_overwrite_its_picture(run, photos, tmp_path, capsys):
    picture = tmp_path / "a.png"
    content = (photos / "test_small.png").read_bytes()
    picture.write_bytes(content)
    assert main(["explain", str(picture), f"--model={run}", "-o", str(picture)]) == 2
    assert main(["compare", str(photos / "test_bmp.bmp"), str(picture), f"--model={run}", f"-o{picture}"]) == 2
    assert picture.read_bytes() == content and capsys.readouterr().err.count("which is the picture itself") == 2


def test_a_name_cannot_steer_the_terminal(run, capsys, tmp_path):
    assert main(["explain", "no\x1b[31m\n.png", f"--model={run}", "-o", str(tmp_path / "m.png")]) == 1
    said = capsys.readouterr().err
    assert "\x1b" not in said and len(said.strip().splitlines()) == 1


def test_what_a_folder_has_besides_pictures_is_counted(run, photos, tmp_path, capsys):
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("a.png", "b.CR3", "c.cr3", "d", ".DS_Store", "._a.png", "__MACOSX/x.png", "Thumbs.db"):
        (tmp_path / name).write_bytes((photos / "test_small.png").read_bytes())
    assert main(["score", str(tmp_path), f"--model={run}"]) == 0
    assert ": 4 hidden, 2 .cr3, 1 without an ending, 1 link to a folder, such as " in capsys.readouterr().err


def test_folders_are_searched_in_order_and_other_files_left_alone(run, photos, tmp_path, capsys):
    (tmp_path / "b/deep").mkdir(parents=True)
    (tmp_path / "b/loop").symlink_to(tmp_path)
    for name in ("z.PNG", "a.png", "b/y.png", "b/deep/x.png"):
        (tmp_path / name).write_bytes((photos / "test_small.png").read_bytes())
    (tmp_path / "notes.txt").write_text("no picture")
    assert main(["score", str(tmp_path), f"--model={run}", f"--output={tmp_path / 'o.jsonl'}"]) == 0
    names = [json.loads(line)["name"] for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [os.path.relpath(name, tmp_path) for name in names] == ["a.png", "b/deep/x.png", "b/y.png", "z.PNG"]


def test_explain_and_compare_draw(run, photos, tmp_path, capsys):
    a, b = str(photos / "test_photo.jpg"), str(photos / "test_large.jpg")
    assert main(["explain", a, f"--model={run}", "-o", str(tmp_path / "map.png")]) == 0
    said = capsys.readouterr().out
    assert f"score {evaluated_scores(run)['test_photo.jpg']:+.4f}" in said and "raised by the region from (" in said
    assert main(["compare", a, b, f"--model={run}", "-o", str(tmp_path / "pair.png")]) == 0
    said = capsys.readouterr().out
    scores = evaluated_scores(run)
    ahead = 1 / (1 + np.exp(scores["test_large.jpg"] - scores["test_photo.jpg"]))
    assert f"{ahead:.3f} that the first is ahead" in said
    for name in ("map.png", "pair.png"):
        with Image.open(tmp_path / name) as drawn:
            assert drawn.width > 200 and np.ptp(np.asarray(drawn)) > 200
    assert main(["explain", "gone.jpg", f"--model={run}", "-o", str(tmp_path / "none.png")]) == 1
    assert capsys.readouterr().err == "lena-jax: gone.jpg: no such file\n" and not (tmp_path / "none.png").exists()


def test_a_page_a_file_and_maps_in_one_pass(run, photos, tmp_path, capsys):
    (tmp_path / "bad.png").write_bytes(b"\x89PNG")
    names = ["test_gif.gif", "test_cmyk.jpg", "test_webp.webp"]
    paths = [*(str(photos / name) for name in names), str(tmp_path / "bad.png")]
    page, file, maps = tmp_path / "r.html", tmp_path / "o.csv", tmp_path / "maps"
    assert main(["score", *paths, f"--model={run}", f"--html={page}", f"--output={file}", f"--maps={maps}"]) == 1
    said = capsys.readouterr().out
    assert f"page    {page}\n" in said and f"wrote 4 rows to {file}" in said and f"maps    {maps}" in said
    scores = {os.path.basename(row["name"]): float(row["score"]) for row in read_csv(file)[:3]}
    ranked = sorted(scores, key=lambda name: -scores[name])
    elements = Elements(page.read_text(encoding="utf-8"))
    assert [os.path.basename(name) for name in elements.all("title")] == ranked
    text = " ".join(elements.text.split())
    assert all(f"{name} score {scores[name]:+.2f}" in text for name in ranked) and f"by the model {run}" in text
    assert "bad.png: does not decode" in text and len(os.listdir(maps)) == 3
    expected = evaluated_scores(run)
    np.testing.assert_allclose([scores[name] for name in ranked], [expected[name] for name in ranked], atol=1e-5)


def test_a_page_alone_prints_no_table(run, photos, tmp_path, capsys):
    assert main(["score", str(photos / "test_gif.gif"), f"--model={run}", f"--html={tmp_path / 'r.html'}"]) == 0
    assert capsys.readouterr().out == f"page    {tmp_path / 'r.html'}\n"


def test_interrupted_on_the_way_to_a_page_it_prints_what_is_finished(run, photos, tmp_path, monkeypatch, capsys):
    whole = scorer_module.Scorer.score_with_maps

    def interrupted(self, *given):
        found = whole(self, *given)
        yield next(found)
        yield next(found)
        raise KeyboardInterrupt

    monkeypatch.setattr(scorer_module.Scorer, "score_with_maps", interrupted)
    assert main(["score", str(photos), f"--model={run}", f"--html={tmp_path / 'r.html'}"]) == 130
    said = capsys.readouterr()
    assert "the table has the 2 finished pictures" in said.err and len(said.out.splitlines()) == 3
    assert not list(tmp_path.iterdir())


def test_save_and_info(run, tmp_path, capsys):
    assert main(["save", str(run), str(tmp_path / "model")]) == 0
    capsys.readouterr()
    said = {}
    for name, source in (("run", run), ("model", tmp_path / "model")):
        assert main(["info", str(source)]) == 0
        said[name] = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
        said[name] = {key: value.strip() for key, value in said[name].items()}
    for key in ("backbone", "pooling", "picture", "pixels", "parameters", "fingerprint", "step", "pair accuracy"):
        assert said["run"][key] == said["model"][key], key
    assert said["run"]["backbone"] == "tiny, float32" and "17 test pictures" in said["run"]["pair accuracy"]
    assert main(["save", str(run), str(tmp_path / "model")]) == 2
    assert "exists: name another folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["score", "a.png", "--model=nowhere"], "no checkpoint in 'nowhere'"),
        (["score", "EMPTY", "--model=RUN"], "got no pictures"),
        (["score", "a.png", "--model=RUN", "--output=scores.xls"], "ends in .csv, .xlsx, .jsonl, .parquet"),
        (["score", "a.png", "--model=RUN", "--output=nowhere/o.csv"], "there is no folder 'nowhere'"),
        (["score", "a.png", "--model=RUN", "--html=ranking.htm"], "ends in .html"),
        (["score", "a.png", "--model=RUN", "--html=nowhere/r.html"], "there is no folder 'nowhere'"),
        (["score", "a.png", "--model=RUN", "--engine=ray", "-o", "EMPTY", "--html=r.html"], "got --html with --engine"),
        (["explain", "a.png", "--model=RUN", "-o", "map.jpg"], "ends in .png"),
        (["serve", "--model=RUN", "--port=70000"], "expected 0 to 65535"),
        (["score", "a.png", "--model=RUN", "--objectness=u2netp.onnx"], "for a model without objectness maps"),
        (["score", "a.png", "--model=hf:owner"], "expected hf:OWNER/NAME"),
        (["info", "nowhere"], "no checkpoint in 'nowhere'"),
        (["save", "nowhere", "EMPTY"], "no checkpoint in 'nowhere'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, run, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    known = {"RUN": str(run), "EMPTY": str(tmp_path / "empty")}
    for short, long in known.items():
        arguments = [argument.replace(short, long) for argument in arguments]
    assert main(arguments) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("\r") and line]
    assert lines[-1].startswith("lena-jax: error: ") and message in lines[-1]


def test_ctrl_c_ends_a_command_that_opens_a_model_even_where_it_would_be_dropped(tmp_path):
    script = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # Ignored where the tests run in the background.
from lena_jax.cli.main import main
from lena_jax.scoring import Scorer
def from_checkpoint(*given):
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        print("dropped")
Scorer.from_checkpoint = from_checkpoint
main(["score", "a.png", "--model=."])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 130 and done.stderr.strip() == "lena-jax: interrupted" and not done.stdout


def test_no_folder_for_the_file_is_wrong_usage(run, photos, tmp_path, capsys):
    assert main(["score", str(photos / "test_bmp.bmp"), f"--model={run}", f"--output={tmp_path}/no/o.csv"]) == 2
    assert "there is no folder" in capsys.readouterr().err


def test_help_is_instant_and_teaches():
    script = f"""
import sys
from lena_jax.cli.main import main
for arguments in {[[], *([command.__name__.rpartition(".")[2]] for command in COMMANDS)]}:
    try:
        main([*arguments, "--help"])
    except SystemExit as end:
        assert end.code == 0
heavy = {{"jax", "numpy", "PIL", "matplotlib", "tensorflow_datasets"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("example") >= len(COMMANDS) and "exit codes" in done.stdout


def test_the_installed_command_and_the_module_are_this_one():
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg", encoding="utf-8")
    name, target = setup["options.entry_points"]["console_scripts"].strip().split(" = ")
    module, function = target.split(":")
    assert name == "lena-jax" and module == "lena_jax.__main__"
    assert getattr(importlib.import_module(module), function).__code__.co_names.count("main") >= 1
    done = subprocess.run(
        [sys.executable, "-m", "lena_jax", "score", "--help"], capture_output=True, text=True, cwd=REPOSITORY
    )
    assert done.returncode == 0 and "usage: lena-jax score" in done.stdout
