"""`lena-jax compare`: which of two pictures is ahead, and why."""

from lena_jax.cli import models

DESCRIPTION = """\
Predicts which of two pictures is ahead (has the higher true score), and shows why. Prints the probability that A is
ahead of B. With --output, draws both pictures with maps: red regions of either picture favour A, blue regions favour B.
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
    parser.add_argument("first", metavar="A", help="the first picture file")
    parser.add_argument("second", metavar="B", help="the second picture file")
    models.add_model(parser)
    parser.add_argument("-o", "--output", metavar="PNG", help="PNG file to draw the maps to (default: no drawing)")
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Returns the exit code: 0, or 1 if a picture could not be read."""
    if arguments.output:
        models.check_drawing(arguments.output, arguments.first, arguments.second)
    with models.opened(arguments) as scorer, models.pictures_read(arguments.first, arguments.second) as outcome:
        pair = scorer.compare(arguments.first, arguments.second)
        print(
            f"{pair.probability:.3f} that the first is ahead: score {pair.left.score:+.4f} against "
            f"{pair.right.score:+.4f}"
        )
        if arguments.output:
            from lena_jax.scoring import drawing

            drawing.save_comparison(arguments.output, pair)
            print(f"map   {arguments.output}")
        models.say_if_trained_on(arguments.model, arguments.first, arguments.second)
    return outcome.code
