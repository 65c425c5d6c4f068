"""What the page says of its model: the model card's own text, without what is for those who pass a model on."""

from lena_jax import evaluation
from lena_jax.scoring import information, model_card, saved_model

_SHOWN = ("What the score is", "What it is not", "How good it is", "What it follows")


def text(folder):
    """Markdown about a model.

    Args:
        folder: of a run or of `save_model`.

    Raises:
        ValueError: as of `Scorer.from_checkpoint`.
    """
    if saved_model.is_saved_model(folder):
        description, shown = saved_model.load_model(folder).description, _SHOWN
    else:
        _, _, config, data, step = evaluation.load_ranker(folder)
        description = {
            "network": saved_model.network_of(config), "step": step, "versions": {}, "training_scores": None,
            "data": {"name": config.data.name, "score": config.data.score, "fingerprint": data},
            "measures": information.evaluated(folder, step), "picture_properties": None}
        # A run knows its percentiles when it is asked for them, and the dependence on properties is not measured.
        shown = [name for name in _SHOWN[:3] if name != "How good it is" or description["measures"] is not None]
    sections = model_card.sections(description)
    data, network = description["data"], description["network"]
    head = (f"The model was trained on the data set `{data['name']}` (score `{data['score']}`); trunk "
            f"`{network['backbone']['name']}`, pooling `{network['pooling']}`, step {description['step']}.")
    return "\n\n".join([head, *(f"## {name}\n{sections[name]}" for name in shown)])
