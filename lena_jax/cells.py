"""A study: many runs ("cells") of a few configs in one folder, done one by one, in any order, and never twice."""

import functools
import json
import os

import jax
from tqdm import tqdm

from lena_jax import cached_scoring, checkpoints, evaluation, ranker
from lena_jax.files import write_whole
from lena_jax.metrics import pairs_to_compare
from lena_jax.repeated_runs import finished
from lena_jax.run_data import open_pictures
from lena_jax.training import train


def run_cells(workdir, study, cells, only=None):
    """Trains and evaluates the cells that are not finished yet, in a folder that is this study's alone.

    With a frozen trunk the test pictures are scored from the cache of feature maps that training uses too
    (`cached_scoring`). A finished cell is not touched, one that was interrupted goes on from its newest checkpoint.

    Args:
        workdir: folder of the study; made, with `study.json` in it, once the cells are found to be possible.
        study: dict of JSON values: what all its cells share.
        cells: {folder in `workdir`: config of the run}.
        only: number of the only cell to do, by its place in `cells`; None for all.

    Returns:
        {folder: metrics}; None while some are missing.

    Raises:
        ValueError: for a folder that holds another study, a number that no cell has, a cell whose data or pooling
            cannot work (before anything is written), or as of `train`.
    """
    path = os.path.join(workdir, "study.json")
    _refuse_another(path, study)
    if only is not None and not 0 <= only < len(cells):
        raise ValueError(f"the number of a cell must be in [0, {len(cells)}), got {only}")
    chosen = list(cells) if only is None else [list(cells)[only]]
    missing = [name for name in chosen if finished(os.path.join(workdir, name), cells[name]) is None]
    if missing:
        check([cells[name] for name in missing])
    os.makedirs(workdir, exist_ok=True)
    if not os.path.exists(path):
        write_whole(path, lambda file: json.dump(study, file, indent=2))
    with tqdm(total=len(cells), initial=len(chosen) - len(missing), desc="cells", unit="cell") as bar:
        for before, name in zip([None, *missing], missing, strict=False):
            if before and os.path.dirname(name) != os.path.dirname(before):
                # Programs of other poolings are of no use any more, and would fill the memory.
                jax.clear_caches()
            bar.set_postfix_str(name)
            run_cell(cells[name], os.path.join(workdir, name))
            bar.update()
    results = {name: finished(os.path.join(workdir, name), config) for name, config in cells.items()}
    return None if None in results.values() else results


def _refuse_another(path, study):
    if not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as file:
        theirs = json.load(file)
    may_differ = {f"config.{key}" for key in checkpoints.MAY_DIFFER}
    different = set(checkpoints.differing_keys(json.loads(json.dumps(study)), theirs)) - may_differ
    if different:
        raise ValueError(f"{os.path.dirname(path)!r} holds a study of another config; these keys differ: "
                         f"{sorted(different)}. Use another --workdir, or delete this one")


def run_cell(config, path):
    """Trains and evaluates one run; returns its metrics."""
    train(config, path)
    predictor = evaluation.predict
    if config.backbone.frozen:
        predictor = functools.partial(cached_scoring.predict, cache_dir=os.path.join(
            os.path.expanduser(config.data.dir), "features"))
    return evaluation.evaluate(path, predictor=predictor, sheet=False)


def check(configs):
    """Raises what would else be found after hours, in a later cell: missing data, no pair, an impossible pooling."""
    seen, maps = set(), None
    for config in configs:
        data = (json.dumps(checkpoints.as_json(config.data)), config.fusion)
        if data not in seen:
            seen.add(data)
            test = open_pictures(config)["test"]
            pairs_to_compare(test.scores, test.groups, config.pairs.min_gap, given=test.pairs)
        model = ranker.build(config)
        if maps is None:
            maps = model.abstract_feature_map()
        # Initialising is what checks the pooling's options against the size of the maps.
        jax.eval_shape(model.network.pooling.init, jax.random.key(0), maps)
