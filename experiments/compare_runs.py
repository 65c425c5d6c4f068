"""Compare two evaluated runs on the same pictures and pairs.

    python experiments/compare_runs.py --workdirs=runs/a,runs/b

Prints how far the first run is ahead of the second in pair accuracy and Spearman's rho, with the paired 95 % interval
and the p-value of the hypothesis that both are equally good on new pictures. Writes the same to FIRST/comparison.json.
Both runs must be trained on the same dataset with the same splits (or folds), and evaluated on the same pairs
(experiments/evaluate.py --pairs).
"""

from lena_jax.runtime import signals

if __name__ == "__main__":
    signals.end_silently()  # Before what takes longer to import.

import os

from absl import flags

from lena_jax.cli import scripts

_WORKDIRS = flags.DEFINE_list("workdirs", None, "Folders of the two runs, separated by a comma.")
_SPLIT = flags.DEFINE_enum("split", "test", ["train", "validation", "test"], "Split that both were evaluated on.")
_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write (default: FIRST/comparison.json).")
flags.mark_flag_as_required("workdirs")


def main():
    from lena_jax.evaluation.compare_runs import compare_runs
    from lena_jax.report import tables

    output = _OUTPUT.value or os.path.join((_WORKDIRS.value or [""])[0], "comparison.json")
    print(tables.comparison_table(compare_runs(_WORKDIRS.value, _SPLIT.value, output), output))


if __name__ == "__main__":
    scripts.run(main)
