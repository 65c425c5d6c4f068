"""Compute the values that the report template shows: sentences, formatted numbers, charts and table rows."""

import json

import jax
import numpy as np

from lena_jax.backbones import BACKBONES
from lena_jax.config import as_json, default_config
from lena_jax.models.shares import eta_distribution, learned_shares, learns_shares
from lena_jax.pooling import POOLINGS
from lena_jax.report import charts
from lena_jax.runs import folder, health

_MEASURES = {
    "pair_accuracy": ("Pair accuracy", 0.5),
    "spearman": ("Spearman's rho", 0.0),
    "kendall": ("Kendall's tau-b", 0.0),
}
# Of pairs that people judged, beside the pair accuracy.
_OF_CHOICES = {
    "ceiling": "At most: agreement with one person",
    "bradley_terry": "Other choices, without pixels",
}


def heading(run):
    """Returns the page's title and subtitle."""
    config = run.config
    place = f" at {config.backbone.endpoint}" if config.backbone.endpoint else ""
    fold = f"fold {config.data.fold} of {config.data.folds}, " if config.data.folds else ""
    subtitle = (
        f"A siamese ranker: {config.data.name}, {fold}backbone {config.backbone.name}{place} "
        f"({'frozen' if config.backbone.frozen else 'trained'}), {run.pooling} pooling, seed {config.seed}"
    )
    if config.get("fusion", "none") != "none":
        subtitle += f", objectness maps fused by {config.fusion}"
    return f"{config.data.name} · {config.backbone.name} · {run.pooling} pooling", subtitle


def notices(run):
    """Lists the warnings of `health` about the run, and notes on what the page could not show."""
    losses = [row["loss"] for row in run.history or []]
    still = [(row["step"], health.still_loss(losses[:number])) for number, row in enumerate(run.history or [], 1)]
    found = [f"step {step}: {warning}" for step, warning in still if warning]
    if len(found) > 1:
        found = [f"{found[-1]} ({len(found)} evaluations gave this warning)"]
    if run.variables is not None:
        collapsed = health.collapsed_supports(learned_shares(run.config, run.variables))
        found += [f"step {run.step}: {collapsed}"] if collapsed else []
    return [*found, *run.notes]


def measures(run, measured):
    """Describes the measures with their intervals, and how well the maps match the masks."""
    if measured is None:
        last = [row for row in run.rows if "validation_pair_accuracy" in row]
        said = (
            f"The validation pair accuracy of step {last[-1]['step']} was {last[-1]['validation_pair_accuracy']:.3f}."
            if last
            else "There are no validation pictures."
        )
        return {"title": "Measures", "text": f"Not evaluated yet. {said}", "tiles": [], "maps": []}
    metrics = measured.metrics
    if metrics["split"] == folder.FOLDS:
        return {
            "title": f"{metrics['folds']} folds",
            "text": (
                f"{metrics['pictures']:,} pictures and {metrics['pairs']:,} pairs. Each picture is ranked by a model "
                "that was trained without it; pairs stay within a fold. The model of this page was then trained on all "
                "pictures. Intervals: bootstrap over pictures."
            ),
            "tiles": _tiles(metrics),
            "maps": [],
        }
    flattered = (
        " The checkpoint was chosen on these pictures, so the measures are optimistic. Evaluation on the test pictures"
        " will replace them."
    )
    return {
        "title": {"test": "Test pictures", "validation": "Validation pictures"}[metrics["split"]],
        "text": (
            f"{metrics['pictures']:,} pictures and {metrics['pairs']:,} pairs, ranked by the checkpoint of "
            f"step {metrics['step']}. Intervals: bootstrap over pictures."
            + ("" if metrics["split"] == "test" else flattered)
        ),
        "tiles": _tiles(metrics),
        "maps": [
            (name.replace("_", " "), f"{each['energy_inside']:.1%}", f"{each['area']:.1%}", f"{each['ratio']:.1f}")
            for name, each in metrics.get("localization", {}).items()
        ],
    }


def _tiles(metrics):
    """Describes the measures, and beside the accuracy what simple properties, people and other choices reach."""
    tiles = [_tile(name, metrics[key], start) for key, (name, start) in _MEASURES.items()]
    if simple := metrics.get("simple_properties"):
        alone = {"value": simple["pair_accuracy"], "low": None, "high": None}
        tiles.insert(1, _tile("Size, shape and colour alone", alone, 0.5))
    known = metrics.get("choices", {})
    beside = [(name, known[key]) for key, name in _OF_CHOICES.items() if known.get(key, {}).get("value") is not None]
    return tiles[:1] + [_tile(name, measure, 0.5) for name, measure in beside] + tiles[1:]


def _tile(name, measure, start):
    value, low, high = (measure[end] for end in ("value", "low", "high"))
    return {
        "name": name,
        "value": "undefined" if value is None else f"{value:.3f}",
        "interval": None if low is None else f"95 % interval {low:.3f} to {high:.3f}",
        "drawing": None
        if value is None
        else charts.interval(value, low, high, start if (low or value) >= start else -1.0, 1.0),
    }


def supports(run, measured):
    """Describes LENA's eta over channels, its initial value, and the supports in cells; None if unknown."""
    config, moved, kept = run.config, "", None
    if not learns_shares(config):
        return None
    if run.variables is not None:
        shape = jax.eval_shape(
            run.model.feature_map,
            run.variables,
            jax.ShapeDtypeStruct((1, *run.model.image_shape), np.float32),
        ).shape
        kept = eta_distribution(config, run.variables, shape[1] * shape[2])
    elif measured is not None:
        kept = measured.metrics.get("eta")
    if kept is None:
        return None
    options = config.pooling_options.get(config.pooling, {})
    count = options.get("init_count")
    start = count / kept["cells"] if count else options.get("init_share", POOLINGS[config.pooling].module.init_share)
    start = start if run.chosen is None else run.chosen["start"]
    if run.variables is not None:
        eta = learned_shares(config, run.variables)
        moved = (
            f" It grew in {np.mean(eta > start + 1e-6):.0%} of the {len(eta):,} channels and shrank in "
            f"{np.mean(eta < start - 1e-6):.0%}, by {np.mean(np.abs(eta - start)):.3f} on average."
        )
        counts, edges = (part.tolist() for part in np.histogram(eta, 25, (0, min(1, 1.05 * max(start, eta.max())))))
    else:
        counts, edges = (kept["histogram"][name] for name in ("channels", "edges"))
    return {
        "text": (
            f"All channels started from eta = {start:.3g}, {start * kept['cells']:.1f} of {kept['cells']} cells; "
            f"the median is now {kept['share']['50']:.3f}, {kept['support_size']['50']:.1f} cells. "
            f"{_differ(kept)}{moved}{_worth(run.chosen)}"
        ),
        "chart": charts.histogram(
            "eta over channels",
            "Share of the cells that a channel averages.",
            edges,
            counts,
            "eta",
            ("initial value", start),
        ),
        "rows": [
            (f"{quantile} %", f"{kept['share'][quantile]:.3f}", f"{kept['support_size'][quantile]:.1f} cells")
            for quantile in kept["share"]
        ],
    }


def _differ(kept):
    """Says by how much the supports of channels differ."""
    low, high = kept["support_size"]["5"], kept["support_size"]["95"]
    return f"5 % of the channels average {low:.1f} cells or fewer, and 5 % average {high:.1f} or more, " + (
        f"{high / low:.1f} times as many." if high > 1.05 * low else "which is the same: supports hardly differ."
    )


def _worth(chosen):
    """Says what it was worth that supports differ, as far as inner validation can tell."""
    if chosen is None or not chosen["freedom"] or not chosen["tried"]:
        return ""
    same = max(row["pair_accuracy"] for row in chosen["tried"] if not row["freedom"])
    gain = chosen["pair_accuracy"] - same
    return (
        f" On training pictures held out, pair accuracy is {chosen['pair_accuracy']:.4f} with these supports and "
        f"{same:.4f} with the best one for all channels: that supports differ is worth {gain:+.4f}."
    )


def facts(run):
    """Lists what is known about the run as (name, value)."""
    config, timing = run.config, run.timing or {}
    versions = timing.get("versions") or folder.versions()
    done = max((row["step"] for row in run.rows), default=None)
    devices = timing.get("devices")
    speed, seconds = timing.get("pictures_per_second"), timing.get("seconds")
    trained = (
        None
        if config.backbone.name not in BACKBONES or config.backbone.frozen
        else f"from {config.backbone.train_from} on"
        if config.backbone.train_from
        else "all of it"
    )
    stepped = {
        "Steps": None if done is None else f"{done:,} of {config.steps:,}",
        "Pictures per step": f"{config.batch_size:,}",
        "Best checkpoint": None if run.step is None else f"step {run.step:,}",
        "Speed": None if speed is None else f"{speed:,.0f} pictures per second",
    }
    found = {
        **(stepped if run.chosen is None else {"Head": "solved, on all pairs at once"}),
        "Backbone trained": trained,
        "Devices": None if devices is None else f"{devices} ({timing['device_kind']})",
        "Time": None if seconds is None else f"{_duration(seconds)} for {timing['pictures']:,} pictures",
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    return [(name, value) for name, value in found.items() if value is not None]


def _duration(seconds):
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02} min"


def config(run):
    """Lists the config as table rows: keys that differ from the default, and all keys."""
    ours, defaults = (_flat(as_json(each)) for each in (run.config, default_config()))
    return {
        "changed": [
            (key, _as_text(value), _as_text(defaults[key]) if key in defaults else "absent")
            for key, value in ours.items()
            if key not in defaults or defaults[key] != value
        ],
        "all": [(key, _as_text(value)) for key, value in ours.items()],
    }


def _flat(tree, prefix=""):
    """Flattens nested dicts to {dotted name: value}, sorted by name."""
    flat = {}
    for name, value in sorted(tree.items()):
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) and value else {prefix + name: value}
    return flat


def _as_text(value):
    return json.dumps(value, ensure_ascii=False)
