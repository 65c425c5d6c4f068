"""Compare poolings on one dataset: train each pooling with each fusion on each fold or seed, and write one table.

    python experiments/compare_pooling.py --config=experiments/configs/image_scores.py \\
        --config.data.name=image_scores/photos --folds=5 --workdir=runs/poolings
    python experiments/compare_pooling.py --config=experiments/configs/quickstart.py --seeds=5 \\
        --poolings=lena,average,max,top_n:1,top_n:20 --fusions=none,concat,gate --workdir=runs/planted_poolings

A pooling may carry its main option (`top_n:5`, `lena:0.5`, `gem:3`, `lse:5`, `softmax:1`); its other options come from
the config. WORKDIR gets table.md, table.csv, table.json, figure.png and a README.md that explains them. The same
command resumes after an interruption and does only what is missing; you may add poolings and fusions. --against=lena
compares the finished runs with another baseline.

--cell=17 does one run alone, for job arrays (--list prints the numbers); the last job to finish writes the table.
"""

from lena_jax.runtime import signals

if __name__ == "__main__":
    signals.end_silently()  # Before what takes longer to import.

from absl import flags
from ml_collections import config_flags

from lena_jax.cli import scripts

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config file of every run, see experiments/configs/.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the comparison; created if absent.")
_POOLINGS = flags.DEFINE_list("poolings", None, "Poolings, such as lena,average,top_n:5 (default: all).")
_FUSIONS = flags.DEFINE_list("fusions", ["none"], "Fusions of objectness maps, from none,concat,gate,learned_gate.")
_FOLDS = flags.DEFINE_integer("folds", 0, "Cross-validate over this many folds of all pictures; 0: do not.")
_SEEDS = flags.DEFINE_integer("seeds", 1, "Train each with this many seeds, counted from config.seed.")
_AGAINST = flags.DEFINE_string("against", "average", "Baseline that the other poolings are compared with.")
_CELL = flags.DEFINE_integer("cell", None, "Do only this run, counted from 0.")
_LIST = flags.DEFINE_bool("list", False, "Print the numbers of the runs and exit.")
flags.mark_flags_as_required(["config", "workdir"])


def main():
    # Imported after the flags are read, so that --help and a typo answer at once.
    from lena_jax.pooling import POOLINGS
    from lena_jax.studies import poolings
    from lena_jax.studies.poolings_report import poolings_markdown

    study = poolings.Study(
        _CONFIG.value,
        tuple(_POOLINGS.value or POOLINGS),
        tuple(_FUSIONS.value),
        _FOLDS.value,
        _SEEDS.value,
        _AGAINST.value,
    )
    if _LIST.value:
        scripts.list_cells(study)
    else:
        scripts.print_table(poolings.run(study, _WORKDIR.value, _CELL.value), poolings_markdown)


if __name__ == "__main__":
    scripts.run(main)
