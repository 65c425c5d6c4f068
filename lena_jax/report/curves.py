"""Draw the curves of a run: what happened over its steps, or what inner validation found for a solved head."""

import numpy as np

from lena_jax.pooling import POOLINGS
from lena_jax.report import charts


def curves(run):
    """Draws the training curves: loss, pair accuracy, gradient norm and learning rates over steps.

    For a solved head, which has no steps, draws the inner validation that chose its ridge.
    """
    config = run.config
    if run.chosen is not None:
        drawn = [_inner_validation(run.chosen), _learning_curve(run.chosen.get("learning_curve"))]
        return [chart for chart in drawn if chart is not None]
    train, held_out = ([row for row in run.rows if key in row] for key in ("loss", "validation_pair_accuracy"))
    end = max((row["step"] for row in run.rows), default=config.steps)
    accuracies = {"training batches": _series(train, "pair_accuracy")}
    if held_out:
        accuracies["validation"] = _series(held_out, "validation_pair_accuracy")
    clip = config.optimizer.clip_norm
    stopped = f" The run ended at step {end}." if end < config.steps else ""
    drawn = [
        charts.lines(
            "Training loss",
            "Pairwise logistic loss.",
            {"training": _series(train, "loss")},
            "step",
            marks=[("guessing, ln 2", np.log(2))],
            low=0,
            x_end=end,
        ),
        charts.lines(
            "Pair accuracy",
            "Share of pairs in the right order.",
            accuracies,
            "step",
            marks=[("guessing", 0.5)],
            low=0.5,
            high=1.0,
            x_end=end,
        ),
        charts.lines(
            "Gradient norm",
            f"Before clipping at {clip:g}." if clip else "Without clipping.",
            {"gradient norm": _series(train, "gradient_norm")},
            "step",
            low=0,
            x_end=end,
        ),
        charts.lines(
            "Learning rates",
            f"{config.optimizer.name}, {config.optimizer.schedule} schedule.{stopped}",
            _rates(config, train),
            "step",
            low=0,
        ),
    ]
    return [chart for chart in drawn if chart is not None]


def _inner_validation(chosen):
    starts = {}
    for row in chosen["tried"]:
        if not row["freedom"]:
            name = "supports from " + format(row["start"], "g") if row["start"] else "pair accuracy"
            starts.setdefault(name, []).append((np.log10(row["ridge"]), row["pair_accuracy"]))
    return charts.lines(
        "Inner validation",
        f"Pair accuracy on training pictures held out, by the ridge of the head; {chosen['ridge']:g} was chosen.",
        {name: tuple(zip(*sorted(points), strict=True)) for name, points in starts.items()},
        "log10 of the ridge",
    )


def _learning_curve(rows):
    if not rows or len(rows) < 2:
        return None
    last, before = rows[-1], rows[-2]
    gain = last["pair_accuracy"] - before["pair_accuracy"]
    return charts.lines(
        "Learning curve",
        "Pair accuracy on training pictures held out, by the number of pictures trained on, with one support for all "
        f"channels. From {before['pictures']:,.0f} to {last['pictures']:,.0f} pictures it gained {gain:+.3f}; twice as "
        "many pictures can be expected to bring about two thirds of that again.",
        {"pair accuracy": ([row["pictures"] for row in rows], [row["pair_accuracy"] for row in rows])},
        "pictures",
    )


def _series(rows, key):
    return [row["step"] for row in rows], [row[key] for row in rows]


def _rates(config, rows):
    """Computes the learning rates of the trained parts of the model."""
    steps, head = (np.array(values) for values in _series(rows, "learning_rate"))
    rates = {"head": (steps, head)}
    record = POOLINGS.get(config.pooling)
    if record and record.parameter:
        rates["pooling"] = (steps, head * config.optimizer.pooling_rate)
    if not config.backbone.frozen:
        name = "backbone, last stage" if config.optimizer.stage_decay < 1 else "backbone"
        rates[name] = (steps, head * config.optimizer.backbone_rate)
    return rates
