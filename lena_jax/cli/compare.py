"""`lena-jax compare`: which of two pictures is ahead, and why."""

from lena_jax.cli import models

DESCRIPTION = """\
Prints the model's probability that the first picture is ahead of the second, and draws what speaks for each: red parts
of either picture speak for the first, blue parts for the second.
"""

EXAMPLES = """\
example:
  lena-jax compare a.jpg b.jpg --model=runs/mine -o pair.png
"""


def add(commands, options):
    """Adds `compare` to the command line."""
    parser = commands.add_parser(
        "compare", help="which of two pictures is ahead, and why", description=DESCRIPTION, epilog=EXAMPLES, **options
    )
    parser.add_argument("first", metavar="A")
    parser.add_argument("second", metavar="B")
    models.add_model(parser)
    parser.add_argument("-o", "--output", metavar="PNG", help="drawing to write")
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Returns 0, or 1 if a picture could not be read."""
    if arguments.output:
        models.check_drawing(arguments.output, arguments.first, arguments.second)
    with models.opened(arguments) as scorer, models.pictures_read() as outcome:
        pair = scorer.compare(arguments.first, arguments.second)
        print(
            f"{pair.probability:.3f} that the first is ahead: score {pair.left.score:+.4f} against "
            f"{pair.right.score:+.4f}"
        )
        if arguments.output:
            from lena_jax.scoring import drawing

            drawing.save_comparison(arguments.output, pair)
            print(f"map   {arguments.output}")
    return outcome.code
