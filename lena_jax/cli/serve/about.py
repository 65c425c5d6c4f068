"""What the page says of its model: the model card's own text, without what is for those who pass a model on."""

from lena_jax.runs import model_card
from lena_jax.runs.load import open_model
from lena_jax.runtime.templates import render

_SHOWN = ("What the score is", "What it is not", "How good it is", "What it follows")


def text(source):
    """Markdown about a model.

    Args:
        source: as of `Scorer.from_checkpoint`.

    Raises:
        ValueError, FileNotFoundError: as of `Scorer.from_checkpoint`.
    """
    loaded = open_model(source)
    description, shown = loaded.description, _SHOWN
    if loaded.is_run:
        # How the score depends on properties of pictures is measured when a run is saved as a model.
        shown = [name for name in _SHOWN[:3] if name != "How good it is" or description["measures"] is not None]
    sections = model_card.sections(description)
    return render(
        __package__,
        "about.md.j2",
        data=description["data"],
        network=description["network"],
        step=description["step"],
        sections=[(name, sections[name]) for name in shown],
    )
