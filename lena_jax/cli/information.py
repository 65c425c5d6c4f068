"""Describes a checkpoint or saved model in a short plain-text table."""

import os
from types import SimpleNamespace

import jax
import numpy as np

from lena_jax.models.shares import learned_shares
from lena_jax.runs import model_card
from lena_jax.runs.load import open_model
from lena_jax.scoring.result_files import printable

_MEASURES = {"pair_accuracy": "pair accuracy", "spearman": "Spearman"}


def text(source):
    """Describes a trained model as text, one property per line; `source` and errors are those of `open_model`."""
    loaded = open_model(source)
    stored, data = loaded.description, loaded.description["data"]
    rows = [
        ("run" if loaded.is_run else "saved model", os.fspath(source)),
        *_network(stored["network"], loaded.model, loaded.variables),
        ("dataset", f"{data['name']}, score {data['score']!r}" + _where(loaded)),
        *([("licence", f"{stored['weights_licence']} (pretrained weights)")] if stored["weights_licence"] else []),
        ("fingerprint", data["fingerprint"]),
        ("step", str(stored["step"])),
        ("percentiles", "none" if loaded.scores is None else f"of {loaded.scores.pictures:,} training pictures"),
        *_measures(stored["measures"]),
    ]
    if stored["versions"]:
        rows.append(("made with", ", ".join(f"{name} {version}" for name, version in stored["versions"].items())))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {printable(str(value))}" for name, value in rows)


def _where(loaded):
    """Says where a run's dataset is, or of which version a saved model's was."""
    if loaded.is_run:
        return f", in {loaded.data_dir}"
    version = loaded.description["versions"].get("dataset")
    return f", version {version}" if version else ", of unknown version: before 2.0.0, colour profiles were ignored"


def _network(network, model, variables):
    # Where supports started is of no use once they are learned.
    shown = {name: value for name, value in network["pooling_options"].items() if not name.startswith("init_")}
    options = ", ".join(f"{name}={value}" for name, value in shown.items())
    count = sum(np.size(leaf) for leaf in jax.tree.leaves(variables["params"]))
    pixels = model.preprocessing
    endpoint = f", endpoint {network['backbone']['endpoint']}" if network["backbone"]["endpoint"] else ""
    return [
        ("backbone", f"{network['backbone']['name']}{endpoint}, {network['dtype']}"),
        ("pooling", f"{network['pooling']} ({options})" if options else network["pooling"]),
        *_supports(network, variables),
        ("objectness", network["fusion"]),
        ("picture", f"{network['image_size']} x {network['image_size']} px, {network.get('resize', 'squash')}"),
        ("pixels", f"mean {_three(pixels.mean)}, std {_three(pixels.std)}, {pixels.channel_order}"),
        ("parameters", f"{count:,}"),
    ]


def _supports(network, variables):
    """Says what share of its map a channel averages; nothing for a pooling that learns no share."""
    eta = learned_shares(SimpleNamespace(**network), variables)
    if eta is None:
        return []
    low, middle, high = np.percentile(eta, (5, 50, 95))
    said = f"half of the channels average up to {middle:.1%} of the map"
    return [("supports", f"{said}; 5 % to 95 % of the channels: {low:.1%} to {high:.1%}")]


def _measures(metrics):
    if metrics is None:
        return [("measures", "none: not evaluated")]
    try:
        return [
            (
                title,
                f"{metrics[name]['value']:.3f}  [{metrics[name]['low']:.3f}, {metrics[name]['high']:.3f}]  on "
                f"{metrics['pictures']} test pictures",
            )
            for name, title in _MEASURES.items()
        ]
    except model_card.UNREADABLE:  # Measures of a saved model are only displayed: nothing has checked them.
        return [("measures", "not readable")]


def _three(values):
    return " ".join(f"{value:.3f}" for value in values)
