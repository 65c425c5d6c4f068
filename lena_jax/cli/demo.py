"""`lena-jax demo`: train, score and explain on pictures that the command makes itself."""

import os
import shlex

from lena_jax.cli import explain, models, score, train
from lena_jax.cli.parsing import Parser

DESCRIPTION = """\
Shows the whole way without any data of yours: draws pictures whose score is known (the strongest object on a photograph
makes it), trains a model on them, ranks new ones on a page, and draws where the score of the best one comes from. Takes
a few minutes. Each step is printed as the command that you would type for your own pictures.
"""

EXAMPLES = """\
example:
  lena-jax demo
  lena-jax demo -o /tmp/demo
"""

_TRAINING, _NEW = 240, 24


def add(commands, options):
    """Adds `demo` to the command line."""
    parser = commands.add_parser(
        "demo", help="try everything on pictures that it makes", description=DESCRIPTION, epilog=EXAMPLES, **options
    )
    parser.add_argument(
        "-o", "--output", default="lena-jax-demo", metavar="FOLDER", help="folder for all of it (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Returns the exit code 0."""
    folder = arguments.output
    if os.path.exists(folder) and not _ours(folder):
        raise ValueError(f"got --output={folder}, which is there already, expected an unused name")
    with models.ready():
        _draw(folder)
    model, page, drawing = (os.path.join(folder, name) for name in ("model", "ranking.html", "map.png"))
    new = os.path.join(folder, "new")
    pictures, table = os.path.join(folder, "pictures"), os.path.join(folder, "pictures.csv")
    for command in (
        ["train", pictures, f"--table={table}", "--score=score", "--strength=quick", "-o", model],
        ["score", new, f"--model={model}", f"--html={page}"],
        ["explain", os.path.join(new, _best(folder)), f"--model={model}", "-o", drawing],
    ):
        print(f"\n$ lena-jax {shlex.join(command)}", flush=True)
        parsed = _parser().parse_args(command)
        if code := parsed.run(parsed):
            return code
    print(f"\nOpen {page}, {drawing} and {os.path.join(model, 'report.html')}. Then your own: lena-jax train --help")
    return 0


def _parser():
    parser = Parser("lena-jax")
    commands = parser.add_subparsers()
    for command in (train, score, explain):
        command.add(commands, {})
    return parser


def _ours(folder):
    """Whether an earlier demo drew the pictures in the folder."""
    return all(os.path.isfile(os.path.join(folder, f"{name}.csv")) for name in ("new", "pictures"))


def _best(folder):
    """Returns the name of the new picture with the highest known score."""
    import csv

    with open(os.path.join(folder, "new.csv"), newline="", encoding="utf-8") as file:
        return max(csv.DictReader(file), key=lambda row: float(row["score"]))["image"]


def _draw(folder):
    """Draws the pictures, or finds them drawn: the same ones every time."""
    import csv

    from PIL import Image

    from data_prep.planted import scene
    from lena_jax.runtime.files import write_whole
    from lena_jax.runtime.progress import counted

    if _ours(folder):
        return
    size = 128
    for split, name, count in (("test", "new", _NEW), ("train", "pictures", _TRAINING)):
        rows = []
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        for index in counted(range(count), f"drawing {name}"):
            picture = scene.compose(0, split, index, size, "spot")
            path = os.path.join(folder, name, f"{index:05}.png")
            Image.fromarray(picture.image).save(path)
            rows.append((os.path.basename(path), f"{picture.score:.4f}"))

        def write(file, rows=rows):
            csv.writer(file).writerows([("image", "score"), *rows])

        # Last: where the table is, all pictures are.
        write_whole(os.path.join(folder, f"{name}.csv"), write)
    print(f"drew {_TRAINING} pictures with scores and {_NEW} new ones into {folder}")
