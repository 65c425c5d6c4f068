"""What the command line knows about one dataset: the record in each dataset's `command.py`."""

import argparse
import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from data_prep import build_report


@dataclasses.dataclass(frozen=True)
class DatasetCommand:
    """One dataset of `python -m data_prep build`.

    The command line imports the records of all datasets before it answers `--help`, so the module of a record imports
    nothing heavy: `prepare` imports the builder.

    Attributes:
        name: the dataset's name, which is also that of its folder and of its subcommand.
        summary: what it is, in one line, for `list` and `--help`.
        description: what it builds, shown above the options in its `--help`.
        examples: commands to copy, shown below the options.
        add_arguments: adds the dataset's options to a parser. Every dataset has `--data_dir` and `--overwrite` as well.
        prepare: checks the options, fetches what is missing, and returns what makes the builder (a
            `StreamingBuilder`) for a data_dir. Raises ValueError for bad options.
        training_config: returns the name of the config in `experiments/configs` that trains on what the options build;
            None if training on single pictures does not read it.
        left_out: returns lines that say what a build left out, from its report. A builder that writes a table beside
            its report (see `build_report`) needs none.
    """

    name: str
    summary: str
    description: str
    examples: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    prepare: Callable[[argparse.Namespace], Callable[[Path], Any]]
    training_config: Callable[[argparse.Namespace], str | None]
    _: dataclasses.KW_ONLY
    left_out: Callable[[dict[str, Any]], Iterable[str]] = lambda report: ()

    def built_in(self, data_dir: Path) -> list[Path]:
        """Return the folders of all that was built of this dataset in `data_dir`, sorted."""
        # Stored as NAME/VERSION without configs, and as NAME/CONFIG/VERSION with them.
        reports = (data_dir.glob(f"{self.name}/{place}/{build_report.NAME}") for place in ("*", "*/*"))
        return sorted(report.parent for found in reports for report in found)


def add_follow_links(parser: Any) -> None:
    """Add `--follow_links` to a parser."""
    parser.add_argument(
        "--follow_links",
        action="store_true",
        help="links in the folder of pictures may lead out of it, as tools for versions of data make them",
    )


def add_number(parser: Any, flag: str, default: float, metavar: str | None, help: str) -> None:
    """Add an option that takes a number of the type of its default, and says so in its help.

    Args:
        parser: a parser, or a group of one.
        flag: the option, such as `--delay`.
        default: an int or a float.
        metavar: what the help calls the value; None for the option's own name.
        help: what the option does.
    """
    parser.add_argument(
        flag, type=type(default), default=default, metavar=metavar, help=f"{help} (default: %(default)s)"
    )
