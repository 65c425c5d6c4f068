"""`python -m data_prep build planted_clips`."""

import argparse
from collections.abc import Callable

from data_prep.dataset_command import DatasetCommand
from data_prep.planted import command as planted_command
from data_prep.planted_clips.split_sizes import COUNTS

SUMMARY = "short clips of the same kind, in which objects come and go"

DESCRIPTION = """\
Like `planted`, but clips of eight frames. Each object shows in a run of one to eight frames, and counts the same in
the score however long its run is. The veil stays. The best possible pair accuracy is near 0.95 again.
"""

EXAMPLES = """\
example:
  python -m data_prep build planted_clips
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    planted_command.add_arguments(parser, "clips", COUNTS)


def _prepare(arguments: argparse.Namespace) -> Callable:
    from data_prep.planted_clips import Builder

    return lambda data_dir: Builder(data_dir=data_dir, **planted_command.builder_options(arguments))


COMMAND = DatasetCommand(
    "planted_clips", SUMMARY, DESCRIPTION, EXAMPLES, _add_arguments, _prepare, training_config=lambda arguments: "clips"
)
