"""Orbax checkpoints that hold all that evaluation needs: the variables, the optimizer's state and the config."""

import json
import os

import jax
import ml_collections
import numpy as np
import orbax.checkpoint as ocp

from lena_jax.backbones import Preprocessing

METRIC = "pair_accuracy"


def open_checkpoints(workdir, *, read_only=False):
    """Checkpoints of a run, in `workdir/checkpoints`; keeps the newest one and the best one by `METRIC`.

    Raises:
        ValueError: with `read_only`, if there is none.
    """
    path = os.path.abspath(os.path.join(workdir, "checkpoints"))
    if read_only and not os.path.isdir(path):
        raise ValueError(f"no checkpoint in {workdir!r}: expected a folder that experiments/train.py wrote")
    policies = ocp.checkpoint_managers
    options = ocp.CheckpointManagerOptions(
        read_only=read_only, create=not read_only, enable_async_checkpointing=False,
        preservation_policy=None if read_only else policies.AnyPreservationPolicy([
            policies.LatestN(1), policies.BestN(get_metric_fn=lambda metrics: metrics[METRIC], n=1)]),
        best_fn=lambda metrics: metrics[METRIC])
    manager = ocp.CheckpointManager(path, options=options, item_names=("variables", "optimizer", "config"))
    if read_only and not manager.all_steps():
        raise ValueError(f"no finished checkpoint in {path!r}, expected at least one")
    return manager


def save(manager, step, variables, opt_state, config, preprocessing, data, pair_accuracy):
    """Saves one step; an interrupted save leaves nothing that is taken for a checkpoint.

    Args:
        manager: of `open_checkpoints`.
        step: number of steps done.
        variables, opt_state: pytrees of arrays (one copy, not one a device).
        config: the run's `ConfigDict`.
        preprocessing: `Preprocessing` of the trunk's weights.
        data: `run_data.fingerprint` of the run's pictures.
        pair_accuracy: on the validation pictures; 0 without any, so that the newest step is the best.
    """
    manager.save(step, args=ocp.args.Composite(
        variables=ocp.args.StandardSave(variables), optimizer=ocp.args.StandardSave(opt_state),
        config=ocp.args.JsonSave({"config": as_json(config), "preprocessing": preprocessing.as_json(), "data": data})),
        metrics={METRIC: float(pair_accuracy)})
    manager.wait_until_finished()


def restore_config(manager, step):
    """The config that a checkpoint was trained with, its preprocessing, and the fingerprint of its data."""
    stored = manager.restore(step, args=ocp.args.Composite(config=ocp.args.JsonRestore()))["config"]
    return (ml_collections.ConfigDict(stored["config"]), Preprocessing.from_json(stored["preprocessing"]),
            stored["data"])


def restore(manager, step, **abstract):
    """Restores `variables` and/or `optimizer` against pytrees of shapes and types.

    Returns:
        A dict with NumPy arrays under the names given.
    """
    targets = {name: jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), tree)
               for name, tree in abstract.items()}
    return manager.restore(step, args=ocp.args.Composite(
        **{name: ocp.args.StandardRestore(tree) for name, tree in targets.items()}))


def as_json(config):
    """A config as plain JSON values, tuples as lists."""
    return json.loads(config.to_json())


def differing_keys(ours, theirs, prefix=""):
    """Dotted names of the keys in which two nested dicts differ, sorted."""
    if not (isinstance(ours, dict) and isinstance(theirs, dict)):
        return [] if ours == theirs else [prefix.rstrip(".")]
    return sorted(key for name in {*ours, *theirs}
                  for key in differing_keys(ours.get(name), theirs.get(name), f"{prefix}{name}."))
