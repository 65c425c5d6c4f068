"""`lena-jax explain`: where in a picture its score comes from."""

from lena_jax.cli import models

DESCRIPTION = """\
Prints the score of a picture and the parts that raise it most, and draws its map: red parts raise the score, blue
parts lower it, boxes are around those that raise it most.
"""

EXAMPLES = """\
example:
  lena-jax explain picture.jpg --model=runs/mine -o map.png
"""


def add(commands, options):
    """Adds `explain` to the command line."""
    parser = commands.add_parser(
        "explain", help="where in a picture its score comes from", description=DESCRIPTION, epilog=EXAMPLES, **options
    )
    parser.add_argument("picture", metavar="PICTURE")
    models.add_model(parser)
    parser.add_argument("-o", "--output", required=True, metavar="PNG", help="drawing to write")
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Returns 0, or 1 if the picture could not be read."""
    models.check_drawing(arguments.output, arguments.picture)
    with models.opened(arguments) as scorer, models.pictures_read() as outcome:
        from lena_jax.scoring import drawing

        one = scorer.explain(arguments.picture)
        drawing.save_explanation(arguments.output, one)
        percentile = "" if one.percentile is None else f", higher than {one.percentile:.1f} % of training pictures"
        print(f"score {one.score:+.4f}{percentile}")
        for top, left, bottom, right in one.boxes.tolist():
            print(f"raised by the part from ({left}, {top}) to ({right}, {bottom})")
        print(f"map   {arguments.output}")
    return outcome.code
