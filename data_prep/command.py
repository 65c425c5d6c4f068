"""The command line of `python -m data_prep`: list, build and inspect datasets."""

import argparse
import importlib
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from data_prep import build_report, inspect_commands, objectness_command, rank_command
from data_prep.dataset_command import DatasetCommand
from lena_jax.runtime import console
from lena_jax.runtime.signals import Interrupted, stoppable

# All datasets, in the order of `list` and `--help`. To add one, add its folder, with a `command.py`, and its name here.
DATASETS: tuple[DatasetCommand, ...] = tuple(
    importlib.import_module(f"data_prep.{name}.command").COMMAND
    for name in (
        "planted",
        "planted_clips",
        "image_scores",
        "image_pairs",
        "uiv",
        "ivgp",
    )
)

_WIDTH = max(len(dataset.name) for dataset in DATASETS)

DESCRIPTION = "Builds datasets of scored pictures to train on.\n\n" + "".join(
    f"  {dataset.name:<{_WIDTH}}  {dataset.summary}\n" for dataset in DATASETS
)

EXAMPLES = """\
examples:
  python -m data_prep list
  python -m data_prep build planted
  python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes
  python -m data_prep build image_pairs --images=photos --csv=choices.csv
  python -m data_prep build image_scores --help
  python -m data_prep describe planted
  python -m data_prep check planted
  python -m data_prep objectness planted
  python -m data_prep rank choices.csv -o scores.csv
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, 1 for a failure, 2 for bad input, 130 or 143 if interrupted.

    An error is one line on stderr.
    """
    with console.patient_output():
        try:
            with stoppable("data_prep"):
                arguments = _parser().parse_args(console.arguments(argv))
                return arguments.run(arguments) or 0
        except ValueError as error:
            print(f"data_prep: error: {' '.join(str(error).split())}", file=sys.stderr)
            return 2
        except OSError as error:
            print(f"data_prep: error: {' '.join(str(error).split())}", file=sys.stderr)
            return 1
        except KeyboardInterrupt as error:
            stop = error if isinstance(error, Interrupted) else Interrupted()
            print(f"data_prep: {stop.word}, nothing was left behind", file=sys.stderr)
            return stop.code


def _parser() -> argparse.ArgumentParser:
    options = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser = argparse.ArgumentParser("python -m data_prep", description=DESCRIPTION, epilog=EXAMPLES, **options)
    commands = parser.add_subparsers(title="commands", required=True)

    command = commands.add_parser("list", help="what can be built, and what is there", **options)
    _add_data_dir(command)
    command.set_defaults(run=_list)

    build = commands.add_parser("build", help="build a dataset", description=DESCRIPTION, epilog=EXAMPLES, **options)
    names = build.add_subparsers(title="datasets", required=True)
    for dataset in DATASETS:
        command = names.add_parser(
            dataset.name, help=dataset.summary, description=dataset.description, epilog=dataset.examples, **options
        )
        dataset.add_arguments(command)
        _add_data_dir(command)
        command.add_argument("--overwrite", action="store_true", help="replace a dataset of this name")
        command.set_defaults(run=_build, dataset=dataset)

    inspect_commands.add(commands, options, _add_data_dir)
    objectness_command.add(commands, options, _add_data_dir)
    rank_command.add(commands, options)
    return parser


def _add_data_dir(parser: argparse.ArgumentParser) -> None:
    default = os.path.expanduser(os.environ.get("TFDS_DATA_DIR") or "data")
    parser.add_argument(
        "--data_dir",
        default=default,
        metavar="DIR",
        help="folder of all datasets (default: TFDS_DATA_DIR or data; now %(default)s)",
    )


def _list(arguments: argparse.Namespace) -> None:
    print(DESCRIPTION)
    root = Path(arguments.data_dir).expanduser()
    there = [folder for dataset in DATASETS for folder in dataset.built_in(root)]
    print(f"built in {root}:" if there else f"nothing is built in {root} yet")
    for folder in there:
        print(f"  {folder.relative_to(root)}")


def built(options: Sequence[str]):
    """Build what the options of the command line say, or find it built, as `_build` does.

    Returns:
        `staging.Built`.

    Raises:
        ValueError: bad input.
    """
    found, lines = _built(_parser().parse_args(["build", *options]))
    console.say("\n".join(lines))
    return found


def _build(arguments: argparse.Namespace) -> None:
    """Build a dataset with a progress bar, and say what was kept, what was left out and what to do next."""
    found, lines = _built(arguments)
    lines.append(f"in    {found.path}")
    if config := arguments.dataset.training_config(arguments):
        lines.append("next  " + _training_command(config, found, arguments.data_dir))
    console.say("\n".join(lines))


def _built(arguments: argparse.Namespace):
    dataset: DatasetCommand = arguments.dataset
    make = dataset.prepare(arguments)
    # Imported here so that --help and a mistyped option answer at once.
    from absl import logging

    from data_prep import staging
    from lena_jax.runtime.progress import counted

    logging.set_verbosity(logging.ERROR)

    def progress(examples, split, total):
        return counted(examples, split, total)

    def make_with_progress(data_dir):
        builder = make(data_dir)
        builder.progress = progress
        return builder

    found = staging.build(make_with_progress, Path(arguments.data_dir), arguments.overwrite)
    counts = ", ".join(f"{count:,} {split}" for split, count in found.report["counts"].items())
    lines = [f"{'built' if found.fresh else 'already there, made from the same input:'} {found.name}: {counts}"]
    lines += dataset.left_out(found.report)
    lines += build_report.read_table(found.path).splitlines()
    return found, lines


def _training_command(config: str, built, data_dir: str) -> str:
    command = f"python experiments/train.py --config=experiments/configs/{config}.py"
    command += f" --workdir=runs/{built.name.split('/')[-1]}"
    command += f" --config.data.name={built.name} --config.data.dir={shlex.quote(str(data_dir))}"
    if "test" not in built.report["counts"]:
        command += " --folds=5"
    return command
