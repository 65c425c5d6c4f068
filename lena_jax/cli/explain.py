"""`lena-jax explain`: where in a picture its score comes from."""

from lena_jax.cli import models

DESCRIPTION = """\
Shows where in a picture its score comes from. Prints the score and the regions that raise it most, and draws a map
over the picture: red regions raise the score, blue regions lower it, boxes mark the regions that raise it most.
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
    parser.add_argument("picture", metavar="PICTURE", help="picture file to explain")
    models.add_model(parser)
    parser.add_argument("-o", "--output", required=True, metavar="PNG", help="PNG file to draw the map to")
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Returns the exit code: 0, or 1 if the picture could not be read."""
    models.check_drawing(arguments.output, arguments.picture)
    with models.opened(arguments) as scorer, models.pictures_read(arguments.picture) as outcome:
        from lena_jax.scoring import drawing

        one = scorer.explain(arguments.picture)
        drawing.save_explanation(arguments.output, one)
        percentile = "" if one.percentile is None else f", higher than {one.percentile:.1f} % of training pictures"
        print(f"score {one.score:+.4f}{percentile}")
        for top, left, bottom, right in one.boxes.tolist():
            print(f"raised by the region from ({left}, {top}) to ({right}, {bottom})")
        print(f"map   {arguments.output}")
        models.say_if_trained_on(arguments.model, arguments.picture)
    return outcome.code
