"""Orbax checkpoints that hold all that evaluation and resuming need, with digests that tell a damaged one."""

import hashlib
import json
import os
import re
import shutil

import jax
import ml_collections
import numpy as np
import orbax.checkpoint as ocp

from lena_jax.backbones import Preprocessing
from lena_jax.config import as_json, with_defaults
from lena_jax.runtime import distributed
from lena_jax.runtime.files import write_whole

METRIC = "pair_accuracy"
_DIGESTS = "checkpoint_digests.json"


def open_checkpoints(workdir, *, read_only=False):
    """Checkpoints of a run, in `workdir/checkpoints`; keeps the two newest and the best one by `METRIC`.

    Of several processes all open them to write, and any to read.

    Raises:
        ValueError: with `read_only`, if there is none.
    """
    path = _folder(workdir)
    if read_only and not os.path.isdir(path):
        raise ValueError(f"no checkpoint in {workdir!r}: expected a folder that experiments/train.py wrote")
    policies = ocp.checkpoint_managers
    me = distributed.index()
    options = ocp.CheckpointManagerOptions(
        # Several processes write together; what is only read, each reads for itself.
        multiprocessing_options=ocp.options.MultiprocessingOptions(
            primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"reader_{me}"
        )
        if read_only
        else ocp.options.MultiprocessingOptions(),
        read_only=read_only,
        create=not read_only,
        enable_async_checkpointing=False,
        preservation_policy=None
        if read_only
        else policies.AnyPreservationPolicy(
            [policies.LatestN(2), policies.BestN(get_metric_fn=lambda metrics: metrics[METRIC], n=1)]
        ),
        best_fn=lambda metrics: metrics[METRIC],
    )
    manager = ocp.CheckpointManager(path, options=options, item_names=("variables", "training", "run"))
    if read_only and not manager.all_steps():
        raise ValueError(f"no finished checkpoint in {path!r}, expected at least one")
    return manager


def save(manager, step, variables, training, run, pair_accuracy):
    """Saves one step; an interrupted save leaves nothing that is taken for a checkpoint.

    Args:
        manager: of `open_checkpoints`.
        step: number of steps done.
        variables: what evaluation reads, a pytree of arrays (one copy, not one a device).
        training: what else resuming needs, the same.
        run: JSON values, see `describe`.
        pair_accuracy: on the validation pictures; 0 without any, so that the newest step is the best.

    Raises:
        OSError: if the disk has no room for it.
    """
    needed = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves((variables, training))) + 2**20
    free = shutil.disk_usage(manager.directory).free
    if free < needed:
        raise OSError(
            f"the checkpoint of step {step} needs {needed / 1e6:.0f} MB, and {str(manager.directory)!r} has "
            f"{free / 1e6:.0f} MB free; the newest checkpoint is of step {manager.latest_step() or 0}"
        )
    try:
        manager.save(
            step,
            args=ocp.args.Composite(
                variables=ocp.args.StandardSave(variables),
                training=ocp.args.StandardSave(training),
                run=ocp.args.JsonSave(run),
            ),
            metrics={METRIC: float(pair_accuracy)},
        )
        manager.wait_until_finished()
    except (OSError, ValueError) as error:
        # The library below Orbax says by a ValueError what the operating system has refused.
        refused = re.search(r"([^:]*) \[os_error_code=", str(error))
        if not (refused or isinstance(error, OSError)):
            raise
        raise OSError(
            f"the checkpoint of step {step} could not be written into {str(manager.directory)!r}: "
            f"{refused[1].strip() if refused else error.strerror or error}; the newest checkpoint is of step "
            f"{manager.latest_step() or 0}"
        ) from error
    if not distributed.index():
        workdir = os.path.dirname(manager.directory)
        known = _read_digests(workdir) | {step: None}  # A checkpoint of this step may have been here, and damaged.
        _write_digests(
            workdir, {kept: known.get(kept) or _digests(_step(workdir, kept)) for kept in manager.all_steps()}
        )


def describe(config, preprocessing, data, history, pending=()):
    """What a checkpoint says of its run, as JSON values.

    Args:
        config: the run's `ConfigDict`.
        preprocessing: `Preprocessing` of the backbone's weights.
        data: `splits.fingerprint` of the run's pictures.
        history: one dict of numbers for each evaluation so far.
        pending: losses of the steps since the last of them.
    """
    return {
        "config": as_json(config),
        "preprocessing": preprocessing.as_json(),
        "data": data,
        "history": list(history),
        "pending": list(pending),
    }


def restore_run(manager, step):
    """What `describe` was given, as a dict; a key that the config did not have yet has its default."""
    stored = manager.restore(step, args=ocp.args.Composite(run=ocp.args.JsonRestore()))["run"]
    return {
        **stored,
        "config": ml_collections.ConfigDict(with_defaults(stored["config"])),
        "preprocessing": Preprocessing.from_json(stored["preprocessing"]),
    }


def restore(manager, step, **abstract):
    """Restores `variables` and/or `training` against pytrees of shapes and types.

    Returns:
        A dict with NumPy arrays under the names given.
    """
    targets = {
        name: jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), tree) for name, tree in abstract.items()
    }
    return manager.restore(
        step, args=ocp.args.Composite(**{name: ocp.args.StandardRestore(tree) for name, tree in targets.items()})
    )


def set_aside_damaged(workdir):
    """Moves checkpoints whose files are not what was written to `workdir/damaged_checkpoints`.

    Returns:
        The steps that were moved, sorted.
    """
    known = _read_digests(workdir)
    damaged = sorted(
        step
        for step, digests in known.items()
        if os.path.isdir(_step(workdir, step)) and _digests(_step(workdir, step)) != digests
    )
    for step in damaged:
        aside = os.path.join(os.path.abspath(workdir), "damaged_checkpoints")
        os.makedirs(aside, exist_ok=True)
        target = os.path.join(aside, str(step))
        shutil.rmtree(target, ignore_errors=True)
        os.rename(_step(workdir, step), target)
    if damaged:
        _write_digests(workdir, {step: digests for step, digests in known.items() if step not in damaged})
    return damaged


def check(workdir, step):
    """Refuses a checkpoint whose files are not what was written.

    Raises:
        ValueError: if they are not.
    """
    digests = _read_digests(workdir).get(step)
    if digests is not None and digests != _digests(_step(workdir, step)):
        raise ValueError(
            f"the checkpoint of step {step} in {workdir!r} is damaged: its files are not what was "
            "written. Train on (the same command), which takes the one before it, or delete it"
        )


def identity(workdir, step):
    """One hash for the files of a checkpoint, from what was noted on writing; None where nothing was."""
    digests = _read_digests(workdir).get(step)
    return digests and hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def _folder(workdir):
    return os.path.abspath(os.path.join(workdir, "checkpoints"))


def _step(workdir, step):
    return os.path.join(_folder(workdir), str(step))


def _digests(folder):
    """Path in the folder -> SHA-256 of each of its files."""
    digests = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                digests[os.path.relpath(path, folder)] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _read_digests(workdir):
    """{step: digests}; a checkpoint that a kill left without any is whole, Orbax sees to that.

    A file that is damaged itself says nothing of the checkpoints: they are taken for whole, and get new digests.
    """
    try:
        with open(os.path.join(workdir, _DIGESTS)) as file:
            return {int(step): dict(digests) for step, digests in json.load(file).items()}
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        return {}


def _write_digests(workdir, digests):
    write_whole(os.path.join(workdir, _DIGESTS), lambda file: json.dump(digests, file, indent=1))
