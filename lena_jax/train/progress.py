"""Where a run stands: found in its checkpoints at the start, saved in them as it goes."""

import dataclasses
import os

import numpy as np

from lena_jax.config import differences
from lena_jax.runs import checkpoints
from lena_jax.runs.trained_data import check_dataset
from lena_jax.runtime import distributed
from lena_jax.runtime.trees import merge
from lena_jax.train.step import TrainState, first_copy


@dataclasses.dataclass(frozen=True)
class Progress:
    """What a run has done so far.

    Attributes:
        step: steps that are done and saved.
        history: a dict for each evaluation: `step`, mean training `loss` since the one before, and `pair_accuracy` on
            the validation pictures (None without any).
        pending: training losses since the last evaluation.
    """

    step: int = 0
    history: tuple = ()
    pending: tuple = ()

    def trained(self, losses):
        """The progress after steps with these losses."""
        return dataclasses.replace(self, pending=(*self.pending, *losses))

    def evaluated(self, step, pair_accuracy):
        """The progress after an evaluation."""
        row = {"step": step, "loss": float(np.mean(self.pending)), "pair_accuracy": pair_accuracy}
        return Progress(step, (*self.history, row), ())

    def finished(self, config):
        """Whether all steps are done, or validation has not improved for `config.stop_after` evaluations."""
        if self.step >= config.steps:
            return True
        if not config.stop_after or not self.history:
            return False
        best = int(np.argmax([row["pair_accuracy"] for row in self.history]))
        return len(self.history) - 1 - best >= config.stop_after


def find_progress(config, fingerprint, workdir):
    """The progress in the newest sound checkpoint; damaged ones are set aside.

    Args:
        config: of the run.
        fingerprint: of its pictures.
        workdir: folder of the run.

    Raises:
        ValueError: for the folder of a run of another config, or of a dataset that has been rebuilt since.
    """
    if not os.path.isdir(os.path.join(workdir, "checkpoints")):
        return Progress()
    with distributed.first_goes_first("damaged checkpoints"):
        for step in [] if distributed.index() else checkpoints.set_aside_damaged(workdir):
            print(
                f"warning: the checkpoint of step {step} is damaged and was moved to "
                f"{os.path.join(workdir, 'damaged_checkpoints')}; training goes on from the newest of the others"
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


def save(manager, step, variables, state, config, preprocessing, fingerprint, progress):
    """Saves a checkpoint.

    Args:
        manager: of `checkpoints.open_checkpoints`.
        step: steps that are done.
        variables: as of `evaluated_variables`.
        state: the `TrainState`, replicated.
        config, preprocessing, fingerprint: of the run.
        progress: `Progress`; its last evaluation counts for the best checkpoint if it is of this step.

    Raises:
        OSError: if the disk has no room for it.
    """
    state = first_copy(state)
    training = {"opt_state": state.opt_state, "step": state.step} | ({"params": state.params} if state.average else {})
    run = checkpoints.describe(config, preprocessing, fingerprint, progress.history, progress.pending)
    # Between evaluations nothing is known of the accuracy.
    last = progress.history[-1] if progress.step == step and progress.history else {"pair_accuracy": None}
    checkpoints.save(manager, step, variables, training, run, last["pair_accuracy"] or 0.0)


def evaluated_variables(variables, state):
    """What evaluation reads: the variables with the trained parameters, or with their moving average if there is one.

    Args:
        variables: of the model, whose parameters may have been trained since.
        state: the `TrainState`, replicated.
    """
    state = first_copy(state)
    return merge(
        variables,
        {"params": state.average or state.params},
        {"batch_stats": state.batch_stats} if state.batch_stats else {},
    )


def restore_variables(model, workdir, step):
    """The variables of a checkpoint, as of `evaluated_variables`.

    The backbone's too: the file that its weights came from may be another by now, or gone.
    """
    with checkpoints.open_checkpoints(workdir) as manager:
        return checkpoints.restore(manager, step, variables=model.abstract_variables())["variables"]


def restore_state(manager, step, variables, state):
    """The training state of a checkpoint.

    Args:
        manager: of `checkpoints.open_checkpoints`.
        step: of the checkpoint.
        variables: of the same checkpoint.
        state: a `TrainState` made of these variables; it gives the shapes.
    """
    training = {"opt_state": state.opt_state, "step": state.step} | ({"params": state.params} if state.average else {})
    training = checkpoints.restore(manager, step, training=training)["training"]
    # The variables hold the average where there is one, so the state was made of it.
    return TrainState(
        params=training.get("params", state.params),
        opt_state=training["opt_state"],
        step=training["step"],
        batch_stats=variables["batch_stats"] if state.batch_stats else {},
        average=state.average,
    )
