"""Code that subcommands share: arguments that name a model, opening it, and the handling of unreadable pictures."""

import argparse
import contextlib
import logging
import os
import sys

from lena_jax.cli.parsing import near, there_are
from lena_jax.runtime.notices import plain_notices
from lena_jax.runtime.signals import ended_at_once

MODEL_HELP = "trained model: folder that `lena-jax train` or `lena-jax save` wrote, of a training run, or hf:OWNER/NAME"


def add_model(parser):
    """Adds --model and the options that go with it."""
    parser.add_argument("--model", required=True, metavar="MODEL", help=MODEL_HELP)
    parser.add_argument(
        "--objectness",
        metavar="ONNX",
        help="U2-Net-p ONNX file; only for models trained with objectness maps (default: the file in an "
        "installed package)",
    )
    # Accepted until version 0.3: percentiles are in the run's folder now.
    parser.add_argument("--data_dir", metavar="DIR", help=argparse.SUPPRESS)


@contextlib.contextmanager
def opened(arguments):
    """Opens the `Scorer` that the arguments name. Inside the block each warning is one line."""
    check_there(arguments.model)
    with ready():
        with ended_at_once():
            from lena_jax.scoring import Scorer

            if sys.stderr is not None and sys.stderr.isatty():
                # The first picture compiles the model, which is the longest wait without a bar.
                print(f"opening {arguments.model}; the first picture takes longest ...", file=sys.stderr)
            scorer = Scorer.from_checkpoint(arguments.model, arguments.objectness, arguments.data_dir)
        yield scorer


def trained_on(model):
    """Returns `TrainedPictures` of a model, which knows none where the model's folder does not say."""
    from lena_jax.runs import trained_pictures

    return trained_pictures.read(model)


def say_if_trained_on(model, *pictures):
    """Prints to stderr how many of a command's pictures the model was trained on, if any."""
    known = trained_on(model)
    for one in pictures:
        known.see(one)
    if known.said():
        print(known.said(), file=sys.stderr)


def check_there(model):
    """Raises `ValueError` if a model is no folder at all; what is in it is checked when it is opened."""
    place = os.path.expanduser(model)
    if model.startswith("hf:") or os.path.isdir(place):
        return
    if os.path.isdir(f"{place}.partial"):
        raise ValueError(f"no checkpoint in {model!r}: `lena-jax train` has not finished it; type its command again")
    what = "it is a file" if os.path.exists(place) else "there is no such folder"
    raise ValueError(f"no checkpoint in {model!r}: {what}; expected what `lena-jax train` wrote{there_are()}")


@contextlib.contextmanager
def ready():
    """Sets up JAX with its on-disk compilation cache, and silences the logs of the libraries."""
    with ended_at_once():
        from absl import logging as absl_logging

        absl_logging.set_verbosity(absl_logging.FATAL)
        logging.getLogger("jax").setLevel(logging.ERROR)

        from lena_jax.runtime.compilation_cache import keep_compiled_programs

        keep_compiled_programs()
    with plain_notices():
        yield


def check_drawing(output, *pictures):
    """Raises `ValueError` if a drawing is not a .png, its folder does not exist, or it would overwrite its picture."""
    folder = os.path.dirname(output)
    if not output.lower().endswith(".png"):
        raise ValueError(f"got the output {output!r}, expected a name that ends in .png")
    if not os.path.isdir(folder or "."):
        raise ValueError(f"got the output {output!r}, but there is no folder {folder!r}")
    if any(os.path.exists(output) and os.path.exists(one) and os.path.samefile(output, one) for one in pictures):
        raise ValueError(f"got the output {output!r}, which is the picture itself")


class Outcome:
    """The exit code of a command."""

    code = 0


@contextlib.contextmanager
def pictures_read(*paths):
    """Ends the block at the first unusable picture: prints the reason to stderr and sets the exit code to 1.

    Of `paths`, which the block reads, one that is not there is answered with what could be meant.
    """
    from lena_jax.data.pictures import BadPicture

    outcome = Outcome()
    try:
        yield outcome
    except BadPicture as error:
        from lena_jax.scoring.result_files import printable

        hint = "".join(map(near, paths))
        if any(os.path.isdir(os.path.expanduser(path)) for path in paths):
            hint += "; of a folder: lena-jax score FOLDER"
        print(f"lena-jax: {printable(str(error) + hint)}", file=sys.stderr)
        outcome.code = 1
