"""Scores new pictures with a trained ranker, and ranks them.

    python experiments/score.py --workdir=runs/mine holiday/ other.jpg --csv=scores.csv --maps=maps

PICTURES are files and folders, which are searched with all that is below them. Prints a ranked table: rank, score,
percentile among the training pictures, the probability of being ahead of the next one, name; then what could not be
read and why (exit code 1 if there is any). --csv has the same in the order of the files (what is there when the command
is interrupted is in FILE.partial), --maps a drawing of each picture with the parts that raise and lower its score.
"""

import os
import sys

from absl import flags

from lena_jax.cli import scripts

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder that experiments/train.py or `lena-jax save` wrote, or hf:OWNER/NAME."
)
_CSV = flags.DEFINE_string("csv", None, "File to write the scores to: .csv, .jsonl or .parquet.")
_MAPS = flags.DEFINE_string("maps", None, "Folder for a drawing of each picture.")
_OBJECTNESS = flags.DEFINE_string("objectness", None, "ONNX file of U2-Net-p, for a ranker trained with objectness.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Where the data set lies, if it moved since training.")
flags.mark_flag_as_required("workdir")


def main(argv):
    if len(argv) < 2:
        raise ValueError("expected pictures: python experiments/score.py --workdir=DIR PICTURES...")
    from lena_jax.cli import scoring as commands
    from lena_jax.scoring import Scorer

    if _MAPS.value:
        os.makedirs(_MAPS.value, exist_ok=True)
    with commands.plain_warnings():
        scorer = Scorer.from_checkpoint(_WORKDIR.value, _OBJECTNESS.value, _DATA_DIR.value)
        results, gone = [], 0
        scored = _noted(commands.score(scorer, argv[1:]), results)
        if _CSV.value:
            commands.write(scored, _CSV.value)
        else:
            commands.collect(scored)
        print(commands.report(results))
        if _MAPS.value:
            gone = commands.draw(scorer, results, _MAPS.value)
            print(f"\nmaps    {_MAPS.value}")
    if gone or any(one.error is not None for one in results):
        sys.exit(1)


def _noted(results, into):
    for one in results:
        into.append(one)
        yield one


if __name__ == "__main__":
    scripts.run(main)
