"""Write the files of an evaluation, from made-up scores."""

import csv
import json

import numpy as np

from lena_jax.data.pairs import write_pairs
from lena_jax.metrics import pairs_to_compare

IDS = np.array([f"{number}.jpg" for number in range(20)])
SCORES = np.random.default_rng(0).normal(size=20)


def evaluation(workdir, noise, seed, groups=None, fingerprint="f" * 64, ids=IDS, pairs=None):
    """Write the files of an evaluation; return the predicted scores."""
    workdir.mkdir(parents=True)
    predicted = SCORES + noise * np.random.default_rng(seed).normal(size=20)
    order = np.argsort(-predicted)  # The order of the rows differs between runs, as in real evaluations.
    with (workdir / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "group", "score", "predicted"])
        writer.writerows(
            [ids[index], "" if groups is None else groups[index], SCORES[index], predicted[index]] for index in order
        )
    with (workdir / "pairs.csv").open("w", newline="") as file:
        write_pairs(file, ids, pairs_to_compare(SCORES, groups) if pairs is None else pairs)
    (workdir / "metrics.json").write_text(json.dumps({"data": "photos", "fingerprint": fingerprint}))
    return predicted
