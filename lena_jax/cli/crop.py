"""`lena-jax crop`: the crop of a picture with the highest score, for each shape that a site wants."""

import math
import os
import re

from lena_jax.cli import models

DESCRIPTION = """\
Finds, for each shape, the crop of a picture with the highest score, and prints it beside the crop in the middle. With
--output, writes the crops as files into a folder, and a drawing of them with their maps.

The score is this model's, and the highest of some forty scores is higher than it deserves. A crop that is ahead by a
few percent is no better than the one in the middle: choose by eye.
"""

EXAMPLES = """\
examples:
  lena-jax crop picture.jpg --model=models/photos
  lena-jax crop picture.jpg --model=models/photos --aspect=1:1,4:5 -o crops
"""


def add(commands, options):
    """Adds `crop` to the command line."""
    parser = commands.add_parser(
        "crop", help="the crop with the highest score", description=DESCRIPTION, epilog=EXAMPLES, **options
    )
    parser.add_argument("picture", metavar="PICTURE", help="picture file to crop")
    models.add_model(parser)
    parser.add_argument(
        "--aspect",
        default="1:1,4:5,16:9",
        metavar="W:H,...",
        help="shapes of the crops, width to height, separated by commas (default: %(default)s)",
    )
    parser.add_argument("-o", "--output", metavar="FOLDER", help="folder for the crops and their drawing")
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Returns the exit code: 0, or 1 if the picture could not be read."""
    aspects = _aspects(arguments.aspect)
    if arguments.output and os.path.exists(arguments.output) and not os.path.isdir(arguments.output):
        raise ValueError(f"got --output={arguments.output}, which is a file, expected a folder or nothing there")
    with models.opened(arguments) as scorer, models.pictures_read(arguments.picture) as outcome:
        from lena_jax.runtime.progress import counted
        from lena_jax.scoring.crops import best_crop
        from lena_jax.scoring.results import percent

        whole = scorer.explain(arguments.picture)
        found = {
            name: best_crop(scorer, whole.picture, aspect)
            for name, aspect in counted(aspects.items(), "crops", unit="shapes")
        }
        print(f"whole picture, {whole.picture.shape[1]}x{whole.picture.shape[0]} px: score {whole.score:+.4f}")
        print(f"{'shape':>7}  {'score':>8}  {'in the middle':>13}  {'ahead of it':>11}  from (left, top), size")
        for name, one in found.items():
            top, left, bottom, right = one.box
            print(
                f"{name:>7}  {one.score:>+8.4f}  {one.centre_score:>+13.4f}  {percent(one.ahead):>11}  "
                f"({left}, {top}), {right - left}x{bottom - top}"
            )
        tried = max(one.tried for one in found.values())
        print(f"highest of up to {tried} crops each, by this model's score; near 50 %, the middle is as good")
        if arguments.output:
            print(f"crops {_write(arguments, scorer, whole, found)}")
        models.say_if_trained_on(arguments.model, arguments.picture)
    return outcome.code


def _aspects(text):
    """Reads --aspect: {name: width / height}."""
    found = {}
    for one in filter(None, (part.strip() for part in text.split(","))):
        sides = re.fullmatch(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)", one)
        aspect = float(sides[1]) / float(sides[2]) if sides and float(sides[2]) else math.nan
        if not 0.1 <= aspect <= 10:
            raise ValueError(f"got --aspect={one!r}, expected W:H between 1:10 and 10:1, such as 4:5")
        found[one] = aspect
    if not found:
        raise ValueError("got no --aspect, expected W:H, such as 4:5")
    return found


def _write(arguments, scorer, whole, found):
    """Writes the crops and the drawing; returns the folder's name."""
    from PIL import Image

    from lena_jax.runtime.files import write_whole
    from lena_jax.scoring import drawing
    from lena_jax.scoring.crops import cut

    folder, stem = arguments.output, os.path.splitext(os.path.basename(arguments.picture))[0]
    os.makedirs(folder, exist_ok=True)
    explained = []
    for name, one in found.items():
        pixels = cut(whole.picture, one.box)
        explained.append(scorer.explain(pixels))
        path = os.path.join(folder, f"{stem}_{name.replace(':', 'x')}.png")
        write_whole(path, lambda file, pixels=pixels: Image.fromarray(pixels).save(file, "PNG"), "wb")
    drawing.save_crops(os.path.join(folder, f"{stem}_crops.png"), whole, explained, list(found))
    return folder
