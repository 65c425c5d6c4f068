"""`lena-jax save`: a run's best checkpoint as one folder to pass on."""

from lena_jax.cli import models

DESCRIPTION = """\
Writes the best checkpoint of a run as a folder of three files: the weights (safetensors), what they are (JSON), and a
model card. Wherever a model is asked for, the folder can be given. With the run's data set at hand, what is missing of
the measures and percentiles is computed first.
"""

EXAMPLES = """\
example:
  lena-jax save runs/mine models/mine
"""


def add(commands, options):
    """Adds `save` to the command line."""
    parser = commands.add_parser(
        "save", help="a run's checkpoint as one folder", description=DESCRIPTION, epilog=EXAMPLES, **options
    )
    parser.add_argument("source", metavar="RUN", help="folder that experiments/train.py wrote")
    parser.add_argument("folder", metavar="FOLDER", help="to write; it must not be there yet")
    parser.add_argument("--data_dir", metavar="DIR", help="where the data set lies now")
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Returns 0."""
    with models.ready():
        from lena_jax.evaluation.export import save_model

        print(f"wrote {save_model(arguments.source, arguments.folder, arguments.data_dir)}")
    return 0
