"""Trains a siamese ranker.

    python experiments/train.py --config=experiments/configs/quickstart.py --workdir=runs/mine

Any key of the config can be set: --config.pooling=average --config.steps=500. Run again after an interruption,
the same command goes on from the newest checkpoint.

With --folds=5 the pictures are parted into five folds; each is the test part of one run (in WORKDIR/fold_0, ...), which
is evaluated, and the means are reported. --seeds=3 does the same with three seeds, and both together with each seed on
each fold. --fold=2 (or --seed=1) does that one alone, for the jobs of a cluster; the last job reports the means.

Several processes train one model, on as many machines, when each gets the same command and is told which one it is:
--coordinator=HOST:PORT (of the first) --num_processes=4 --process_id=0; or --distributed where the cluster tells.
WORKDIR must be on a disk that all share.

With --profile the fourth to eighth step are traced, and what they cost is printed.
"""

import os

from absl import flags
from ml_collections import config_flags

from lena_jax.cli import scripts

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config file, see experiments/configs/.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run; made if absent.")
_FOLDS = flags.DEFINE_integer("folds", 0, "Cross-validate over this many folds of all pictures; 0: no.")
_SEEDS = flags.DEFINE_integer("seeds", 1, "Train with this many seeds, counted from config.seed.")
_FOLD = flags.DEFINE_integer("fold", None, "Of --folds, do only the fold of this number, from 0.")
_SEED = flags.DEFINE_integer("seed", None, "Of --seeds, do only the seed of this number, from 0.")
_PROFILE = flags.DEFINE_bool("profile", False, "Trace a few steps into WORKDIR/profile, and print what takes the time.")
_COORDINATOR = flags.DEFINE_string("coordinator", None, "HOST:PORT of the first of several processes.")
_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many processes train together.")
_PROCESS = flags.DEFINE_integer("process_id", None, "Which of them this is, from 0.")
_DISTRIBUTED = flags.DEFINE_bool("distributed", False, "Several processes, which the cluster (SLURM, TPU) tells about.")
flags.mark_flags_as_required(["config", "workdir"])


def main(argv):
    if len(argv) > 1:
        raise ValueError(f"unexpected argument {argv[1]!r}: flags are written --name=value")
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
                "got several processes together with --folds or --seeds, expected one run: its folds and "
                "seeds can be separate jobs, see --fold"
            )
        if _PROFILE.value:
            raise ValueError("got --profile together with --folds or --seeds, expected one run: leave the others out")
        results = repeated_runs.run(config, _WORKDIR.value, _FOLDS.value, _SEEDS.value, _FOLD.value, _SEED.value)
        print("done; other runs are still missing" if results is None else tables.runs_table(results))
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
