"""The records of the datasets: one for each folder, and all that `python -m data_prep` says comes from them."""

from pathlib import Path

import pytest

import data_prep
from data_prep import build_report, command
from data_prep.dataset_command import DatasetCommand

IMAGE_SCORES = ["image_scores", "--images=i", "--csv=c.csv", "--score=s"]
IVGP = ["ivgp", "--activities=a", "--images=i"]


def test_every_builder_has_its_record():
    (root,) = data_prep.__path__
    builders = {path.parent.name for path in Path(root).glob("*/*_dataset_builder.py")}
    assert len(builders) == 6 and {dataset.name for dataset in command.DATASETS} == builders
    for dataset in command.DATASETS:
        assert dataset.description and f"python -m data_prep build {dataset.name}" in dataset.examples
        assert f"  {dataset.name} " in command.DESCRIPTION and dataset.summary in command.DESCRIPTION


@pytest.mark.parametrize(
    ("argv", "config"),
    [
        (["planted"], "quickstart"),
        (["planted_clips"], "clips"),
        (IMAGE_SCORES, "image_scores"),
        ([*IMAGE_SCORES, "--name=pairs"], "image_scores"),
        ([*IMAGE_SCORES, "--frames=8"], "clips"),
        (["uiv", "--images=i"], None),
        (["uiv", "--images=i", "--config=images"], "image_scores"),
        (IVGP, "image_scores"),
        ([*IVGP, "--config=pairs"], None),
    ],
)
def test_the_config_that_trains_on_a_build(argv, config):
    arguments = command._parser().parse_args(["build", *argv])
    assert arguments.dataset.training_config(arguments) == config
    if config is not None:
        assert (Path(__file__).parents[2] / "experiments" / "configs" / f"{config}.py").is_file()


class Builder:
    """What `staging.build` needs of a builder: it writes a report only."""

    def __init__(self, data_dir, left_out):
        self.data_path = data_dir / "cats" / "small" / "1.0.0"
        self._report = {"fingerprint": "one", "counts": {"train": 3}, "left_out": left_out}

    def fingerprint(self):
        return "one"

    def download_and_prepare(self):
        self.data_path.mkdir(parents=True)
        build_report.write(self.data_path, self._report, "a table\n")


def test_a_record_is_all_that_a_new_dataset_needs(monkeypatch, tmp_path, capsys):
    def add_arguments(parser):
        parser.add_argument("--left_out", type=int)

    def prepare(arguments):
        if arguments.left_out is None:
            raise ValueError("got no --left_out")
        return lambda data_dir: Builder(data_dir, arguments.left_out)

    cats = DatasetCommand(
        name="cats",
        summary="pictures of cats",
        description="Finds cats.",
        examples="build cats",
        add_arguments=add_arguments,
        prepare=prepare,
        training_config=lambda arguments: "cat_config",
        left_out=lambda report: [f"left out {report['left_out']} dogs"],
    )
    monkeypatch.setattr(command, "DATASETS", (*command.DATASETS, cats))
    assert command.main(["build", "cats", f"--data_dir={tmp_path}"]) == 2
    assert capsys.readouterr().err == "data_prep: error: got no --left_out\n"
    assert command.main(["build", "cats", f"--data_dir={tmp_path}", "--left_out=4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["built cats/small: 3 train", "left out 4 dogs", "a table"]
    assert lines[3].split() == ["in", str(tmp_path / "cats" / "small" / "1.0.0")]
    assert "experiments/configs/cat_config.py --workdir=runs/small" in lines[4] and lines[4].endswith("--folds=5")
    assert command.main(["list", f"--data_dir={tmp_path}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "  cats/small/1.0.0"
