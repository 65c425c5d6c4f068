"""Detect training that goes wrong silently: numbers that are not finite, a stuck loss, collapsed supports."""

import numpy as np

STILL_EVALUATIONS = 5
STILL_LOSS = 1e-3
COLLAPSED_SHARE = 0.01


def check_finite(rows, first_step, ids, last_checkpoint):
    """Raise if a loss or gradient is not finite.

    Args:
        rows: dicts with `loss` and `gradient_norm`, one per step from `first_step` on.
        first_step: step of the first row.
        ids: for each row, the ids of the batch's pictures.
        last_checkpoint: step of the newest checkpoint.

    Raises:
        FloatingPointError: if one is not; names the step, the value, the ids of its pictures and the newest checkpoint.
    """
    for number, row in enumerate(rows):
        bad = [name for name in ("loss", "gradient_norm") if not np.isfinite(row[name])]
        if bad:
            raise FloatingPointError(
                f"the {' and the '.join(bad).replace('_', ' ')} of step {first_step + number} is {row[bad[0]]}; its "
                f"pictures are {', '.join(map(str, ids[number]))}. The newest checkpoint is of step {last_checkpoint}. "
                "Try a smaller optimizer.learning_rate, or check these pictures"
            )


def still_loss(losses):
    """Return a warning if the training loss has not moved for `STILL_EVALUATIONS` evaluations, else None.

    Args:
        losses: mean training loss before each evaluation so far.
    """
    last = losses[-STILL_EVALUATIONS:]
    if len(last) == STILL_EVALUATIONS and np.ptp(last) < STILL_LOSS:
        return (
            f"the training loss has stayed within {STILL_LOSS} of {last[-1]:.4f} for {STILL_EVALUATIONS} "
            "evaluations (random guessing gives 0.6931)"
        )
    return None


def collapsed_supports(eta):
    """Return a warning if most channels pool only one cell, or all cells, else None.

    Args:
        eta: LENA's shares [C] in [0, 1], or None for another pooling.
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
