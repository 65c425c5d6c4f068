"""Trains on each of several data sets and tests on all of them: what is lost on the way, and two remedies.

    python experiments/cross_dataset.py --config=experiments/configs/paper/uiv.py:vgg16 --data=uiv/pairs,ivgp/pairs \\
        --workdir=runs/uiv_ivgp
    python experiments/cross_dataset.py --config=experiments/configs/quickstart.py --seeds=3 \\
        --data=planted,planted@data/other --workdir=runs/planted_cross

A data set that lies elsewhere than config.data.dir is NAME@DIR. Data sets without a test split need
--config.data.folds=5: fold 0 of each is its test part then. WORKDIR gets table.md, table.csv, table.json, figure.png
and a README.md about them; the same command goes on after an interruption. With --cell=3 only the training of that
number is done (--list prints the numbers).

The remedies: training on pairs within groups only, and BatchNorm statistics from the target's pictures (AdaBN).
Standardising the scores is none of them: it moves all scores of a data set alike, and so changes no pair.
"""

from absl import flags
from ml_collections import config_flags

from lena_jax.cli import scripts

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config file of every run, see experiments/configs/.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the study; made if absent.")
_DATA = flags.DEFINE_list("data", None, "Two or more data sets: NAME, or NAME@DIR, with commas between.")
_SEEDS = flags.DEFINE_integer("seeds", 1, "Train each with this many seeds, counted from config.seed.")
_CELL = flags.DEFINE_integer("cell", None, "Do only the training of this number, from 0.")
_LIST = flags.DEFINE_bool("list", False, "Print the numbers of the trainings and do none.")
flags.mark_flags_as_required(["config", "workdir", "data"])


def main(argv):
    if len(argv) > 1:
        raise ValueError(f"unexpected argument {argv[1]!r}: flags are written --name=value")
    # Imported after the flags are read, so that --help and a typo answer at once.
    from lena_jax.studies import cross_dataset
    from lena_jax.studies.cross_report import cross_markdown

    study = cross_dataset.Study(_CONFIG.value, tuple(_DATA.value), _SEEDS.value)
    if _LIST.value:
        print("\n".join(f"{number} {name}" for number, name in enumerate(study.configs())))
        return
    table = cross_dataset.run(study, _WORKDIR.value, _CELL.value)
    print("done; other trainings are still missing" if table is None else cross_markdown(table))


if __name__ == "__main__":
    scripts.run(main)
