"""Compares two evaluated runs on the same pictures and pairs.

    python experiments/compare_runs.py --workdirs=runs/a,runs/b

Prints by how much the pair accuracy and Spearman's rho of the first are above those of the second, with the paired 95 %
interval and the p-value of "both are equally good on new pictures", and writes the same into
FIRST/comparison.json. Both runs must be trained on the same data set, parted the same way (the same splits, or the
same folds), and evaluated on the same pairs (experiments/evaluate.py --pairs).
"""

import os

from absl import flags

from lena_jax.cli import scripts

_WORKDIRS = flags.DEFINE_list("workdirs", None, "The folders of the two runs, with a comma between.")
_SPLIT = flags.DEFINE_enum("split", "test", ["train", "validation", "test"], "Pictures that both were evaluated on.")
_OUTPUT = flags.DEFINE_string("output", None, "Path of the JSON; FIRST/comparison.json if not given.")
flags.mark_flag_as_required("workdirs")


def main(argv):
    if len(argv) > 1:
        raise ValueError(f"unexpected argument {argv[1]!r}: flags are written --name=value")
    from lena_jax.evaluation.compare_runs import compare_runs
    from lena_jax.report import tables

    output = _OUTPUT.value or os.path.join((_WORKDIRS.value or [""])[0], "comparison.json")
    print(tables.comparison_table(compare_runs(_WORKDIRS.value, _SPLIT.value, output), output))


if __name__ == "__main__":
    scripts.run(main)
