"""The training loop: turn a config into a run with checkpoints."""

import contextlib
import dataclasses

import jax
import numpy as np

from lena_jax.data.input_pipeline import batches
from lena_jax.metrics import pair_accuracy
from lena_jax.models.batching import in_batches, on_devices
from lena_jax.models.shares import learned_shares
from lena_jax.runs import checkpoints, folder, health, percentiles
from lena_jax.runs.load import best_step, load_ranker
from lena_jax.runtime import distributed
from lena_jax.runtime.locks import own
from lena_jax.runtime.signals import StopSignal
from lena_jax.train import exact, pair_matrix
from lena_jax.train.inputs import make_inputs
from lena_jax.train.log import RunLog
from lena_jax.train.optimizer import learning_rate, make_optimizer
from lena_jax.train.plan import make_plan, with_weights_of
from lena_jax.train.progress import (
    evaluated_variables,
    find_progress,
    restore_model,
    restore_state,
    restore_variables,
    save_progress,
)
from lena_jax.train.step import StepWindow, TrainState, make_train_step, replicate, shard


def train(config, workdir, devices=None, watch=iter):
    """Train the ranker that a config describes, or resume it from its newest checkpoint.

    Writes into `workdir`: `checkpoints/`, `config.json`, `metrics.jsonl` with one line every `config.log_every` steps
    and one per evaluation, the same for TensorBoard, `timing.json`, and at the end `training_scores.json`. A finished
    run keeps its checkpoints. On SIGTERM or Ctrl-C, training finishes its step and saves it. With several processes it
    first goes on to the next logged step.

    With several processes (`jax.distributed`), call this in each of them with the same arguments and a `workdir` on a
    shared disk. Each process reads its own share of the pictures; only the first writes.

    Args:
        config: see `lena_jax.config.default_config`.
        workdir: folder of the run.
        devices: devices of this process to train on; None for all.
        watch: wraps the iterator over batches, as `profiling.StepProfile.watch` does.

    Returns:
        The loss of each step of this call, [steps] float; empty if the run was already finished.

    Raises:
        ValueError: if the config does not fit the data or the devices, if the workdir belongs to another config or
            dataset, or if another process is using it.
        FloatingPointError: if the loss or gradient is not finite; the last checkpoint is older than that step.
        OSError: if the disk has no room for a checkpoint.
        runtime.signals.Interrupted: after SIGTERM or Ctrl-C, once everything is saved. It is a `KeyboardInterrupt`.
    """
    devices = jax.local_devices() if devices is None else list(devices)
    # Wait before anything slow: at their first meeting, processes wait only half a minute for each other.
    distributed.wait_for_all("start")
    plan = make_plan(config, len(devices) * distributed.count())
    # Nothing has been written so far.
    with StopSignal() as stop, contextlib.nullcontext() if distributed.index() else own(workdir):
        return _run(plan, workdir, devices, stop, watch)


def _run(plan, workdir, devices, stop, watch):
    config = plan.config
    progress = find_progress(config, plan.fingerprint, workdir)
    solved = exact.used(config, plan.pictures["train"])
    if progress.finished(config) or (solved and progress.step):
        _complete(plan, workdir)
        return np.zeros(0)
    if solved:
        return _solve(plan, workdir, stop)
    if config.head.solver == "exact":
        print(
            f"{len(plan.pictures['train']):,} training pictures are more than {pair_matrix.MOST_PICTURES:,}, "
            "the most whose pairs fit in memory at once: training the head step by step"
        )
    start, processes, me = progress.step, distributed.count(), distributed.index()

    # The model, its trained parameters, and the optimizer.
    model = restore_model(plan.model, workdir, start) if start else with_weights_of(config, plan.model)
    plan = dataclasses.replace(plan, model=model)
    variables = restore_variables(model, workdir, start) if start else _initial_variables(plan)
    inputs = make_inputs(config, model, variables, plan.pictures, plan.augmentation)
    optimizer = make_optimizer(config.optimizer, config.steps, inputs.trained(variables), model.backbone.stages)
    state = TrainState.create(
        inputs.trained(variables),
        optimizer,
        inputs.moved(variables),
        average=config.average_decay > 0,
    )
    # From here on, the folder counts as a run.
    manager = checkpoints.open_checkpoints(workdir)
    if start:
        state = restore_state(manager, start, variables, state)
    elif not me:
        folder.write_config(workdir, config)

    # One copy per device, one compiled step for all devices, and the stream of batches.
    state, carried = replicate(state, devices), replicate(inputs.carried(variables), devices)
    train_step = make_train_step(
        inputs.score_for_training,
        optimizer,
        None if processes > 1 else devices,
        config.accumulate,
        config.average_decay,
    )
    stream = watch(
        batches(
            dataclasses.replace(plan.draw, fetch=inputs.fetch),
            steps=config.steps,
            seed=config.seed,
            start=start,
            workers=inputs.workers,
        )
    )
    window, losses = StepWindow(), []
    stop.defer()
    with RunLog(
        workdir,
        start,
        config.steps,
        config.batch_size,
        learning_rate(config.optimizer, config.steps),
        quiet=me > 0,
        devices=len(devices) * processes,
    ) as log:
        for step, batch in enumerate(stream, start + 1):
            state, measures = train_step(state, carried, shard(batch, len(devices), me, processes))
            window.add(measures, batch["index"])
            log.step_done()
            due = step % config.eval_every == 0 or step == config.steps
            logged = due or step % config.log_every == 0
            # Processes must agree on the step to stop at. They do so at logged steps, where they synchronize anyway.
            stopping = (logged or processes == 1) and distributed.any_of(stop.requested)
            if logged or stopping:
                rows, indices = window.read()
                health.check_finite(
                    rows,
                    step + 1 - len(rows),
                    [plan.pictures["train"].ids[index] for index in indices],
                    manager.latest_step() or 0,
                )
                losses += [row["loss"] for row in rows]
                progress = progress.trained([row["loss"] for row in rows])
                log.write(step, **{name: float(np.mean([row[name] for row in rows])) for name in rows[0]})
            if due or stopping:
                current = evaluated_variables(variables, state)
                if due:
                    progress = progress.evaluated(step, _validate(plan, inputs, current))
                    _report(log, config, current, progress.history)
                save_progress(manager, step, current, state, config, model, plan.fingerprint, progress)
            if stopping:
                manager.close()
                raise stop.exception(
                    f"stopped on request after step {step}, which is saved; run the same command to resume"
                )
            if due and progress.finished(config):
                break
    if processes == 1:
        stop.end_at_once("after the last step; everything is saved")
    _write_percentiles(plan, workdir, inputs, manager)
    manager.close()
    return np.array(losses)


def _solve(plan, workdir, stop):
    """Fit the head and the supports of a frozen backbone in one go, see `train.exact`; the checkpoint is of step 1."""
    config = plan.config
    plan = dataclasses.replace(plan, model=with_weights_of(config, plan.model))
    variables = _initial_variables(plan)
    inputs = make_inputs(config, plan.model, variables, plan.pictures, plan.augmentation)
    manager = checkpoints.open_checkpoints(workdir)
    me = distributed.index()
    if not me:
        folder.write_config(workdir, config)
    losses = []
    with RunLog(workdir, 0, 1, len(plan.pictures["train"]), None, quiet=me > 0) as log:
        fit = exact.Fit(plan, inputs, variables, workdir, log.say)

        def watch(number, learned):
            losses.append(float(learned.objective))
            log.write(number + 1, loss=losses[-1], pair_accuracy=fit.accuracy(learned.scores))

        variables = fit.run(watch)
        if not np.isfinite(losses).all():
            raise FloatingPointError(
                f"the solved head is not finite: got the losses {losses}, expected finite numbers; check the features"
            )
        log.step_done()
        accuracy = _validate(plan, inputs, variables)
        history = [{"step": 1, "loss": losses[-1], "pair_accuracy": accuracy}]
        _report(log, config, variables, history)
    stop.defer()
    run = checkpoints.describe(config, plan.model.preprocessing, plan.fingerprint, history, licence=plan.model.licence)
    checkpoints.save(manager, 1, variables, {"step": np.int32(1)}, run, accuracy or 0.0)
    if distributed.count() == 1:
        stop.end_at_once("after the last step; everything is saved")
    _write_percentiles(plan, workdir, inputs, manager)
    manager.close()
    return np.array(losses)


def _complete(plan, workdir):
    """Write the percentiles if an earlier run was killed before it could, or is older; of several processes none does.

    One process would score while the others wait to leave, and they do not wait for long. Evaluation writes them then.
    """
    if distributed.count() > 1:
        return
    known = percentiles.read(workdir, best_step(workdir), plan.fingerprint)
    if known is None or (known.pooled is None and percentiles.has_baseline(plan.config)):
        percentiles.ensure(workdir, load_ranker(workdir), plan.pictures["train"])


def _initial_variables(plan):
    backbone = plan.config.backbone
    variables = plan.model.init(plan.config.seed, backbone.pretrained, backbone.weights or None)
    # Use NumPy arrays: several processes cannot save arrays that lie on the devices of one.
    return jax.tree.map(np.asarray, variables)


def _validate(plan, inputs, variables):
    """Compute pair accuracy on the validation pictures, on the devices of all processes; None without pictures."""
    if plan.validation_pairs is None:
        return None
    everything = np.arange(len(plan.pictures["validation"]))
    scores = _gathered(
        inputs.score,
        variables,
        lambda mine: inputs.whole("validation", mine),
        everything,
        plan.config.batch_size,
        np.zeros(0, np.float32),
    )
    return pair_accuracy(scores, plan.validation_pairs)


def _gathered(function, variables, rows_of, indices, batch_size, empty):
    """Apply a function to some whole pictures; each process takes its share, and all get all results.

    `empty` are the results of no picture: a process may have none.
    """
    mine = indices[distributed.share_of(len(indices))]
    batches = in_batches(on_devices(function, variables, batch_size), rows_of(mine), batch_size)
    whole = jax.tree.map(lambda *parts: np.concatenate(parts), empty, *batches)
    return jax.tree.map(lambda part: distributed.gather(part, len(indices)), whole)


def _report(log, config, variables, history):
    last = history[-1]
    if last["pair_accuracy"] is not None:
        log.write(last["step"], validation_pair_accuracy=last["pair_accuracy"])
    for warning in (
        health.still_loss([row["loss"] for row in history]),
        health.collapsed_supports(learned_shares(config, variables)),
    ):
        if warning:
            log.say(f"warning: step {last['step']}: {warning}")


def _write_percentiles(plan, workdir, inputs, manager):
    """Score the training pictures with the best checkpoint, so that scoring can give percentiles right away."""
    step = manager.best_step() or manager.latest_step()
    variables = checkpoints.restore(manager, step, variables=plan.model.abstract_variables())["variables"]
    drawn = percentiles.drawn(len(plan.pictures["train"]))

    def in_float32(mine):
        # Cached feature maps are float16 or bfloat16, and evaluation pools in float32.
        for row in inputs.whole("train", mine):
            yield jax.tree.map(lambda leaf: leaf.astype(np.float32) if leaf.dtype.itemsize == 2 else leaf, row)

    no_scores, arguments = np.zeros(0, np.float32), (variables, in_float32, drawn, plan.config.batch_size)
    if percentiles.has_baseline(plan.config):
        no_features = np.zeros((0, len(variables["params"]["head"]["kernel"])), np.float32)
        scores, pooled = _gathered(inputs.score_and_pool, *arguments, (no_scores, no_features))
    else:
        scores, pooled = _gathered(inputs.score, *arguments, no_scores), None
    percentiles.check_finite(workdir, scores, plan.pictures["train"].ids[drawn], "training pictures")
    if not distributed.index():
        percentiles.write(workdir, step, plan.fingerprint, scores, pooled)
