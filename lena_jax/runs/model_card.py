"""The README.md of a saved model: what its score is and is not, how good it is, and what it follows."""

# What formatting says of a value that is no number, of a part that is missing, and of a number that is too large.
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
    "concat": ", with an objectness map as one more feature map",
    "gate": ", with feature maps times an objectness map",
}

_CARD = """\
---
library_name: lena-jax
tags:
- image-ranking
- jax
- lena-pooling
---

# {name}: a ranker of pictures

Given a picture it predicts a score, and where in the picture the score comes from. It was trained on pairs of pictures
of the data set `{name}` (score `{score}`) to put that picture of a pair ahead which has the higher score there.

    lena-jax score FOLDER_OF_PICTURES --model THIS_FOLDER
    lena-jax explain PICTURE --model THIS_FOLDER -o map.png

## What the score is
- An order: of two pictures the one with the higher score is predicted to be ahead in the property that the training
  data's score stands for, with the probability `1 / (1 + exp(other score - score))`.
- A percentile says how many of the training pictures have a lower predicted score. {percentiles}

## What it is not
- Not a prediction of a number: not of likes, shares or views, and not on the scale of the training scores.
- Not comparable with the score of another model.
- Not a statement on what a picture shows, on its quality or truth, or on the people in it. Faces of any kind are not
  detected.
- Not known to hold for pictures of another kind, place or time than the training data's, nor for what text,
  author and audience add.
- A map says which parts of the picture the score was computed from, not what would happen if they were changed.

## How good it is
{measures}

## What it follows
{properties}

## What it is made of
- Trunk `{trunk}`{endpoint}, pooling `{pooling}`{fusion}; whole pictures are seen as squares of {image_size} px.
- Checkpoint of step {step}. Fingerprint of the data set and its parts: `{fingerprint}`.
- Made with {versions}.
- `model.safetensors`: weights; `model.json`: all the rest. Loading them runs no code of this folder.
"""


def text(description):
    """The card of what `save_model` describes in its `model.json`."""
    network, data, scores = description["network"], description["data"], description["training_scores"]
    percentiles = (
        "They are not known here: the training pictures were gone when this folder was written."
        if scores is None
        else f"Known from {scores['pictures']:,} training pictures."
    )
    return _CARD.format(
        name=data["name"],
        score=data["score"],
        fingerprint=data["fingerprint"],
        percentiles=percentiles,
        measures=_shown(_measures, description["measures"]),
        properties=_shown(_properties, description["picture_properties"]),
        trunk=network["backbone"]["name"],
        pooling=network["pooling"],
        fusion=_FUSION[network["fusion"]],
        endpoint=f", endpoint `{network['backbone']['endpoint']}`" if network["backbone"]["endpoint"] else "",
        image_size=network["image_size"],
        step=description["step"],
        versions=", ".join(f"{name} {version}" for name, version in description["versions"].items()),
    )


def sections(description):
    """The card's parts as {heading: text}."""
    return {
        heading: body.strip()
        for heading, _, body in (part.partition("\n") for part in text(description).split("\n## ")[1:])
    }


def _shown(table, stored):
    """A table of numbers that may be missing, and of a folder from elsewhere anything: they are not checked."""
    if stored is None:
        return "Not measured: the test pictures were not there when this folder was written."
    try:
        return table(stored)
    except UNREADABLE:
        return "Not readable."


def _measures(metrics):
    rows = [
        f"On {metrics['pictures']:,} test pictures ({metrics['pairs']:,} pairs) that were not trained on, with "
        "95 % intervals:\n",
        "| measure | value | interval |",
        "|---|---|---|",
    ]
    rows += [
        f"| {title} | {_number(metrics[name]['value'])} | {_number(metrics[name]['low'])} to "
        f"{_number(metrics[name]['high'])} |"
        for name, title in _MEASURES.items()
        if name in metrics
    ]
    return "\n".join(rows)


def _properties(properties):
    rows = [
        "Spearman's rho of simple properties with the predicted and with the true score of the test pictures. "
        "Where the first is far from 0, much of the order can be had from that property alone; undefined: all "
        "test pictures are alike in it.\n",
        "| property | with the predicted score | with the true score |",
        "|---|---|---|",
    ]
    rows += [
        f"| {name.replace('_', ' ')} | {_number(rho['predicted'])} | {_number(rho['true'])} |"
        for name, rho in properties.items()
    ]
    return "\n".join(rows)


def _number(value):
    return "undefined" if value is None else f"{value:.3f}"
