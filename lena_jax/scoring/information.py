"""What a checkpoint or saved model is, as a short plain-text table."""

import json
import os

import jax
import numpy as np

from lena_jax import evaluation
from lena_jax.scoring import model_card, saved_model
from lena_jax.scoring.ranking import printable

_MEASURES = {"pair_accuracy": "pair accuracy", "spearman": "Spearman"}


def text(source):
    """The table of a run's folder, a folder of `save_model`, or "hf:OWNER/NAME".

    Raises:
        ValueError, FileNotFoundError: as of `Scorer.from_checkpoint`.
    """
    source = os.fspath(source)
    folder = saved_model.fetch(source) if source.startswith("hf:") else source
    if saved_model.is_saved_model(folder):
        saved = saved_model.load_model(folder)
        stored = saved.description
        rows = [("saved model", source), *_network(stored["network"], saved.model, saved.variables),
                ("data set", f"{stored['data']['name']}, score {stored['data']['score']!r}"),
                ("fingerprint", stored["data"]["fingerprint"]), ("step", str(stored["step"])),
                ("percentiles", "none" if saved.scores is None else f"of {saved.scores.pictures:,} training pictures"),
                *_measures(stored["measures"]),
                ("made with", ", ".join(f"{name} {version}" for name, version in stored["versions"].items()))]
    else:
        model, variables, config, data, step = evaluation.load_ranker(folder)
        rows = [("run", source), *_network(saved_model.network_of(config), model, variables),
                ("data set", f"{config.data.name}, score {config.data.score!r}, in {config.data.dir}"),
                ("fingerprint", data), ("step", str(step)), *_measures(evaluated(folder, step))]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {printable(str(value))}" for name, value in rows)


def _network(network, model, variables):
    options = ", ".join(f"{name}={value}" for name, value in network["pooling_options"].items())
    count = sum(np.size(leaf) for leaf in jax.tree.leaves(variables["params"]))
    pixels = model.preprocessing
    endpoint = f", endpoint {network['backbone']['endpoint']}" if network["backbone"]["endpoint"] else ""
    return [("trunk", f"{network['backbone']['name']}{endpoint}, {network['dtype']}"),
            ("pooling", f"{network['pooling']} ({options})" if options else network["pooling"]),
            ("objectness", network["fusion"]), ("picture", f"{network['image_size']} x {network['image_size']} px"),
            ("pixels", f"mean {_three(pixels.mean)}, std {_three(pixels.std)}, {pixels.channel_order}"),
            ("parameters", f"{count:,}")]


def evaluated(folder, step):
    """The measures that `evaluation.evaluate` left in a run's folder for this checkpoint; None where there are none."""
    try:
        with open(os.path.join(folder, "metrics.json"), encoding="utf-8") as file:
            metrics = json.load(file)
        return metrics if metrics["step"] == step else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _measures(metrics):
    if metrics is None:
        return [("measures", "none: not evaluated")]
    try:
        return [(title, f"{metrics[name]['value']:.3f}  [{metrics[name]['low']:.3f}, {metrics[name]['high']:.3f}]  on "
                        f"{metrics['pictures']} test pictures") for name, title in _MEASURES.items()]
    except model_card.UNREADABLE:  # Of a saved model they are only shown, and were not checked.
        return [("measures", "not readable")]


def _three(values):
    return " ".join(f"{value:.3f}" for value in values)
