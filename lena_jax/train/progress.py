"""The progress of a run: read from its checkpoints at the start, saved in them as it trains."""

import dataclasses
import os

import numpy as np

from lena_jax.config import differences
from lena_jax.runs import checkpoints
from lena_jax.runs.trained_data import check_dataset
from lena_jax.runtime import distributed
from lena_jax.runtime.trees import merge, part_like
from lena_jax.train.step import TrainState, first_copy


@dataclasses.dataclass(frozen=True)
class Progress:
    """What a run has done so far.

    Attributes:
        step: number of the last saved step.
        history: one dict per evaluation: `step`, the mean training `loss` since the previous evaluation, and
            `pair_accuracy` on the validation pictures (None if there are none).
        pending: training losses since the last evaluation.
    """

    step: int = 0
    history: tuple = ()
    pending: tuple = ()

    def trained(self, losses):
        """Return the progress after steps with these losses."""
        return dataclasses.replace(self, pending=(*self.pending, *losses))

    def evaluated(self, step, pair_accuracy):
        """Return the progress after an evaluation."""
        row = {"step": step, "loss": float(np.mean(self.pending)), "pair_accuracy": pair_accuracy}
        return Progress(step, (*self.history, row), ())

    def finished(self, config):
        """Tell whether all steps are done, or validation has not improved for `config.stop_after` evaluations."""
        if self.step >= config.steps:
            return True
        if not config.stop_after or not self.history:
            return False
        best = int(np.argmax([row["pair_accuracy"] for row in self.history]))
        return len(self.history) - 1 - best >= config.stop_after


def find_progress(config, fingerprint, workdir):
    """Read the progress from the newest intact checkpoint; move damaged ones aside.

    Args:
        config: config of the run.
        fingerprint: fingerprint of its pictures.
        workdir: folder of the run.

    Raises:
        ValueError: if the folder holds a run of another config, or its dataset has been rebuilt since.
    """
    if not os.path.isdir(os.path.join(workdir, "checkpoints")):
        return Progress()
    with distributed.first_goes_first("damaged checkpoints"):
        for step in [] if distributed.index() else checkpoints.set_aside_damaged(workdir):
            print(
                f"warning: the checkpoint of step {step} is damaged and was moved to "
                f"{os.path.join(workdir, 'damaged_checkpoints')}; training resumes from the newest intact one"
            )
    with checkpoints.open_checkpoints(workdir) as manager:
        step = manager.latest_step()
        run = checkpoints.restore_run(manager, step) if step else None
    if run is None:
        return Progress()
    if different := differences(config, run["config"]):
        raise ValueError(
            f"{workdir!r} holds a checkpoint of another config; these keys differ: {different}. Use a new "
            f"--workdir, or delete {workdir!r}"
        )
    check_dataset(workdir, config, run["data"], fingerprint)
    return Progress(step, tuple(run["history"]), tuple(run["pending"]))


def save_progress(manager, step, variables, state, config, model, fingerprint, progress):
    """Save a checkpoint.

    Args:
        manager: manager from `checkpoints.open_checkpoints`.
        step: number of steps done.
        variables: variables from `evaluated_variables`.
        state: replicated `TrainState`.
        config, model, fingerprint: those of the run; of the `Ranker`, what belongs to its backbone's weights.
        progress: `Progress`; its last evaluation ranks this checkpoint if it was made at this step.

    Raises:
        OSError: if the disk has no room for it.
    """
    state = first_copy(state)
    training = {"opt_state": state.opt_state, "step": state.step} | ({"params": state.params} if state.average else {})
    run = checkpoints.describe(
        config, model.preprocessing, fingerprint, progress.history, progress.pending, model.licence
    )
    # Between evaluations the accuracy is unknown.
    last = progress.history[-1] if progress.step == step and progress.history else {"pair_accuracy": None}
    checkpoints.save(manager, step, variables, training, run, last["pair_accuracy"] or 0.0)


def evaluated_variables(variables, state):
    """Return the variables to evaluate: with the EMA of the parameters if there is one, else the trained parameters.

    Args:
        variables: variables of the model, possibly older than `state`.
        state: replicated `TrainState`.
    """
    state = first_copy(state)
    return merge(
        variables,
        {"params": state.average or state.params},
        state.statistics,
    )


def restore_variables(model, workdir, step):
    """Restore the variables that `evaluated_variables` gave when the checkpoint was saved.

    They include the backbone's, because the file of its weights may have changed or be gone.
    """
    with checkpoints.open_checkpoints(workdir) as manager:
        return checkpoints.restore(manager, step, variables=model.abstract_variables())["variables"]


def restore_model(model, workdir, step):
    """Return the model with what belongs to the weights that the run started from: their preprocessing and licence."""
    with checkpoints.open_checkpoints(workdir) as manager:
        run = checkpoints.restore_run(manager, step)
    return dataclasses.replace(model, preprocessing=run["preprocessing"], licence=run["licence"])


def restore_state(manager, step, variables, state):
    """Restore the training state of a checkpoint.

    Args:
        manager: manager from `checkpoints.open_checkpoints`.
        step: step of the checkpoint.
        variables: variables of the same checkpoint.
        state: `TrainState` made of these variables; it gives the shapes.
    """
    training = {"opt_state": state.opt_state, "step": state.step} | ({"params": state.params} if state.average else {})
    training = checkpoints.restore(manager, step, training=training)["training"]
    # If there is an EMA, the variables hold it, so state.average already has it.
    return TrainState(
        params=training.get("params", state.params),
        opt_state=training["opt_state"],
        step=training["step"],
        statistics=part_like(state.statistics, variables),
        average=state.average,
    )
