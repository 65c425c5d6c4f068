"""A study: many runs in one folder, done one by one and in any order; finished runs are not repeated."""

import json
import os

import jax

from lena_jax.config import MAY_DIFFER, as_json, differing_keys
from lena_jax.data.splits import open_pictures
from lena_jax.evaluation.evaluate import evaluate
from lena_jax.metrics import pairs_to_compare
from lena_jax.models import ranker
from lena_jax.models.predict import predictor_of
from lena_jax.runs.folder import read_record, write_json
from lena_jax.runtime.progress import counted
from lena_jax.studies.repeated_runs import finished
from lena_jax.train.loop import train

# Subfolder of a study that holds its runs.
RUNS = "cells"


def run_missing(workdir, study, configs, only=None):
    """Train and evaluate the unfinished runs of a study, in a folder that holds only this study.

    With a frozen backbone, the test pictures are scored from the feature cache of training (`predict_from_cache`).
    Finished runs are skipped; interrupted runs resume from their newest checkpoint.

    Args:
        workdir: folder of the study; created, with `study.json` in it, after all runs passed `check`.
        study: what all runs of the study share, as a dict of JSON values.
        configs: {folder in `workdir`: config of the run}.
        only: index in `configs` of the one run to do; None for all.

    Returns:
        {folder: metrics}, or None while runs are missing.

    Raises:
        ValueError: if the folder holds another study, `only` is out of range, or a run's data or pooling cannot work
            (found before anything is written); see also `train`.
    """
    path = os.path.join(workdir, "study.json")
    _refuse_another(path, study)
    if only is not None and not 0 <= only < len(configs):
        raise ValueError(f"the index of a run must be in [0, {len(configs)}), got {only}")
    chosen = list(configs) if only is None else [list(configs)[only]]
    missing = [name for name in chosen if finished(os.path.join(workdir, name), configs[name]) is None]
    if missing:
        check([configs[name] for name in missing])
    os.makedirs(workdir, exist_ok=True)
    if not os.path.exists(path):
        write_json(path, study)
    with counted(what="runs", total=len(configs), done=len(chosen) - len(missing), unit="runs") as bar:
        for before, name in zip([None, *missing], missing, strict=False):
            if before and os.path.dirname(name) != os.path.dirname(before):
                # Programs compiled for the previous runs are not needed again, and would fill the memory.
                jax.clear_caches()
            bar.set_postfix_str(name, refresh=False)
            run_one(configs[name], os.path.join(workdir, name))
            bar.update()
    results = {name: finished(os.path.join(workdir, name), config) for name, config in configs.items()}
    return None if None in results.values() else results


def _refuse_another(path, study):
    theirs = read_record(path)
    if theirs is None:
        return
    may_differ = {f"config.{key}" for key in MAY_DIFFER}
    different = set(differing_keys(json.loads(json.dumps(study)), theirs)) - may_differ
    if different:
        raise ValueError(
            f"{os.path.dirname(path)!r} holds a study of another config; these keys differ: "
            f"{sorted(different)}. Use a new --workdir, or delete {os.path.dirname(path)!r}"
        )


def run_one(config, path):
    """Train and evaluate one run, and return its metrics."""
    train(config, path)
    return evaluate(path, predictor=predictor_of(config), sheet=False)


def check(configs):
    """Raise now what would otherwise fail hours later: missing data, no pairs, an impossible pooling."""
    seen, maps = set(), None
    for config in configs:
        data = (json.dumps(as_json(config.data)), config.fusion)
        if data not in seen:
            seen.add(data)
            test = open_pictures(config)["test"]
            pairs_to_compare(test.scores, test.groups, config.pairs.min_gap, given=test.decided_pairs())
        model = ranker.build(config)
        if maps is None:
            maps = model.abstract_feature_map()
        # Initialization checks the pooling's options against the size of the maps.
        jax.eval_shape(model.network.pooling.init, jax.random.key(0), maps)
