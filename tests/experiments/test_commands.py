import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "experiments/configs/quickstart.py"


# In place of a network that takes longer to compile than all else here.
TINY = ["--config.backbone.name=tiny", "--config.backbone.endpoint=", "--config.backbone.pretrained=False"]


def test_train_and_evaluate(planted_dir, tmp_path, trainings):
    done = trainings.command(
        "train.py",
        f"--config={QUICKSTART}",
        *TINY,
        f"--workdir={tmp_path / 'run'}",
        f"--config.data.dir={planted_dir}",
        "--config.image_size=64",
        "--config.steps=4",
        "--config.batch_size=8",
        "--config.pooling=max",
        "--profile",
    )
    assert done["code"] == 0, done["err"]
    assert "evaluate.py" in done["out"] and "training" in done["err"]
    assert "mean per step (1 traced)" in done["out"] and "waiting for the next batch" in done["out"]
    assert len(list((tmp_path / "run/profile").rglob("*.xplane.pb"))) == 1
    (tmp_path / "run/report.html").unlink()
    done = trainings.command("evaluate.py", f"--workdir={tmp_path / 'run'}", "--split=validation")
    assert done["code"] == 0, done["err"]
    assert "pair accuracy" in done["out"] and "Warning" not in done["err"]
    metrics = json.loads((tmp_path / "run/validation_metrics.json").read_text())
    assert metrics["pictures"] == 16 and metrics["pooling"] == "max" and "eta" not in metrics
    assert f"{metrics['pair_accuracy']['value']:.3f}" in (tmp_path / "run/report.html").read_text()


def test_folds_of_an_own_folder_in_groups(tmp_path, trainings):
    """Cross-validate on pictures with a CSV."""
    from PIL import Image

    from data_prep import command

    (tmp_path / "photos").mkdir()
    rows = ["image,likes,site"]
    for index in range(24):
        Image.new("RGB", (70, 90), (index * 10, 255 - index * 10, 30)).save(tmp_path / f"photos/{index}.png")
        rows.append(f"{index}.png,{index + (1000 if index % 2 else 0)},{'ab'[index % 2]}")
    (tmp_path / "photos.csv").write_text("\n".join(rows))
    options = [f"--images={tmp_path / 'photos'}", f"--csv={tmp_path / 'photos.csv'}", "--score=likes", "--group=site"]
    assert command.main(["build", "image_scores", *options, f"--data_dir={tmp_path / 'data'}"]) == 0
    done = trainings.command(
        "train.py",
        "--config=experiments/configs/image_scores.py",
        *TINY,
        "--config.data.name=image_scores/photos",
        f"--config.data.dir={tmp_path / 'data'}",
        "--folds=2",
        "--config.image_size=64",
        f"--workdir={tmp_path / 'run'}",
    )
    assert done["code"] == 0, done["err"]
    summary = json.loads((tmp_path / "run/metrics.json").read_text())
    assert [fold["pictures"] for fold in summary["runs"].values()] == [12, 12]
    # Colour decides the order within a site, but not across sites.
    assert summary["mean"]["pair_accuracy"]["value"] > 0.8
    assert "mean" in done["out"] and (tmp_path / "run/fold_1/maps.png").exists()
    assert (tmp_path / "run/fold_1/report.html").exists() and not list((tmp_path / "run").rglob("profile"))


@pytest.mark.parametrize(
    "script, arguments, message",
    [
        ("train.py", ["--config.modle=3"], "no config key 'config.modle'"),
        ("train.py", ["--config.data.nme=planted"], "did you mean 'name'"),
        ("train.py", ["--wokdir=x"], "workdir"),
        ("train.py", ["--config.steps=many"], "many"),
        ("train.py", ["stray"], "stray"),
        ("train.py", ["--config.batch_size=6"], "batch_size=6, 4 devices"),
        ("train.py", ["--config.data.dir=nowhere"], "python -m data_prep build planted"),
        ("train.py", ["--config=missing.py"], "missing.py"),
        ("train.py", ["--config=README.md"], "expected a Python file"),
        ("train.py", ["--config.backbone.frozn", "False"], "did you mean 'frozen'"),
        ("train.py", ["--profile", "--folds=3"], "--profile together with --folds"),
        ("train.py", ["--folds=-3"], "folds must be 0 or at least 2"),
        ("evaluate.py", ["--workdir=nowhere"], "no checkpoint in 'nowhere'"),
        ("evaluate.py", [], "workdir"),
        ("evaluate.py", ["--workdir=nowhere", "--check_maps=-1"], "check_maps"),
        ("compare_runs.py", ["--workdirs=nowhere,elsewhere"], "no evaluation of the test pictures in 'nowhere'"),
        ("compare_runs.py", ["--workdirs=nowhere"], "two folders, got 1: nowhere"),
        ("compare_pooling.py", ["--poolings=lena,averge", "--seeds=2"], "got pooling 'averge', expected one of lena,"),
        ("compare_pooling.py", [], "folds=0 and seeds=1"),
        ("compare_pooling.py", ["--seeds=2", "--against=top_n:3"], "got 'top_n:3' and the poolings lena,average"),
        (
            "cross_dataset.py",
            ["--data=planted"],
            "at least two datasets with different names (or folders), got planted",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(script, arguments, message, tmp_path, trainings):
    base = (
        [f"--config={QUICKSTART}", f"--workdir={tmp_path / 'run'}"]
        if script in ("train.py", "compare_pooling.py", "cross_dataset.py")
        else []
    )
    done = trainings.command(script, *base, *arguments, devices=4)
    assert done["code"] == 2, done["err"]
    lines = done["err"].strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and message in lines[0]
    assert not (tmp_path / "run").exists() and not (ROOT / "nowhere").exists()


def test_a_folder_that_cannot_be_made_is_one_line_and_exit_code_1(planted_dir, tmp_path, trainings):
    (tmp_path / "file").write_text("")
    done = trainings.command(
        "train.py",
        f"--config={QUICKSTART}",
        f"--workdir={tmp_path / 'file/run'}",
        "--config.image_size=64",
        f"--config.data.dir={planted_dir}",
        "--config.backbone.frozen=False",
    )
    assert done["code"] == 1
    assert done["err"].strip().splitlines()[-1].startswith("error: ") and "Traceback" not in done["err"]


def test_a_typo_in_ones_own_config_file_is_named(tmp_path, trainings):
    text = (ROOT / "experiments/configs/finetune.py").read_text()
    (tmp_path / "mine.py").write_text(text.replace("weight_decay", "weigth_decay"))
    done = trainings.command("train.py", f"--config={tmp_path / 'mine.py'}", f"--workdir={tmp_path / 'run'}")
    assert done["code"] == 2 and not (tmp_path / "run").exists()
    assert "mine.py" in done["err"] and 'Did you mean "weight_decay"' in done["err"]


def test_help_teaches():
    # As a user starts it, in a process of its own.
    done = subprocess.run([sys.executable, ROOT / "experiments/train.py", "--help"], capture_output=True, text=True)
    assert "--config=experiments/configs/quickstart.py" in done.stdout and "--folds" in done.stdout


def test_the_library_imports_neither_its_clients_nor_tensorflow():
    unwanted = ["tensorflow", "torch", "experiments", "data_prep"]
    modules = "lena_jax.train.loop, lena_jax.evaluation.export, lena_jax.studies.repeated_runs"
    code = f"import sys, {modules}; print([m for m in {unwanted} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr
