"""Train a siamese ranker.

    python experiments/train.py --config=experiments/configs/quickstart.py --workdir=runs/mine

Set any key of the config: --config.pooling=average --config.steps=500. After an interruption, the same command resumes
from the newest checkpoint.

--folds=5 splits the pictures into five folds. Each fold is the test part of one run (WORKDIR/fold_0, ...), which is
evaluated, and the means are reported. --seeds=3 does the same with three seeds; both flags together train each seed on
each fold. --fold=2 (or --seed=1) does that run alone, for job arrays; the last job to finish reports the means.

To train one model with several processes, on one machine or several, give each the same command and tell it which one
it is: --coordinator=HOST:PORT (of the first) --num_processes=4 --process_id=0. On SLURM or a TPU pod,
--distributed finds this out. WORKDIR must be on a disk that all of them share.

--profile traces steps 4 to 8 and prints what they cost.
"""

from lena_jax.runtime import signals

if __name__ == "__main__":
    signals.end_silently()  # Before what takes longer to import.

import os

from absl import flags
from ml_collections import config_flags

from lena_jax.cli import scripts

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config file, see experiments/configs/.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run; created if absent.")
_FOLDS = flags.DEFINE_integer("folds", 0, "Cross-validate over this many folds of all pictures; 0: do not.")
_SEEDS = flags.DEFINE_integer("seeds", 1, "Train with this many seeds, counted from config.seed.")
_FOLD = flags.DEFINE_integer("fold", None, "With --folds, do only this fold, counted from 0.")
_SEED = flags.DEFINE_integer("seed", None, "With --seeds, do only this seed, counted from 0.")
_PROFILE = flags.DEFINE_bool("profile", False, "Trace a few steps into WORKDIR/profile and print what takes the time.")
_COORDINATOR = flags.DEFINE_string("coordinator", None, "HOST:PORT of the first of several processes.")
_PROCESSES = flags.DEFINE_integer("num_processes", None, "Number of processes that train together.")
_PROCESS = flags.DEFINE_integer("process_id", None, "Number of this process, counted from 0.")
_DISTRIBUTED = flags.DEFINE_bool("distributed", False, "Ask the cluster (SLURM, TPU) about the processes.")
flags.mark_flags_as_required(["config", "workdir"])


def main():
    # Imported after the flags are read, so that --help and a typo answer at once.
    from lena_jax.runtime.distributed import joined

    with joined(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value, _DISTRIBUTED.value, explain=scripts.explain):
        _train()


def _train():
    from lena_jax.report import tables
    from lena_jax.report.page import write_report
    from lena_jax.runtime import distributed
    from lena_jax.studies import repeated_runs
    from lena_jax.train import profiling
    from lena_jax.train.loop import train

    config = _CONFIG.value
    if (_FOLDS.value, _SEEDS.value, _FOLD.value, _SEED.value) != (0, 1, None, None):
        if distributed.count() > 1:
            raise ValueError(
                "got several processes together with --folds or --seeds, expected a single run. Run folds and "
                "seeds as separate jobs, see --fold"
            )
        if _PROFILE.value:
            raise ValueError(
                "got --profile together with --folds or --seeds, expected a single run: leave out --folds and --seeds"
            )
        results = repeated_runs.run(config, _WORKDIR.value, _FOLDS.value, _SEEDS.value, _FOLD.value, _SEED.value)
        scripts.print_table(results, tables.runs_table)
    else:
        with profiling.StepProfile(os.path.join(_WORKDIR.value, "profile")) as profile:
            losses = train(config, _WORKDIR.value, watch=profile.watch if _PROFILE.value else iter)
        if distributed.index():
            return
        if _PROFILE.value:
            print(profile.report())
        page = os.path.join(_WORKDIR.value, "report.html")
        if losses.size or not os.path.exists(page):
            write_report(_WORKDIR.value)
        print(f"trained, see {page}; next: python experiments/evaluate.py --workdir={_WORKDIR.value}")


if __name__ == "__main__":
    scripts.run(main)
