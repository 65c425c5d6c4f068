"""Train on each of several datasets and test on all: how much accuracy is lost, and whether two remedies help.

    python experiments/cross_dataset.py --config=experiments/configs/paper/uiv.py:vgg16 --data=uiv/pairs,ivgp/pairs \\
        --workdir=runs/uiv_ivgp
    python experiments/cross_dataset.py --config=experiments/configs/quickstart.py --seeds=3 \\
        --data=planted,planted@data/other --workdir=runs/planted_cross

Write NAME@DIR for a dataset outside config.data.dir. Datasets without a test split need --config.data.folds=5: fold 0
of each is then its test part. WORKDIR gets table.md, table.csv, table.json, figure.png and a README.md that explains
them. The same command resumes after an interruption. --cell=3 does one training alone (--list prints the numbers).

The remedies: train on pairs within groups only, and take BatchNorm statistics from the target's pictures (AdaBN).
Standardising the scores is no remedy: it moves all scores of a dataset alike, so it changes no pair.
"""

from lena_jax.runtime import signals

if __name__ == "__main__":
    signals.end_silently()  # Before what takes longer to import.

from absl import flags
from ml_collections import config_flags

from lena_jax.cli import scripts

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config file of every run, see experiments/configs/.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the study; created if absent.")
_DATA = flags.DEFINE_list("data", None, "Two or more datasets, NAME or NAME@DIR, separated by commas.")
_SEEDS = flags.DEFINE_integer("seeds", 1, "Train each with this many seeds, counted from config.seed.")
_CELL = flags.DEFINE_integer("cell", None, "Do only this training, counted from 0.")
_LIST = flags.DEFINE_bool("list", False, "Print the numbers of the trainings and exit.")
flags.mark_flags_as_required(["config", "workdir", "data"])


def main():
    # Imported after the flags are read, so that --help and a typo answer at once.
    from lena_jax.studies import cross_dataset
    from lena_jax.studies.cross_report import cross_markdown

    study = cross_dataset.Study(_CONFIG.value, tuple(_DATA.value), _SEEDS.value)
    if _LIST.value:
        scripts.list_cells(study)
    else:
        scripts.print_table(cross_dataset.run(study, _WORKDIR.value, _CELL.value), cross_markdown, "trainings")


if __name__ == "__main__":
    scripts.run(main)
