"""Training: the pmap-mapped siamese step and the loop around it."""

import json
import os

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm import tqdm

from lena_jax import checkpoints, ranker
from lena_jax.features import feature_cache
from lena_jax.input_pipeline import Augmentation, DrawBatch, batches, fetch_pictures, resize
from lena_jax.metrics import pair_accuracy
from lena_jax.optimizer import learning_rate, make_optimizer
from lena_jax.pairs import ComparablePairs
from lena_jax.run_data import open_pictures
from lena_jax.siamese import pair_logits, pairwise_logistic_loss


@flax.struct.dataclass
class TrainState:
    """What a step changes: the trained parameters and the optimizer's state."""

    params: dict
    opt_state: optax.OptState


def make_train_step(score, optimizer, devices=None):
    """The training step, mapped over the devices with `pmap`.

    Every device scores its share of the pictures; the scores are gathered, every device takes its share of
    the pairs, which may join pictures of different devices; loss and gradient are summed over devices and
    divided by the sum of all pair weights. The number of devices changes rounding, nothing else.

    Args:
        score: (params, frozen, inputs [n, ...]) -> scores [n].
        optimizer: Optax transformation of `params`.
        devices: as of `jax.pmap`; None for all local devices.

    Returns:
        step(state, frozen, batch) -> (state, {"loss", "pair_accuracy"}), everything with a leading axis of
        devices; `batch` as of `shard`. The state given is consumed.
    """
    def loss_and_accuracy(params, frozen, batch):
        scores = jax.lax.all_gather(score(params, frozen, batch["inputs"]), "devices", tiled=True)
        loss, weight = pairwise_logistic_loss(scores, batch["pairs"], batch["label"], batch["weight"])
        weight = jnp.maximum(jax.lax.psum(weight, "devices"), 1.0)
        logits = pair_logits(scores, batch["pairs"])
        correct = jnp.sum(batch["weight"] * (jnp.sign(logits) * (2 * batch["label"] - 1) + 1) / 2)
        return loss / weight, correct / weight

    def step(state, frozen, batch):
        # all_gather sends the gradient of everyone's pairs back to the device that scored the picture, so the
        # gradient of the total loss is the sum of the devices' own.
        (loss, accuracy), gradient = jax.value_and_grad(loss_and_accuracy, has_aux=True)(state.params, frozen, batch)
        loss, accuracy, gradient = jax.lax.psum((loss, accuracy, gradient), "devices")
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        return (TrainState(optax.apply_updates(state.params, updates), opt_state),
                {"loss": loss, "pair_accuracy": accuracy})

    return jax.pmap(step, axis_name="devices", devices=devices, donate_argnums=0)


def shard(batch, devices):
    """Splits a batch over devices: [n, ...] -> [devices, n / devices, ...]; pairs are padded with weight 0.

    Raises:
        ValueError: if the devices do not divide the pictures.
    """
    pictures = len(batch["inputs"])
    if pictures % devices:
        raise ValueError(f"batch_size must be a multiple of the number of devices, got batch_size={pictures} and "
                         f"{devices} devices")
    padding = -len(batch["pairs"]) % devices
    def split(array):
        return array.reshape(devices, -1, *array.shape[1:])
    return {"inputs": split(batch["inputs"]), **{
        name: split(np.concatenate([batch[name], np.zeros((padding, *batch[name].shape[1:]), batch[name].dtype)]))
        for name in ("pairs", "label", "weight")}}


def replicate(tree, devices):
    """Copies a pytree to the devices: a leading axis of `len(devices)`."""
    mesh = jax.sharding.Mesh(np.array(devices), ("devices",))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("devices"))
    return jax.tree.map(lambda leaf: jax.device_put(np.broadcast_to(leaf, (len(devices), *np.shape(leaf))), sharding),
                        tree)


def first_copy(tree):
    """One device's copy of a replicated pytree, as NumPy arrays."""
    return jax.tree.map(lambda leaf: np.asarray(leaf.addressable_shards[0].data)[0], tree)


def train(config, workdir, devices=None):
    """Trains the ranker that a config describes, or goes on where an earlier run of it was stopped.

    Writes into `workdir`: `checkpoints/`, `config.json`, and `metrics.jsonl` with one line every
    `config.log_every` steps and one at each evaluation.

    Args:
        config: see `experiments/configs/quickstart.py`.
        workdir: folder of the run.
        devices: devices to map over; None for all local ones.

    Returns:
        The loss of each step done in this call, [steps] float.

    Raises:
        ValueError: for a config that does not fit the data or the devices, or a workdir of another config.
    """
    devices = jax.local_devices() if devices is None else list(devices)
    if config.batch_size % len(devices):
        raise ValueError(f"config.batch_size counts pictures and must be a multiple of the number of devices, got "
                         f"batch_size={config.batch_size} and {len(devices)} devices")
    if config.steps < 1:
        raise ValueError(f"config.steps must be at least 1, got {config.steps}")
    model = ranker.build(config)
    pictures = open_pictures(config)
    _check_workdir(config, workdir)
    variables = model.init(config.seed, pretrained=config.backbone.pretrained)
    augmentation = Augmentation(config.augmentation.crop, config.augmentation.flip)

    if config.backbone.frozen:
        def cache(part, views):
            return feature_cache(model, variables, pictures[part], views=views, augmentation=augmentation,
                                 seed=config.seed, label=part,
                                 cache_dir=os.path.join(os.path.expanduser(config.data.dir), "features"))
        train_maps = cache("train", config.augmentation.views)
        def fetch(indices, rng):
            return train_maps[rng.integers(len(train_maps), size=len(indices)), pictures["train"].rows[indices]]
        trained, score = ("pooling", "head"), model.score
    else:
        fetch = fetch_pictures(pictures["train"], config.image_size, augmentation)
        trained, score = ("backbone", "pooling", "head"), model.score_pictures
    draw = DrawBatch(pictures["train"], config.batch_size, config.pairs.mode, config.pairs.min_gap, fetch)

    params = {name: tree for name, tree in variables["params"].items() if name in trained}
    frozen = {**variables, "params": {name: tree for name, tree in variables["params"].items() if name not in trained}}
    def merge(params, frozen):
        return {**frozen, "params": {**frozen["params"], **params}}
    if config.backbone.frozen:
        # The feature maps are made: the step need not carry the trunk.
        step_frozen, step_score = {"params": {}}, score
    else:
        step_frozen, step_score = frozen, score
    optimizer = make_optimizer(config.optimizer, config.steps, params)
    opt_state = optimizer.init(params)

    validation = _validation(config, model, pictures, cache if config.backbone.frozen else None)
    os.makedirs(workdir, exist_ok=True)
    manager = checkpoints.open_checkpoints(workdir)
    start = manager.latest_step() or 0
    if start:
        restored = checkpoints.restore(manager, start, variables=variables, optimizer=opt_state)
        params = {name: restored["variables"]["params"][name] for name in params}
        opt_state = restored["optimizer"]
    _write_json(os.path.join(workdir, "config.json"), checkpoints.as_json(config))

    state = replicate(TrainState(params, opt_state), devices)
    step_frozen = replicate(step_frozen, devices)
    train_step = make_train_step(lambda p, f, x: step_score(merge(p, f), x), optimizer, devices)
    schedule = learning_rate(config.optimizer, config.steps)
    losses, waiting = [], []
    with open(os.path.join(workdir, "metrics.jsonl"), "a") as log, \
            tqdm(total=config.steps, initial=start, desc="training", unit="step") as bar:
        def write(**row):
            log.write(json.dumps(row) + "\n")
            log.flush()

        shown = {}
        for step, batch in enumerate(batches(draw, steps=config.steps, seed=config.seed, start=start), start + 1):
            state, measures = train_step(state, step_frozen, shard(batch, len(devices)))
            waiting.append(measures)
            bar.update()
            if step % config.log_every == 0 or step == config.steps:
                # Read back here only: reading every step would make the device wait for the host.
                rows = [{name: float(value[0]) for name, value in row.items()} for row in waiting]
                losses += [row["loss"] for row in rows]
                waiting = []
                mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
                write(step=step, **mean, learning_rate=float(schedule(step)))
                shown["loss"] = f"{mean['loss']:.3f}"
                bar.set_postfix(shown)
            if step % config.eval_every == 0 or step == config.steps:
                current = merge(first_copy(state.params), frozen)
                accuracy = validation(current)
                if accuracy is not None:
                    write(step=step, validation_pair_accuracy=accuracy)
                    shown["validation"] = f"{accuracy:.3f}"
                    bar.set_postfix(shown)
                checkpoints.save(manager, step, current, first_copy(state.opt_state), config,
                                 0.0 if accuracy is None else accuracy)
    manager.close()
    return np.array(losses)


def _validation(config, model, pictures, cache):
    """A function variables -> pair accuracy on the validation pictures, or None where there are none."""
    part = pictures["validation"]
    if part is None:
        return lambda variables: None
    pairs = ComparablePairs(part.scores, part.groups, config.pairs.min_gap).some(200_000)
    if cache is None:
        score, inputs = model.score_pictures, lambda: (resize(part.picture(i), config.image_size)
                                                       for i in range(len(part)))
    else:
        maps = cache("validation", 1)[0]
        score, inputs = model.score, lambda: (maps[row] for row in part.rows)
    compiled = jax.jit(score)
    return lambda variables: pair_accuracy(np.concatenate(list(ranker.in_batches(
        lambda batch: compiled(variables, batch), inputs(), config.batch_size))), pairs)


def _check_workdir(config, workdir):
    """Refuses a workdir that holds a run of another config, before anything is written."""
    if not os.path.isdir(os.path.join(workdir, "checkpoints")):
        return
    manager = checkpoints.open_checkpoints(workdir)
    step = manager.latest_step()
    theirs = None if step is None else checkpoints.restore_config(manager, step).to_dict()
    manager.close()
    if theirs is not None and (different := checkpoints.differing_keys(checkpoints.as_json(config), theirs)):
        raise ValueError(f"{workdir!r} holds a checkpoint of another config; these keys differ: {different}. "
                         "Use another --workdir, or delete this one")


def _write_json(path, value):
    with open(path + ".unfinished", "w") as file:
        json.dump(value, file, indent=2)
    os.replace(path + ".unfinished", path)
