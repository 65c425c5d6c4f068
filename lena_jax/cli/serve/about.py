"""The About tab: the model card, without the sections that are only for people who share a model."""

from lena_jax.runs import model_card
from lena_jax.runs.load import open_model
from lena_jax.runtime.templates import render

_SHOWN = ("What the score is", "What it is not", "How good it is", "What it follows")


def text(source):
    """Describes a model in Markdown; `source` and errors are those of `open_model`."""
    loaded = open_model(source)
    description, shown = loaded.description, _SHOWN
    if loaded.is_run:
        # Only `save_model` measures how the score depends on properties of pictures.
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
