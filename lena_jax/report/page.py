"""`report.html`: all that a run's folder says, on one page that needs nothing else."""

import dataclasses
import json
import os

import jax
import ml_collections
import numpy as np

from lena_jax.backbones import BACKBONES
from lena_jax.config import as_json, default_config
from lena_jax.data.dataset import ScoredPictures
from lena_jax.metrics import pairs_to_compare, ranking_metrics
from lena_jax.models.predict import predict
from lena_jax.models.ranker import eta_distribution, learned_shares, learns_shares
from lena_jax.pooling import POOLINGS
from lena_jax.report import charts
from lena_jax.report.confident_pairs import most_confident_pairs
from lena_jax.report.html import Html, facts, join, page, section, table, tag
from lena_jax.runs import checkpoints, folder, health
from lena_jax.runs.load import load_ranker
from lena_jax.runs.trained_data import open_trained_pictures
from lena_jax.runtime import distributed
from lena_jax.runtime.files import write_whole

_MEASURES = {
    "pair_accuracy": ("Pair accuracy", 0.5),
    "spearman": ("Spearman's rho", 0.0),
    "kendall": ("Kendall's tau-b", 0.0),
}


def write_report(workdir, data_dir=None):
    """Writes `workdir/report.html` from the other files of the run, its best checkpoint and its pictures.

    The measures are those of `metrics.json`, else of `validation_metrics.json`, where they are of the best checkpoint;
    else the validation pictures are scored here. What is not there is left out, or the page says why.

    Args:
        workdir: folder of the run.
        data_dir: where the data set lies now; None for where it lay in training.

    Raises:
        ValueError: if the folder holds no run.
    """
    run = _open(workdir, data_dir)
    look = _look(run, workdir)
    config = run.config
    place = f" at {config.backbone.endpoint}" if config.backbone.endpoint else ""
    title = f"{config.data.name} · {config.backbone.name} · {_pooling(config)} pooling"
    fold = f"fold {config.data.fold} of {config.data.folds}, " if config.data.folds else ""
    subtitle = (
        f"A siamese ranker: {config.data.name}, {fold}trunk {config.backbone.name}{place} "
        f"({'frozen' if config.backbone.frozen else 'trained'}), {_pooling(config)} pooling, "
        f"seed {config.seed}"
    )
    if config.get("fusion", "none") != "none":
        subtitle += f", objectness maps fused by {config.fusion}"
    body = join(
        [
            _warnings(run),
            _headline(run, look),
            _curves(run),
            _supports(run, look),
            _pairs(run, look),
            _facts(run),
            _config(run),
        ]
    )
    write_whole(os.path.join(workdir, "report.html"), lambda file: file.write(page(title, subtitle, body)))


@dataclasses.dataclass(frozen=True)
class _Run:
    """What is known of a run: `model`, `variables`, `step` and `history` are None where no checkpoint can be read."""

    config: object
    rows: list
    timing: dict | None
    notes: list
    model: object = None
    variables: dict | None = None
    step: int | None = None
    history: list | None = None
    pictures: dict | None = None


@dataclasses.dataclass(frozen=True)
class _Look:
    """Measures of some pictures, and with the pictures at hand what they rest on."""

    metrics: dict
    pictures: ScoredPictures | None = None
    scores: np.ndarray | None = None
    pairs: np.ndarray | None = None


def _open(workdir, data_dir):
    stored, known, notes = folder.read_config(workdir), {}, []
    config = None if stored is None else ml_collections.ConfigDict(stored)
    if distributed.count() > 1:
        # One process alone can neither open checkpoints nor score pictures.
        notes.append("Several processes trained this; evaluation adds pairs of pictures to this page.")
    else:
        try:
            model, variables, config, trained_on, step = load_ranker(workdir)
            known = {"model": model, "variables": variables, "step": step, "history": _history(workdir)}
            if data_dir is not None:
                config.data.dir = data_dir
            known["pictures"] = open_trained_pictures(workdir, config, trained_on)
        except (ValueError, OSError) as error:
            if config is None:
                raise
            notes.append(f"Not everything can be shown: {error}")
    if config is None:
        raise ValueError(f"no run in {workdir!r}: expected a folder that experiments/train.py wrote")
    return _Run(config, folder.read_log(workdir), folder.read_timing(workdir), notes, **known)


def _history(workdir):
    with checkpoints.open_checkpoints(workdir, read_only=True) as manager:
        return checkpoints.restore_run(manager, manager.latest_step())["history"]


def _look(run, workdir):
    """The measures to show, or None."""
    for split in ("test", "validation"):
        metrics = folder.read_metrics(workdir, split)
        if metrics is None or run.step not in (None, metrics.get("step")):
            continue  # None, or those of an earlier checkpoint.
        if run.pictures is None or not folder.has_scores(workdir, split):
            return _Look(metrics)
        pictures = run.pictures[split]
        return _Look(
            metrics,
            pictures,
            folder.read_predicted(workdir, pictures, split),
            folder.read_compared(workdir, pictures.ids, split),
        )
    if run.pictures is None or run.pictures["validation"] is None:
        return None
    pictures = run.pictures["validation"]
    pairs = pairs_to_compare(pictures.scores, pictures.groups, run.config.pairs.min_gap, given=pictures.pairs)
    scores = predict(run.model, run.variables, pictures, run.config.batch_size, "report")[0]
    metrics = {
        "split": "validation",
        "step": run.step,
        **ranking_metrics(scores, pictures.scores, pictures.groups, pairs=pairs),
    }
    return _Look(metrics, pictures, scores.astype(np.float64), pairs)


def _warnings(run):
    """What `health` has to say of the run's history, and what this page could not show."""
    losses = [row["loss"] for row in run.history or []]
    still = [(row["step"], health.still_loss(losses[:number])) for number, row in enumerate(run.history or [], 1)]
    found = [f"step {step}: {warning}" for step, warning in still if warning]
    if len(found) > 1:
        found = [f"{found[-1]}; {len(found)} evaluations said so"]
    if run.variables is not None:
        collapsed = health.collapsed_supports(learned_shares(run.config, run.variables))
        found += [f"step {run.step}: {collapsed}"] if collapsed else []
    notices = [*found, *run.notes]
    return (
        tag(
            "div",
            tag("strong", "To know"),
            tag("ul", *(tag("li", text) for text in notices)),
            class_="notice",
            role="note",
        )
        if notices
        else Html()
    )


def _headline(run, look):
    if look is None:
        last = [row for row in run.rows if "validation_pair_accuracy" in row]
        said = (
            f"The validation pair accuracy of step {last[-1]['step']} was {last[-1]['validation_pair_accuracy']:.3f}."
            if last
            else "There are no validation pictures."
        )
        return section("Measures", tag("p", f"Not evaluated yet. {said}"))
    metrics = look.metrics
    tiles = []
    for key, (name, start) in _MEASURES.items():
        value, low, high = (metrics[key][end] for end in ("value", "low", "high"))
        parts = [
            tag("div", name, class_="name"),
            tag("div", "undefined" if value is None else f"{value:.3f}", class_="value"),
        ]
        if low is not None:
            parts.append(tag("div", f"95 % interval {low:.3f} to {high:.3f}", class_="range"))
        if value is not None:
            parts.append(charts.interval(value, low, high, start if (low or value) >= start else -1.0, 1.0))
        tiles.append(tag("div", *parts, class_="tile"))
    inside = [
        (name.replace("_", " "), f"{each['energy_inside']:.1%}", f"{each['area']:.1%}", f"{each['ratio']:.1f}")
        for name, each in metrics.get("localization", {}).items()
    ]
    kind = {"test": "Test pictures", "validation": "Validation pictures"}[metrics["split"]]
    unseen = (
        ""
        if metrics["split"] == "test"
        else " They chose the checkpoint, so the measures flatter it; evaluation on the test pictures will replace them."
    )
    return section(
        kind,
        tag(
            "p",
            f"{metrics['pictures']:,} pictures and {metrics['pairs']:,} pairs, ranked by the checkpoint of "
            f"step {metrics['step']}. Intervals: bootstrap over pictures.{unseen}",
        ),
        tag("div", *tiles, class_="tiles"),
        table(
            ("map", "positive energy inside the mask", "area of the mask", "times the area"),
            inside,
            "Where the score comes from, against the masks of the data set",
        )
        if inside
        else Html(),
    )


def _curves(run):
    config, steps = run.config, run.config.steps
    train, held_out = ([row for row in run.rows if key in row] for key in ("loss", "validation_pair_accuracy"))
    end = max((row["step"] for row in run.rows), default=steps)

    def series(rows, key):
        return [row["step"] for row in rows], [row[key] for row in rows]

    drawn = [
        charts.lines(
            "Training loss",
            "Pairwise logistic loss.",
            {"training": series(train, "loss")},
            "step",
            marks=[("guessing, ln 2", np.log(2))],
            low=0,
            x_end=end,
        )
    ]
    accuracies = {"training batches": series(train, "pair_accuracy")}
    if held_out:
        accuracies["validation"] = series(held_out, "validation_pair_accuracy")
    drawn.append(
        charts.lines(
            "Pair accuracy",
            "Share of pairs in the right order.",
            accuracies,
            "step",
            marks=[("guessing", 0.5)],
            low=0.5,
            high=1.0,
            x_end=end,
        )
    )
    clip = config.optimizer.clip_norm
    drawn.append(
        charts.lines(
            "Gradient norm",
            f"Before clipping at {clip:g}." if clip else "Without clipping.",
            {"gradient norm": series(train, "gradient_norm")},
            "step",
            low=0,
            x_end=end,
        )
    )
    at, head = (np.array(values) for values in series(train, "learning_rate"))
    rates = {"head": (at, head)}
    record = POOLINGS.get(config.pooling)
    if record and record.parameter:
        rates["pooling"] = (at, head * config.optimizer.pooling_rate)
    if not config.backbone.frozen:
        rates["trunk, last stage" if config.optimizer.stage_decay < 1 else "trunk"] = (
            at,
            head * config.optimizer.backbone_rate,
        )
    stopped = f" The run ended at step {end}." if end < steps else ""
    drawn.append(
        charts.lines(
            "Learning rates",
            f"{config.optimizer.name}, {config.optimizer.schedule} schedule.{stopped}",
            rates,
            "step",
            low=0,
        )
    )
    return section("Training", tag("div", *drawn, class_="charts"))


def _supports(run, look):
    """LENA's eta over channels, where it started, and the supports in cells."""
    config, moved, kept = run.config, "", None
    if not learns_shares(config):
        return Html()
    if run.variables is not None:
        shape = jax.eval_shape(
            run.model.feature_map,
            run.variables,
            jax.ShapeDtypeStruct((1, config.image_size, config.image_size, 3), np.float32),
        ).shape
        kept = eta_distribution(config, run.variables, shape[1] * shape[2])
    elif look is not None:
        kept = look.metrics.get("eta")
    if kept is None:
        return Html()
    options = config.pooling_options.get(config.pooling, {})
    count = options.get("init_count")
    start = count / kept["cells"] if count else options.get("init_share", POOLINGS[config.pooling].module.init_share)
    if run.variables is not None:
        eta = learned_shares(config, run.variables)
        moved = (
            f" It grew in {np.mean(eta > start + 1e-6):.0%} of the {len(eta):,} channels and shrank in "
            f"{np.mean(eta < start - 1e-6):.0%}, by {np.mean(np.abs(eta - start)):.3f} on average."
        )
        counts, edges = (part.tolist() for part in np.histogram(eta, 25, (0, min(1, 1.05 * max(start, eta.max())))))
    else:
        counts, edges = (kept["histogram"][name] for name in ("channels", "edges"))
    chart = charts.histogram(
        "eta over channels",
        "Share of the picture that a channel is averaged over.",
        edges,
        counts,
        "eta",
        ("where all started", start),
    )
    rows = [
        (f"{quantile} %", f"{kept['share'][quantile]:.3f}", f"{kept['support_size'][quantile]:.1f} cells")
        for quantile in kept["share"]
    ]
    return section(
        "What LENA learned",
        tag(
            "p",
            f"All channels started from eta = {start:.3g}, {start * kept['cells']:.1f} of "
            f"{kept['cells']} cells; the median is now {kept['share']['50']:.3f}, "
            f"{kept['support_size']['50']:.1f} cells.{moved}",
        ),
        tag(
            "div",
            chart,
            tag(
                "div",
                table(("of the channels", "eta below", "support below"), rows, "Supports in cells"),
                class_="chart",
            ),
            class_="charts",
        ),
    )


def _pairs(run, look):
    if look is None or look.pictures is None:
        return Html()
    return most_confident_pairs(
        run.model, run.variables, run.config.batch_size, _pooling(run.config), look.pictures, look.scores, look.pairs
    )


def _facts(run):
    config, timing = run.config, run.timing or {}
    versions = timing.get("versions") or folder.versions()
    done = max((row["step"] for row in run.rows), default=None)
    devices = timing.get("devices")
    speed, seconds = timing.get("pictures_per_second"), timing.get("seconds")
    trunk = BACKBONES.get(config.backbone.name)
    parts = (
        None
        if trunk is None or config.backbone.frozen
        else f"from {config.backbone.train_from} on"
        if config.backbone.train_from
        else "all of it"
    )
    return section(
        "The run",
        facts(
            [
                ("Steps", None if done is None else f"{done:,} of {config.steps:,}"),
                ("Pictures a step", f"{config.batch_size:,}"),
                ("Best checkpoint", None if run.step is None else f"step {run.step:,}"),
                ("Trunk trained", parts),
                ("Devices", None if devices is None else f"{devices} ({timing['device_kind']})"),
                ("Speed", None if speed is None else f"{speed:,.0f} pictures a second"),
                ("Time", None if seconds is None else f"{_duration(seconds)} for {timing['pictures']:,} pictures"),
                ("Versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
            ]
        ),
    )


def _duration(seconds):
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02} min"


def _config(run):
    ours, theirs = (_flat(as_json(each)) for each in (run.config, default_config()))
    changed = [
        (key, _shown(value), _shown(theirs[key]) if key in theirs else "absent")
        for key, value in ours.items()
        if key not in theirs or theirs[key] != value
    ]
    return section(
        "Config",
        table(("key", "value", "default"), changed) if changed else tag("p", "All defaults."),
        tag(
            "details",
            tag("summary", f"All {len(ours)} keys"),
            table(("key", "value"), [(key, _shown(value)) for key, value in ours.items()]),
        ),
    )


def _flat(tree, prefix=""):
    """Dotted name -> value of the leaves of nested dicts, sorted."""
    flat = {}
    for name, value in sorted(tree.items()):
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) and value else {prefix + name: value}
    return flat


def _shown(value):
    return json.dumps(value, ensure_ascii=False)


def _pooling(config):
    # A run of another version may have a pooling that this one does not know.
    record = POOLINGS.get(config.pooling)
    return record.title if record else config.pooling
