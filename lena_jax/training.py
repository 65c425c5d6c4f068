"""Training: from a config to a checkpointed run."""

import dataclasses
import json
import os
from collections.abc import Callable

import jax
import numpy as np
from tqdm import tqdm

from lena_jax import checkpoints, ranker
from lena_jax.features import feature_cache
from lena_jax.files import write_whole
from lena_jax.input_pipeline import Augmentation, DrawBatch, batches, fetch_pictures, resize
from lena_jax.metrics import pair_accuracy, pairs_to_compare
from lena_jax.optimizer import learning_rate, make_optimizer
from lena_jax.plots import save_training_curve
from lena_jax.run_data import fingerprint, open_pictures
from lena_jax.train_step import TrainState, first_copy, make_train_step, replicate, shard


def train(config, workdir, devices=None):
    """Trains the ranker that a config describes, or goes on where an earlier run of it was stopped.

    Writes into `workdir`: `checkpoints/`, `config.json`, `metrics.jsonl` with one line every `config.log_every`
    steps and one at each evaluation, and `training.png`. A finished run is left as it is.

    Args:
        config: see `experiments/configs/quickstart.py`.
        workdir: folder of the run.
        devices: devices to map over; None for all local ones.

    Returns:
        The loss of each step done in this call, [steps] float; empty if the run was finished.

    Raises:
        ValueError: for a config that does not fit the data or the devices, or a workdir of another config or of
            other data.
        FloatingPointError: if the loss is not finite; the last checkpoint is of before.
    """
    devices = jax.local_devices() if devices is None else list(devices)
    if config.batch_size % len(devices):
        raise ValueError(f"config.batch_size counts pictures and must be a multiple of the number of devices, got "
                         f"batch_size={config.batch_size} and {len(devices)} devices")
    for key, value, least in (("steps", config.steps, 1), ("log_every", config.log_every, 1), ("seed", config.seed, 0),
                              ("eval_every", config.eval_every, 1),
                              ("augmentation.views", config.augmentation.views, 1)):
        if value < least:
            raise ValueError(f"config.{key} must be at least {least}, got {value}")
    learning_rate(config.optimizer, config.steps)
    augmentation = Augmentation(config.augmentation.crop, config.augmentation.flip)
    model = ranker.build(config)
    pictures = open_pictures(config)
    draw = DrawBatch(pictures["train"], config.batch_size, config.pairs.mode, config.pairs.min_gap, fetch=None)
    validation_pairs = _validation_pairs(config, pictures["validation"])
    data = fingerprint(pictures)
    start = _steps_done(config, data, workdir)
    log_path = os.path.join(workdir, "metrics.jsonl")
    if start == config.steps:
        save_training_curve(os.path.join(workdir, "training.png"), log_path)
        return np.zeros(0)

    variables = model.init(config.seed, config.backbone.pretrained, config.backbone.weights or None)
    inputs = _frozen_trunk(config, model, variables, pictures, augmentation) if config.backbone.frozen else \
        _whole_network(config, model, pictures, augmentation)
    draw = dataclasses.replace(draw, fetch=inputs.fetch)
    params = {name: variables["params"][name] for name in inputs.trained if name in variables["params"]}
    optimizer = make_optimizer(config.optimizer, config.steps, params)
    opt_state = optimizer.init(params)

    os.makedirs(workdir, exist_ok=True)
    write_whole(os.path.join(workdir, "config.json"),
                lambda file: json.dump(checkpoints.as_json(config), file, indent=2))
    manager = checkpoints.open_checkpoints(workdir)
    if start:
        restored = checkpoints.restore(manager, start, variables=variables, optimizer=opt_state)
        params = {name: restored["variables"]["params"][name] for name in params}
        opt_state = restored["optimizer"]

    state = replicate(TrainState(params, opt_state), devices)
    carried = replicate(inputs.carried(variables), devices)
    step_of = make_train_step(lambda params, carried, batch: inputs.score(_merge(carried, params), batch), optimizer,
                              devices)
    validate = _validation(config, inputs, pictures["validation"], validation_pairs)
    losses, waiting = [], []
    with _Log(config, log_path, start) as log:
        for step, batch in enumerate(batches(draw, steps=config.steps, seed=config.seed, start=start), start + 1):
            state, measures = step_of(state, carried, shard(batch, len(devices)))
            waiting.append(measures)
            log.bar.update()
            due = step % config.eval_every == 0 or step == config.steps
            if step % config.log_every == 0 or due:
                # Read back here only: reading every step would make the devices wait for the host.
                rows = [{name: float(value[0]) for name, value in row.items()} for row in waiting]
                losses += [row["loss"] for row in rows]
                if not np.isfinite(losses).all():
                    first = start + 1 + int(np.flatnonzero(~np.isfinite(losses))[0])
                    raise FloatingPointError(f"the loss of step {first} is {losses[first - start - 1]}; the newest "
                                             f"checkpoint is of step {manager.latest_step() or 0}. Try a smaller "
                                             "optimizer.learning_rate")
                waiting = []
                log.write(step, **{name: float(np.mean([row[name] for row in rows])) for name in rows[0]})
            if due:
                current = _merge(variables, first_copy(state.params))
                accuracy = validate(current)
                if accuracy is not None:
                    log.write(step, validation_pair_accuracy=accuracy)
                checkpoints.save(manager, step, current, first_copy(state.opt_state), config,
                                 model.preprocessing, data,
                                 accuracy or 0.0)
    manager.close()
    save_training_curve(os.path.join(workdir, "training.png"), log_path)
    return np.array(losses)


def _merge(variables, params):
    """Variables with some of their parameters replaced."""
    return {**variables, "params": {**variables["params"], **params}}


@dataclasses.dataclass(frozen=True)
class _Inputs:
    """How pictures enter a step: as themselves, or as the feature maps of a frozen trunk.

    Attributes:
        trained: names of the parameters that are trained.
        fetch: of `DrawBatch`.
        score: (variables, inputs [n, ...]) -> scores [n].
        carried: variables -> those that a step needs beside the trained ones.
        whole: pictures -> an iterator over the inputs of the whole pictures.
    """

    trained: tuple[str, ...]
    fetch: Callable
    score: Callable
    carried: Callable
    whole: Callable


def _frozen_trunk(config, model, variables, pictures, augmentation):
    folder = os.path.join(os.path.expanduser(config.data.dir), "features")
    maps = {name: feature_cache(model, variables, part, views=config.augmentation.views if name == "train" else 1,
                                augmentation=augmentation, seed=config.seed, cache_dir=folder, label=name)
            for name, part in pictures.items() if part is not None and name != "test"}

    def fetch(indices, rng):
        views = rng.integers(len(maps["train"]), size=len(indices))
        return maps["train"][views, pictures["train"].rows[indices]]

    def whole(part):
        return (maps["validation"][0, row] for row in part.rows)

    return _Inputs(("pooling", "head"), fetch, model.score, lambda variables: {"params": {}}, whole)


def _whole_network(config, model, pictures, augmentation):
    fetch = fetch_pictures(pictures["train"], config.image_size, augmentation)

    def whole(part):
        return (resize(part.picture(index), config.image_size) for index in range(len(part)))

    def carried(variables):
        return {**{name: tree for name, tree in variables.items() if name != "params"}, "params": {}}

    return _Inputs(("backbone", "pooling", "head"), fetch, model.score_pictures, carried, whole)


def _validation_pairs(config, pictures):
    """The validation pairs, None where there are no validation pictures."""
    return None if pictures is None else pairs_to_compare(pictures.scores, pictures.groups, config.pairs.min_gap)


def _validation(config, inputs, pictures, pairs):
    """A function variables -> pair accuracy on the validation pairs, None where there are none."""
    if pictures is None:
        return lambda variables: None
    score = jax.jit(inputs.score)
    return lambda variables: pair_accuracy(np.concatenate(list(ranker.in_batches(
        lambda batch: score(variables, batch), inputs.whole(pictures), config.batch_size))), pairs)


class _Log:
    """The progress bar and `metrics.jsonl`; rows of steps that an interrupted run did after `start` are dropped."""

    def __init__(self, config, path, start):
        if os.path.exists(path):
            with open(path) as file:
                rows = [line for line in file if line.endswith("\n") and json.loads(line)["step"] <= start]
            write_whole(path, lambda file: file.writelines(rows))
        self._schedule = learning_rate(config.optimizer, config.steps)
        self._file = open(path, "a")
        self._shown = {}
        self.bar = tqdm(total=config.steps, initial=start, desc="training", unit="step")

    def write(self, step, **measures):
        if "loss" in measures:
            measures["learning_rate"] = float(self._schedule(step - 1))  # The first step is number 1.
        self._file.write(json.dumps({"step": step, **measures}) + "\n")
        self._file.flush()
        self._shown |= {name: f"{value:.3f}" for name, value in measures.items() if name != "learning_rate"}
        self.bar.set_postfix(self._shown, refresh=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bar.close()
        self._file.close()


def _steps_done(config, data, workdir):
    """Steps of the newest checkpoint in a workdir, 0 without one; refuses a run of another config or other data."""
    if not os.path.isdir(os.path.join(workdir, "checkpoints")):
        return 0
    manager = checkpoints.open_checkpoints(workdir)
    step = manager.latest_step() or 0
    theirs, _, their_data = checkpoints.restore_config(manager, step) if step else (None, None, None)
    manager.close()
    if theirs is not None:
        # Where the data set lies may change, what it is may not.
        different = set(checkpoints.differing_keys(checkpoints.as_json(config), theirs.to_dict())) - {"data.dir"}
        if different:
            raise ValueError(f"{workdir!r} holds a checkpoint of another config; these keys differ: "
                             f"{sorted(different)}. Use another --workdir, or delete this one")
        if their_data != data:
            raise ValueError(f"{workdir!r} was trained on data set {config.data.name!r} as it was before it was built "
                             "anew. Use another --workdir, or delete this one")
    return step
