"""`lena-jax info`: what a checkpoint is."""

from lena_jax.cli import models

DESCRIPTION = """\
Says what a run's best checkpoint or a saved model is: network, preprocessing, data set, measures. Scores nothing.
"""

EXAMPLES = """\
examples:
  lena-jax info runs/mine
  lena-jax info models/mine
"""


def add(commands, options):
    """Adds `info` to the command line."""
    parser = commands.add_parser(
        "info", help="what a checkpoint is", description=DESCRIPTION, epilog=EXAMPLES, **options
    )
    parser.add_argument("model", metavar="CHECKPOINT", help=models.MODEL_HELP)
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Returns 0."""
    with models.ready():
        from lena_jax.cli import information

        print(information.text(arguments.model))
    return 0
