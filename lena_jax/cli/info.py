"""`lena-jax info`: describe a trained model."""

from lena_jax.cli import models

DESCRIPTION = """\
Describes a trained model, either the best checkpoint of a run or a saved model: network, preprocessing, training
dataset, and measures if it has been evaluated. Scores nothing.
"""

EXAMPLES = """\
examples:
  lena-jax info runs/mine
  lena-jax info models/mine
"""


def add(commands, options):
    """Adds `info` to the command line."""
    parser = commands.add_parser(
        "info", help="describe a trained model", description=DESCRIPTION, epilog=EXAMPLES, **options
    )
    parser.add_argument("model", metavar="MODEL", help=models.MODEL_HELP)
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Returns the exit code 0."""
    models.check_there(arguments.model)
    with models.ready():
        from lena_jax.cli import information

        print(information.text(arguments.model))
    return 0
