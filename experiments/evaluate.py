"""Evaluates a trained ranker from its checkpoint alone.

    python experiments/evaluate.py --workdir=runs/mine

Prints a table, leaves metrics.json, scores.csv, pairs.csv and maps.png in the workdir and writes its report.html. With
--pairs=runs/other/pairs.csv exactly the pairs are compared that the other evaluation compared.
"""

from absl import flags

from lena_jax.cli import scripts

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder that experiments/train.py wrote.")
_SPLIT = flags.DEFINE_enum("split", "test", ["train", "validation", "test"], "Pictures to evaluate on.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Where the data set lies, if it moved since training.")
_PAIRS = flags.DEFINE_string("pairs", None, "The pairs.csv of another evaluation: compare the same pairs.")
_CHECK_MAPS = flags.DEFINE_integer(
    "check_maps",
    0,
    "Of so many pictures, check the maps by covering parts of the "
    "picture: occlusion, insertion and deletion. Seconds to a minute each.",
    lower_bound=0,
)
flags.mark_flag_as_required("workdir")


def main(argv):
    if len(argv) > 1:
        raise ValueError(f"unexpected argument {argv[1]!r}: flags are written --name=value")
    from lena_jax.evaluation.evaluate import evaluate
    from lena_jax.report import tables
    from lena_jax.report.page import write_report

    metrics = evaluate(_WORKDIR.value, _SPLIT.value, _DATA_DIR.value, _PAIRS.value, _CHECK_MAPS.value)
    write_report(_WORKDIR.value, _DATA_DIR.value)
    print(tables.table(metrics, _WORKDIR.value))


if __name__ == "__main__":
    scripts.run(main)
