"""The model card (README.md) of a saved model: what its score is and is not, how good it is, and what it follows."""

from lena_jax.runtime.templates import render

# What formatting raises for values that are missing, not numbers, or too large.
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, OverflowError)

_MEASURES = {
    "pair_accuracy": "pair accuracy (guessing: 0.5)",
    "auc": "pair AUC (guessing: 0.5)",
    "spearman": "Spearman's rho",
    "kendall": "Kendall's tau-b",
    "ndcg@10": "NDCG@10",
    "ndcg@100": "NDCG@100",
}
_FUSION = {
    "none": "",
    "concat": ", with the objectness map as one more feature map",
    "gate": ", with the feature maps multiplied by the objectness map",
    "learned_gate": ", with the feature maps multiplied by the objectness map, as far as was learned",
}


def text(description):
    """Write the card for the description in a `model.json`."""
    scores = description["training_scores"]
    return render(
        __package__,
        "model_card.md.j2",
        data=description["data"],
        network=description["network"],
        fusion=_FUSION[description["network"]["fusion"]],
        step=description["step"],
        licence=description.get("weights_licence", ""),
        training_pictures=None if scores is None else f"{scores['pictures']:,}",
        measures=_shown(_measures, description["measures"]),
        properties=_shown(_properties, description["picture_properties"]),
        versions=", ".join(f"{name} {version}" for name, version in description["versions"].items()),
    )


def sections(description):
    """Split the card into {heading: text}."""
    return {
        heading: body.strip()
        for heading, _, body in (part.partition("\n") for part in text(description).split("\n## ")[1:])
    }


def _shown(table, stored):
    """Format stored numbers for a table, or say under "problem" why there are none.

    The numbers may be missing. In a folder from elsewhere they may be anything, because nothing has checked them.
    """
    if stored is None:
        return {"problem": "Not measured: the test pictures were not available when this folder was written."}
    try:
        return {"problem": None} | table(stored)
    except UNREADABLE:
        return {"problem": "Not readable."}


def _measures(metrics):
    rows = [
        (title, *(_number(metrics[name][part]) for part in ("value", "low", "high")))
        for name, title in _MEASURES.items()
        if name in metrics
    ]
    return {
        "pictures": f"{metrics['pictures']:,}",
        "pairs": f"{metrics['pairs']:,}",
        "folds": int(metrics["folds"]) if "folds" in metrics else None,
        "simple": _number(metrics["simple_properties"]["pair_accuracy"]) if "simple_properties" in metrics else None,
        "people": _people(metrics.get("choices", {})),
        "rows": rows,
    }


def _people(choices):
    if choices.get("agreement", {}).get("value") is None:
        return None
    return {key: _number(choices[key]["value"]) for key in ("agreement", "ceiling")}


def _properties(properties):
    return {
        "rows": [
            (name.replace("_", " "), _number(rho["predicted"]), _number(rho["true"]))
            for name, rho in properties.items()
        ]
    }


def _number(value):
    return "undefined" if value is None else f"{value:.3f}"
