"""Entry point of `lena-jax` and `python -m lena_jax`: parses arguments, runs one subcommand, returns an exit code."""

import argparse
import errno
import os
import re
import sys
from collections.abc import Sequence

from lena_jax.cli import compare, crop, demo, explain, info, judge, pick, save, score, serve, train, video
from lena_jax.cli.parsing import Parser
from lena_jax.runtime import console
from lena_jax.runtime.signals import Interrupted, stoppable

DESCRIPTION = """\
Trains a ranker on your own pictures, scores and ranks pictures with it, shows which regions of a picture its score
comes from, and exports models to share. A model is what `lena-jax train` or `lena-jax save` wrote, the folder of a
training run (runs/...), or hf:OWNER/NAME on the Hugging Face hub.
"""

EXAMPLES = """\
examples:
  lena-jax demo
  lena-jax train photos/ --table=photos.csv --score=likes -o models/photos
  lena-jax judge photos/ -o choices.csv
  lena-jax score holiday/ --model=runs/mine
  lena-jax score holiday/ --model=runs/mine --output=scores.csv
  find . -name '*.jpg' | lena-jax score - --model=runs/mine --output=scores.jsonl
  lena-jax explain picture.jpg --model=runs/mine -o map.png
  lena-jax compare a.jpg b.jpg --model=runs/mine -o pair.png
  lena-jax crop picture.jpg --model=runs/mine --aspect=1:1,4:5 -o crops
  lena-jax pick series/ --model=runs/mine
  lena-jax video clip.mp4 --model=runs/mine -o clip_moments
  lena-jax serve --model=runs/mine
  lena-jax info runs/mine
  lena-jax save runs/mine models/mine

`lena-jax COMMAND --help` explains one command and its options.

exit codes: 0 success; 1 some pictures could not be read, or a file could not be written; 2 wrong usage or bad input;
130 interrupted (Ctrl-C); 143 terminated
"""

COMMANDS = (demo, judge, train, score, explain, compare, crop, pick, video, serve, info, save)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code. An error prints one line to stderr."""
    with console.patient_output():
        try:
            with stoppable("lena-jax"):
                # A key of the config, as the scripts take it, is a value of one option here.
                given = console.arguments(argv)
                given = [f"--config={one[9:]}" if one.startswith("--config.") else one for one in given]
                arguments = _parser().parse_args(given)
                return arguments.run(arguments)
        except FileNotFoundError as error:
            return _fail(_explained(error), 2)
        except ValueError as error:
            return _fail(error, 2)
        except OSError as error:
            return _fail(_explained(error), 1)
        except KeyboardInterrupt as error:
            stop = error if isinstance(error, Interrupted) else Interrupted(*error.args)
            print("\n" + ": ".join([f"lena-jax: {stop.word}", *map(str, stop.args)]), file=sys.stderr)
            return stop.code


def _explained(error: OSError) -> str:
    """Returns which file it is, why, and what to do about it."""
    if error.filename is None or error.strerror is None:
        return str(error)
    what_to_do = {
        errno.EACCES: ": change its permissions, or use another place; -o names where to write",
        errno.EPERM: ": change its permissions, or use another place; -o names where to write",
        errno.ENOTDIR: ": a part of this path is a file, not a folder: write to another place with --output",
        errno.EROFS: ": write to another place with --output",
        errno.ENOSPC: ": make room and type the same command again, or write to another place with --output",
    }
    # The name that the finished file would have.
    name = re.sub(r"\.[0-9a-f]{32}\.unfinished$", "", os.fsdecode(error.filename))
    return f"{name!r}: {error.strerror}{what_to_do.get(error.errno, '')}"


def _fail(error, code: int) -> int:
    print(f"lena-jax: error: {' '.join(str(error).split())}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    options = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser = Parser("lena-jax", description=DESCRIPTION, epilog=EXAMPLES, **options)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands, options)
    return parser
