"""`lena-jax save`: export a run's best checkpoint as one folder."""

from lena_jax.cli import models

DESCRIPTION = """\
Exports the best checkpoint of a run as a folder to share. It holds three files: the weights (safetensors), their
description (JSON) and a model card. Any option or argument that takes a model takes this folder. Measures and
percentiles that the run does not have yet are computed first if its dataset is available.
"""

EXAMPLES = """\
example:
  lena-jax save runs/mine models/mine
"""


def add(commands, options):
    """Adds `save` to the command line."""
    parser = commands.add_parser(
        "save", help="export a run's best checkpoint as one folder", description=DESCRIPTION, epilog=EXAMPLES, **options
    )
    parser.add_argument("source", metavar="RUN", help="folder of the training run (--workdir of experiments/train.py)")
    parser.add_argument("folder", metavar="FOLDER", help="folder to write; must not exist yet")
    parser.add_argument(
        "--data_dir", metavar="DIR", help="where the dataset is now (default: where it was during training)"
    )
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Returns the exit code 0."""
    models.check_there(arguments.source)
    with models.ready():
        from lena_jax.evaluation.export import save_model

        print(f"wrote {save_model(arguments.source, arguments.folder, arguments.data_dir)}")
    return 0
