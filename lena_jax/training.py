"""Training: from a config to a checkpointed run."""

import contextlib
import dataclasses
import functools
import json
import os

import jax
import ml_collections
import numpy as np

from lena_jax import checkpoints, health, processes, ranker, training_inputs
from lena_jax.evaluation import learned_shares
from lena_jax.files import write_whole
from lena_jax.input_pipeline import Augmentation, DrawBatch, batches
from lena_jax.metrics import pair_accuracy, pairs_to_compare
from lena_jax.nested import merge
from lena_jax.optimizer import learning_rate, make_optimizer
from lena_jax.plots import save_schedule, save_training_curve
from lena_jax.run_data import fingerprint, open_pictures
from lena_jax.run_lock import own
from lena_jax.run_log import RunLog
from lena_jax.stop_signal import Stopped, StopSignal
from lena_jax.train_step import TrainState, first_copy, make_train_step, replicate, shard


def train(config, workdir, devices=None, watch=iter):
    """Trains the ranker that a config describes, or goes on where an earlier run of it was stopped.

    Writes into `workdir`: `checkpoints/`, `config.json`, `schedule.png`, `metrics.jsonl` with one line every
    `config.log_every` steps and one at each evaluation, the same for TensorBoard, `timing.json` and `training.png`. A
    finished run is left as it is. On SIGTERM the step at hand is finished and saved; with several processes, the steps
    up to the next that is logged.

    With several processes (`jax.distributed`) every one calls this with the same arguments and a `workdir` on a disk
    that all can reach; each reads its own share of the pictures, and the first one writes.

    Args:
        config: see `experiments/configs/quickstart.py`.
        workdir: folder of the run.
        devices: devices of this process to map over; None for all.
        watch: what the stream of batches is passed through, such as `profiling.StepProfile.watch`.

    Returns:
        The loss of each step done in this call, [steps] float; empty if the run was finished.

    Raises:
        ValueError: for a config that does not fit the data or the devices, a workdir of another config or of other
            data, or one that another process is using.
        FloatingPointError: if the loss or gradient is not finite; the last checkpoint is of before.
        OSError: if the disk has no room for a checkpoint.
        stop_signal.Stopped: after SIGTERM, with everything saved.
    """
    devices = jax.local_devices() if devices is None else list(devices)
    # Before anything slow: processes that meet for the first time wait for each other for half a minute only.
    processes.wait_for_all("start")
    plan = _plan(config, devices)
    # Nothing was written so far.
    with StopSignal() as stop, contextlib.nullcontext() if processes.index() else own(workdir):
        return _run(plan, workdir, devices, stop, watch)


@dataclasses.dataclass(frozen=True)
class _Plan:
    """A config that was found sound, and what follows from it without writing anything."""

    config: ml_collections.ConfigDict
    model: ranker.Ranker
    augmentation: Augmentation
    pictures: dict
    data: str  # Fingerprint of the pictures.
    draw: DrawBatch  # Still without its `fetch`.
    validation: "_Validation"


def _plan(config, devices):
    _check(config, len(devices) * processes.count())
    augmentation = Augmentation(config.augmentation.crop, config.augmentation.flip)
    model = ranker.build(config)
    # Shapes alone: raises where the trunk cannot do what the config asks of it.
    training_inputs.check(config, model.backbone, model.abstract_variables())
    pictures = open_pictures(config)
    compared = dataclasses.replace(pictures["train"], groups=None) if config.pairs.across_groups else pictures["train"]
    draw = DrawBatch(compared, config.batch_size, config.pairs.mode, config.pairs.min_gap, fetch=None,
                     weighting=config.pairs.weighting, process=processes.index(), processes=processes.count())
    return _Plan(config, model, augmentation, pictures, fingerprint(pictures), draw,
                 _Validation(config, pictures["validation"]))


def _run(plan, workdir, devices, stop, watch):
    config, model = plan.config, plan.model
    start, history, pending = _progress(config, plan.data, workdir)
    if _finished(config, start, history):
        _plot(workdir)
        return np.zeros(0)

    if start:
        manager = checkpoints.open_checkpoints(workdir)
        # The trunk too: the file that its weights came from may be another by now, or gone.
        variables = checkpoints.restore(manager, start, variables=model.abstract_variables())["variables"]
    else:
        # NumPy arrays: what several processes save must not be on the devices of one.
        variables = jax.tree.map(np.asarray, model.init(config.seed, config.backbone.pretrained,
                                                        config.backbone.weights or None))
    inputs = training_inputs.make_inputs(config, model, variables, plan.pictures, plan.augmentation)
    optimizer = make_optimizer(config.optimizer, config.steps, inputs.trained(variables), model.backbone.stages)
    state = TrainState.create(inputs.trained(variables), optimizer,
                              variables["batch_stats"] if inputs.moves_statistics else None,
                              average=config.average_decay > 0)
    schedule = learning_rate(config.optimizer, config.steps)
    if start:
        state = _restore(manager, start, variables, state)
    else:
        # Not before: the processes have met since they looked whether there are any.
        manager = checkpoints.open_checkpoints(workdir)
    if not start and not processes.index():
        write_whole(os.path.join(workdir, "config.json"),
                    lambda file: json.dump(checkpoints.as_json(config), file, indent=2))
        save_schedule(os.path.join(workdir, "schedule.png"), schedule, config.steps)

    state = replicate(state, devices)
    carried = replicate(inputs.carried(variables), devices)
    step_of = make_train_step(inputs.score_for_training, optimizer, None if processes.count() > 1 else devices,
                              config.accumulate, config.average_decay)
    losses, waiting, indices = [], [], []
    stop.defer()
    with RunLog(workdir, start, config.steps, config.batch_size, schedule, quiet=processes.index() > 0,
                devices=len(devices) * processes.count()) as log:
        draw = dataclasses.replace(plan.draw, fetch=inputs.fetch)
        stream = watch(batches(draw, steps=config.steps, seed=config.seed, start=start, workers=inputs.workers))
        for step, batch in enumerate(stream, start + 1):
            state, measures = step_of(state, carried, shard(batch, len(devices), processes.index(), processes.count()))
            waiting.append(measures)
            indices.append(batch["index"])
            log.step_done()
            due = step % config.eval_every == 0 or step == config.steps
            logged = due or step % config.log_every == 0
            # Processes have to agree on the step to stop at, and meet where they read back anyway.
            stopping = (logged or processes.count() == 1) and processes.any_of(stop.requested)
            if logged or stopping:
                # Read back here only: reading every step would make the devices wait for the host.
                rows = [{name: float(value.addressable_shards[0].data[0]) for name, value in row.items()}
                        for row in waiting]
                health.check_finite(rows, step + 1 - len(rows),
                                    [plan.pictures["train"].ids[index] for index in indices],
                                    manager.latest_step() or 0)
                losses += [row["loss"] for row in rows]
                pending = [*pending, *losses[-len(rows):]]
                waiting, indices = [], []
                log.write(step, **{name: float(np.mean([row[name] for row in rows])) for name in rows[0]})
            if due or stopping:
                current, training = _to_save(variables, state)
                if due:
                    history = [*history, {"step": step, "loss": float(np.mean(pending)),
                                          "pair_accuracy": plan.validation.measure(inputs, current)}]
                    pending = []
                    _report(log, config, current, history)
                run = checkpoints.describe(config, model.preprocessing, plan.data, history, pending)
                accuracy = history[-1]["pair_accuracy"] if due else None  # In between, nothing is known of it.
                checkpoints.save(manager, step, current, training, run, accuracy or 0.0)
            if stopping:
                manager.close()
                log.say(f"stopped on request after step {step}, which is saved; the same command goes on from it")
                raise Stopped(everywhere=True)
            if due and _finished(config, step, history):
                break
    manager.close()
    if not processes.index():
        _plot(workdir)
    return np.array(losses)


def _check(config, devices):
    if config.accumulate < 1 or config.batch_size % (devices * config.accumulate):
        raise ValueError("config.batch_size counts pictures and must be a multiple of the number of devices times "
                         f"config.accumulate, got batch_size={config.batch_size} and {devices} devices times "
                         f"{config.accumulate}")
    least_values = {"steps": 1, "log_every": 1, "seed": 0, "eval_every": 1, "stop_after": 0, "data.workers": 0,
                    "augmentation.views": 1}
    for key, least in least_values.items():
        value = functools.reduce(getattr, key.split("."), config)
        if value < least:
            raise ValueError(f"config.{key} must be at least {least}, got {value}")
    if not 0 <= config.average_decay < 1:
        raise ValueError(f"config.average_decay must be in [0, 1), got {config.average_decay}")
    make_optimizer(config.optimizer, config.steps, {"head": {}})


class _Validation:
    """Pair accuracy on the validation pictures, shared by the devices of all processes."""

    def __init__(self, config, pictures):
        self._config, self._pictures = config, pictures
        self._pairs = None if pictures is None else pairs_to_compare(
            pictures.scores, pictures.groups, config.pairs.min_gap, given=pictures.pairs)
        if config.stop_after and pictures is None:
            raise ValueError(f"config.stop_after={config.stop_after} needs validation pictures, and there are none: "
                             "set config.data.validation to the share of the training pictures to use")

    def measure(self, inputs, variables):
        """The accuracy, None where there are no validation pictures."""
        if self._pictures is None:
            return None
        size, count = self._config.batch_size, len(self._pictures)
        rows = ranker.in_batches(ranker.on_devices(inputs.score, variables, size),
                                 inputs.whole(self._pictures, processes.share_of(count)), size)
        scores = processes.gather(np.concatenate([np.zeros(0, np.float32), *rows]), count)
        return pair_accuracy(scores, self._pairs)


def _to_save(variables, state):
    """The variables that evaluation reads (those of the moving average where there is one), and the rest of a state."""
    state = first_copy(state)
    current = merge(variables, {"params": state.average or state.params},
                                    {"batch_stats": state.batch_stats} if state.batch_stats else {})
    training = {"opt_state": state.opt_state, "step": state.step}
    return current, training | ({"params": state.params} if state.average else {})


def _restore(manager, step, variables, state):
    """The state of a checkpoint whose variables are restored already; `state` gives the shapes."""
    training = {"opt_state": state.opt_state, "step": state.step} | ({"params": state.params} if state.average else {})
    training = checkpoints.restore(manager, step, training=training)["training"]
    # `state` was made of the variables: what is evaluated is the average where there is one.
    return TrainState(
        params=training.get("params", state.params), opt_state=training["opt_state"], step=training["step"],
        batch_stats=variables["batch_stats"] if state.batch_stats else {}, average=state.average)


def _progress(config, data, workdir):
    """(step, history, pending losses) of the newest sound checkpoint, (0, [], []) without one.

    Raises:
        ValueError: for a run of another config or of other data.
    """
    if not os.path.isdir(os.path.join(workdir, "checkpoints")):
        return 0, [], []
    with processes.first_goes_first("damaged checkpoints"):
        for step in [] if processes.index() else checkpoints.set_aside_damaged(workdir):
            print(f"warning: the checkpoint of step {step} is damaged and was moved to "
                  f"{os.path.join(workdir, 'damaged_checkpoints')}; training goes on from the newest of the others")
    manager = checkpoints.open_checkpoints(workdir)
    step = manager.latest_step() or 0
    run = checkpoints.restore_run(manager, step) if step else None
    manager.close()
    if run is None:
        return 0, [], []
    different = set(checkpoints.differing_keys(
        checkpoints.as_json(config), run["config"].to_dict())) - checkpoints.MAY_DIFFER
    if different:
        raise ValueError(f"{workdir!r} holds a checkpoint of another config; these keys differ: "
                         f"{sorted(different)}. Use another --workdir, or delete this one")
    if run["data"] != data:
        raise ValueError(f"{workdir!r} was trained on data set {config.data.name!r} as it was before it was built "
                         "anew, or its objectness maps were. Use another --workdir, or delete this one")
    return step, run["history"], run["pending"]


def _finished(config, step, history):
    """Whether a run is through: all steps done, or no better validation accuracy for `stop_after` evaluations."""
    if step >= config.steps:
        return True
    accuracies = [row["pair_accuracy"] for row in history]
    return bool(config.stop_after) and len(accuracies) - 1 - (
        int(np.argmax(accuracies)) if accuracies else 0) >= config.stop_after


def _report(log, config, variables, history):
    last = history[-1]
    if last["pair_accuracy"] is not None:
        log.write(last["step"], validation_pair_accuracy=last["pair_accuracy"])
    for warning in (health.still_loss([row["loss"] for row in history]),
                    health.collapsed_supports(learned_shares(config, variables))):
        if warning:
            log.say(f"warning: step {last['step']}: {warning}")


def _plot(workdir):
    save_training_curve(os.path.join(workdir, "training.png"), os.path.join(workdir, "metrics.jsonl"))
