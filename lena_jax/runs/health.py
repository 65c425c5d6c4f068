"""What can go wrong in training without an error: numbers that are not finite, a loss that stands still, supports that
collapse."""

import numpy as np

STILL_EVALUATIONS = 5
STILL_LOSS = 1e-3
COLLAPSED_SHARE = 0.01


def check_finite(rows, first_step, ids, last_checkpoint):
    """Refuses to go on after a loss or gradient that is not finite.

    Args:
        rows: dicts with `loss` and `gradient_norm`, one for each step from `first_step` on.
        first_step: number of the first row's step.
        ids: for each row the ids of the batch's pictures.
        last_checkpoint: step of the newest checkpoint.

    Raises:
        FloatingPointError: with the step, what is not finite, the ids of its pictures and the last checkpoint.
    """
    for number, row in enumerate(rows):
        bad = [name for name in ("loss", "gradient_norm") if not np.isfinite(row[name])]
        if bad:
            raise FloatingPointError(
                f"the {' and the '.join(bad).replace('_', ' ')} of step {first_step + number} is {row[bad[0]]}; its "
                f"pictures are {', '.join(map(str, ids[number]))}. The newest checkpoint is of step {last_checkpoint}. "
                "Try a smaller optimizer.learning_rate, or look at these pictures"
            )


def still_loss(losses):
    """A warning if the training loss has not moved for `STILL_EVALUATIONS` evaluations, else None.

    Args:
        losses: mean training loss before each evaluation so far.
    """
    last = losses[-STILL_EVALUATIONS:]
    if len(last) == STILL_EVALUATIONS and np.ptp(last) < STILL_LOSS:
        return (
            f"the training loss has stayed within {STILL_LOSS} of {last[-1]:.4f} for {STILL_EVALUATIONS} "
            "evaluations (guessing gives 0.6931)"
        )
    return None


def collapsed_supports(eta):
    """A warning if most channels pool one cell only, or all of them, else None.

    Args:
        eta: [C] LENA's shares in [0, 1], or None.
    """
    if eta is None:
        return None
    for share, name in (
        (np.mean(eta < COLLAPSED_SHARE), "0 (max pooling)"),
        (np.mean(eta > 1 - COLLAPSED_SHARE), "1 (average pooling)"),
    ):
        if share > 0.5:
            return f"eta is within {COLLAPSED_SHARE} of {name} in {share:.0%} of the channels"
    return None
