"""Evaluate a trained ranker from its checkpoint alone.

    python experiments/evaluate.py --workdir=runs/mine

Prints a table, and writes metrics.json, scores.csv, pairs.csv, maps.png and report.html into the workdir. A run that
has no percentiles yet gets them too (training_scores.json). --pairs=runs/other/pairs.csv compares exactly the pairs
that another evaluation compared.
"""

from lena_jax.runtime import signals

if __name__ == "__main__":
    signals.end_silently()  # Before what takes longer to import.

from absl import flags

from lena_jax.cli import scripts

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder that experiments/train.py wrote.")
_SPLIT = flags.DEFINE_enum("split", "test", ["train", "validation", "test"], "Split to evaluate.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the dataset, if it moved since training.")
_PAIRS = flags.DEFINE_string("pairs", None, "pairs.csv of another evaluation: compare the same pairs.")
_CHECK_MAPS = flags.DEFINE_integer(
    "check_maps",
    0,
    "Check the maps of this many pictures by occlusion, insertion and deletion. Takes seconds to a minute per picture.",
    lower_bound=0,
)
flags.mark_flag_as_required("workdir")


def main():
    from lena_jax.evaluation.evaluate import evaluate
    from lena_jax.report import tables
    from lena_jax.report.page import write_report

    metrics = evaluate(_WORKDIR.value, _SPLIT.value, _DATA_DIR.value, _PAIRS.value, _CHECK_MAPS.value)
    write_report(_WORKDIR.value, _DATA_DIR.value)
    print(tables.table(metrics, _WORKDIR.value))


if __name__ == "__main__":
    scripts.run(main)
