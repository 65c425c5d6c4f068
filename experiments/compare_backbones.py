"""Compare backbones on your own data: train each on each fold or seed; one table of accuracy, time and memory.

    python experiments/compare_backbones.py --config=experiments/configs/image_scores.py --folds=5 \\
        --config.data.name=image_scores/photos --workdir=runs/backbones \\
        --backbones=efficientnet_lite0:multilevel,dinov2_small:multilevel,siglip2_base,convnext_tiny

A backbone is NAME, NAME:ENDPOINT, or either with @SOURCE for other weights: a file, or hf:OWNER/NAME. Everything else
comes from the config. `python -m lena_jax.backbones list` prints the names.

WORKDIR gets table.md and table.json. Time and memory of the forward pass are measured here, with 8 pictures; with a
frozen backbone it runs once for each picture, and training then takes seconds. The same command resumes after an
interruption and does only what is missing; you may add backbones. --cell=17 does one run alone, for job arrays (--list
prints the numbers); the last job to finish writes the table.
"""

from lena_jax.runtime import signals

if __name__ == "__main__":
    signals.end_silently()  # Before what takes longer to import.

from absl import flags
from ml_collections import config_flags

from lena_jax.cli import scripts

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config file of every run, see experiments/configs/.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the comparison; created if absent.")
_BACKBONES = flags.DEFINE_list("backbones", None, "Backbones, each NAME[:ENDPOINT][@SOURCE].")
_FOLDS = flags.DEFINE_integer("folds", 0, "Cross-validate over this many folds of all pictures; 0: do not.")
_SEEDS = flags.DEFINE_integer("seeds", 1, "Train each with this many seeds, counted from config.seed.")
_CELL = flags.DEFINE_integer("cell", None, "Do only this run, counted from 0.")
_LIST = flags.DEFINE_bool("list", False, "Print the numbers of the runs and exit.")
flags.mark_flags_as_required(["config", "workdir", "backbones"])


def main(argv):
    if len(argv) > 1:
        raise ValueError(f"unexpected argument {argv[1]!r}: flags are written --name=value")
    # Imported after the flags are read, so that --help and a typo answer at once.
    from lena_jax.studies import backbones

    study = backbones.Study(_CONFIG.value, tuple(_BACKBONES.value), _FOLDS.value, _SEEDS.value)
    if _LIST.value:
        print("\n".join(f"{number} {name}" for number, name in enumerate(study.configs())))
        return
    rows = backbones.run(study, _WORKDIR.value, _CELL.value)
    print("done; other runs are still missing" if rows is None else backbones.markdown(rows))


if __name__ == "__main__":
    scripts.run(main)
