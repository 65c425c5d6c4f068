"""Train on one dataset and test on another: how much accuracy drops, and how much two remedies recover."""

import dataclasses
import json
import os

import jax
import ml_collections
import numpy as np

from lena_jax.config import as_json
from lena_jax.data.splits import fingerprint, open_pictures
from lena_jax.metrics import compare_trainings, holm, pair_accuracy, pairs_to_compare
from lena_jax.models.predict import predict, predictor_of
from lena_jax.runs import checkpoints, folder
from lena_jax.runs.load import best_step, load_ranker
from lena_jax.runtime.files import write_whole
from lena_jax.runtime.progress import counted
from lena_jax.studies.adabn import adapt_batch_norm, running_update
from lena_jax.studies.cross_report import write_cross
from lena_jax.studies.study import RUNS, run_missing

ADAPTATION_PICTURES = 512  # More pictures hardly change the statistics.
REMEDIES = ("none", "within groups", "AdaBN", "within groups, AdaBN")


@dataclasses.dataclass(frozen=True)
class Study:
    """What to compare: every dataset is a source to train on and a target to test on.

    Attributes:
        config: config of every run, except for `data.name`, `data.dir`, `pairs.across_groups` and `seed`. With
            `data.folds`, fold `data.fold` of each dataset is its test split.
        data: names of at least two datasets; `NAME@DIR` for one that is not in `config.data.dir`.
        seeds: number of seeds, counted from `config.seed`.

    Raises:
        ValueError: if there are fewer than two datasets, two of them are equal, or there is no seed.
    """

    config: ml_collections.ConfigDict
    data: tuple
    seeds: int = 1

    def __post_init__(self):
        labels = [label_of(one) for one in self.data]
        if len(labels) < 2 or len(set(labels)) < len(labels):
            raise ValueError(
                f"data must be at least two datasets with different names (or folders), got "
                f"{','.join(self.data) or 'none'}"
            )
        if self.seeds < 1:
            raise ValueError(f"seeds must be at least 1, got {self.seeds}")

    def config_of(self, data, across_groups=False, seed=0):
        """Return the config of one run."""
        config = ml_collections.ConfigDict(self.config.to_dict())
        name, _, folder = data.partition("@")
        config.data.name, config.data.dir = name, folder or config.data.dir
        config.pairs.across_groups = across_groups
        config.seed = self.config.seed + seed
        return config

    def configs(self):
        """Return {folder: config}: each source with pairs across groups and, if it has groups, within them."""
        found = {}
        for data in self.data:
            for across in (True, False) if has_groups(self.config_of(data)) else (True,):
                found |= {
                    self.folder(data, across, seed): self.config_of(data, across, seed) for seed in range(self.seeds)
                }
        return found

    def folder(self, data, across_groups, seed):
        """Return the folder of a run, relative to the study's."""
        return os.path.join(RUNS, label_of(data), "across_groups" if across_groups else "within_groups", f"seed_{seed}")


def label_of(data):
    """Return a name for a dataset that is valid as a folder: `planted_b` for `planted@data/b`."""
    name, _, folder = data.partition("@")
    return name.replace("/", "_") + (f"_{os.path.basename(os.path.normpath(folder))}" if folder else "")


def has_groups(config):
    """Tell whether ranking within groups differs from ranking all training pictures."""
    train = open_pictures(config)["train"]
    return train.pairs is None and train.groups is not None and len(np.unique(train.groups)) > 1


def run(study, workdir, only=None):
    """Do the missing runs, test each on every dataset, and write the table.

    Args:
        study: `Study`.
        workdir: folder of the study.
        only: index of the one run to do, for a cluster's job array; None for all.

    Returns:
        The table (see `table_of`), or None while runs are missing.

    Raises:
        ValueError: see `study.run_missing`.
    """
    config = as_json(study.config)
    del config["data"]["name"], config["pairs"]["across_groups"]
    shared = {
        "kind": "cross data",
        "config": config,
        "data": [label_of(one) for one in study.data],
        "seeds": study.seeds,
    }
    runs = study.configs()
    if run_missing(workdir, shared, runs, only) is None:
        return None
    targets = {}
    for data in study.data:
        parts = open_pictures(study.config_of(data))
        targets[data] = (parts, fingerprint(parts))
    work = [(folder, data) for folder in runs for data in study.data]
    scores = {
        (folder, data): _tested(os.path.join(workdir, folder), study.config_of(data), *targets[data], label_of(data))
        for folder, data in counted(work, "tests", unit="tests")
    }
    table = table_of(study, {data: parts["test"] for data, (parts, _) in targets.items()}, scores)
    write_whole(os.path.join(workdir, "table.json"), lambda file: json.dump(table, file, indent=2, allow_nan=False))
    write_cross(table, workdir)
    return table


def table_of(study, tests, scores):
    """Build the table of all sources, targets and remedies.

    Pair accuracy is measured on the target's test pictures, for all models on the same pairs. The *drop* is the pair
    accuracy after training on the target minus that after training on the source. The *gain* of a remedy is the pair
    accuracy with it minus that without. Both come from `compare_trainings`: they are averaged over the seeds, and their
    95 % intervals and p-values are over the target's test pictures, for these trainings. The p-values of the gains are
    Holm-corrected over all gains of the table.

    Args:
        study: `Study`.
        tests: {dataset: its test pictures}.
        scores: {(folder of a run, dataset to test on): {"plain": [n], "adapted": [n] or None}}.

    Returns:
        {"data": labels, "seeds", "rows": [{"source", "target", "remedy", "note": why the row is empty or "",
        "pair_accuracy", "drop", "gain"}]}. `pair_accuracy` is a float; `drop` and `gain` are results of
        `compare_trainings`; each may be None.
    """
    rows = []
    for target in study.data:
        test = tests[target]
        pairs = pairs_to_compare(test.scores, test.groups, study.config.pairs.min_gap, given=test.decided_pairs())

        def compare(first, second, test=test, pairs=pairs):
            return compare_trainings(first, second, test.scores, test.groups, pairs)["pair_accuracy"]

        def predicted(source, across, kind, target=target):
            found = [
                scores.get((study.folder(source, across, seed), target), {}).get(kind) for seed in range(study.seeds)
            ]
            return None if any(one is None for one in found) else np.array(found)

        own = predicted(target, True, "plain")
        for source in study.data:
            base = predicted(source, True, "plain")
            for remedy in REMEDIES if source != target else REMEDIES[:2]:
                within, adapted = "within" in remedy, "AdaBN" in remedy
                here = predicted(source, not within, "adapted" if adapted else "plain")
                row = {
                    "source": label_of(source),
                    "target": label_of(target),
                    "remedy": remedy,
                    "note": "",
                    "pair_accuracy": None,
                    "drop": None,
                    "gain": None,
                }
                if here is None:
                    groups = predicted(source, False, "plain") is not None
                    row["note"] = "no BatchNorm" if groups or not within else "no groups"
                else:
                    row |= {
                        "pair_accuracy": float(np.mean([pair_accuracy(one, pairs) for one in here])),
                        "drop": compare(own, here) if source != target else None,
                        "gain": compare(here, base) if remedy != "none" else None,
                    }
                rows.append(row)
    gains = [row["gain"] for row in rows if row["gain"]]
    for gain, p in zip(gains, holm([gain["p_value"] for gain in gains]), strict=True):
        gain["p_holm"] = p
    return {"data": [label_of(one) for one in study.data], "seeds": study.seeds, "rows": rows}


def _tested(path, config, parts, digest, label):
    """Score the test pictures with the run in `path`, without and with AdaBN: {"plain", "adapted"}.

    The scores are read from the run's file if that is of the same pictures and checkpoint, else computed and written.
    """
    file_path = os.path.join(path, f"on_{label}.json")
    step = best_step(path)
    # A repeated run has another checkpoint of the same step. Older files do not name their checkpoint.
    made_from = {"fingerprint": digest, "step": step, "checkpoint": checkpoints.identity(path, step)}
    stored = folder.read_record(file_path)
    if stored is not None and all(stored.get(name, value) == value for name, value in made_from.items()):
        if not {"ids", "plain", "adapted"} <= set(stored):
            raise ValueError(f"{file_path!r} is damaged, scores are missing: delete it")
        return stored
    model, variables, *_ = load_ranker(path)
    test, size = parts["test"], config.batch_size
    predictor = predictor_of(config)
    result = {
        **made_from,
        "ids": test.ids.tolist(),
        "adapted": None,
        "plain": predictor(model, variables, test, size, f"scoring {label}")[0].tolist(),
    }
    if "batch_stats" in variables:
        adapted = adapt_batch_norm(running_update(model), variables, _batches(model, parts["train"], size))
        result["adapted"] = predict(model, adapted, test, size, f"scoring {label}, adapted")[0].tolist()
    write_whole(file_path, lambda file: json.dump(result, file, allow_nan=False))
    return result


def _batches(model, pictures, size):
    """Yield full batches of some training pictures in random order; their scores are not used."""
    order = np.random.default_rng(0).permutation(len(pictures))[:ADAPTATION_PICTURES]
    size = min(size, len(order))
    for start in range(0, len(order) - size + 1, size):
        yield jax.tree.map(
            lambda *rows: np.stack(rows), *(model.whole(pictures, index) for index in order[start : start + size])
        )
