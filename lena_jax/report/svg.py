"""Matplotlib figures as SVG inside a page: small, the same every time, and in the page's own colours and fonts."""

import io
import re
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

# What to draw with. `inline` puts the variables of the page's style in their place, which differ in light, dark and
# print: "one" becomes `var(--one)`.
COLOURS = {
    name: f"#0000{number:02x}" for number, name in enumerate(("one", "two", "three", "quiet", "rule", "grid"), 1)
}
# Figures are made under these. A dollar sign is a dollar sign, and a point that is given is a point of the path.
SETTINGS = {"text.parse_math": False, "svg.fonttype": "none", "path.simplify": False, "font.size": 11}

_VARIABLES = {colour: f"var(--{name})" for name, colour in COLOURS.items()}
_POINTS_PER_INCH = 72  # Matplotlib's unit in SVG.
_DROPPED = {"metadata", "style"}
_NUMBER = re.compile(r"-?\d+\.\d+")


def new_figure(width, height, layout=None):
    """An empty figure without a background.

    Args:
        width, height: in the units of the SVG.
        layout: as of `matplotlib.figure.Figure`.
    """
    figure = Figure(figsize=(width / _POINTS_PER_INCH, height / _POINTS_PER_INCH), layout=layout)
    figure.patch.set_visible(False)
    return figure


def inline(figure, label=None):
    """The figure as an `svg` element, without styles of its own: the page's policy forbids them.

    Args:
        figure: of `new_figure`, made under `SETTINGS`.
        label: what a screen reader says in its place; None for a figure that only repeats the text beside it.

    Returns:
        `markupsafe.Markup`.
    """
    file = io.StringIO()
    # Names inside the figure are made from the label, so that those of two figures of a page differ.
    with matplotlib.rc_context({"svg.hashsalt": f"lena-jax {label}"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    drawn = ElementTree.fromstring(file.getvalue())
    spoken = {"aria-hidden": "true"} if label is None else {"role": "img", "aria-label": label}
    # Matplotlib's own style, which is left out, rounds all joins.
    shape = {"viewBox": _rounded(drawn.get("viewBox")), "stroke-linejoin": "round"}
    element = ElementTree.Element("svg", shape | spoken)
    for child in drawn:
        element.extend(_plain(child))
    return Markup(ElementTree.tostring(element, encoding="unicode"))


def _plain(element):
    """What an element of Matplotlib's SVG comes to in the page, as a list of elements."""
    name = _local(element.tag)
    if name in _DROPPED:
        return []
    attributes = {}
    for key, value in element.items():
        if key == "style":
            attributes |= _presentation(value)
        elif key == "d":
            attributes["d"] = _rounded(" ".join(value.split()))
        elif key != "transform" or not value.startswith("rotate(-0 "):
            attributes[_local(key)] = _rounded(value) if key in ("x", "y", "transform") else value
    children = [one for child in element for one in _plain(child)]
    if name == "g":
        attributes.pop("id", None)  # The names of Matplotlib's parts are the same in every figure.
        if not attributes:
            return children
    if name == "defs" and not children:
        return []
    plain = ElementTree.Element(name, attributes)
    plain.text = element.text if name == "text" else None
    plain.extend(children)
    return [plain]


def _presentation(style):
    """Declarations of a style as attributes, with the page's colours; its fonts are those of the page."""
    declared = (part.partition(":") for part in style.split(";") if part.strip())
    found = {key.strip(): value.strip() for key, _, value in declared}
    return {key: _VARIABLES.get(value, value) for key, value in found.items() if not key.startswith("font")}


def _local(name):
    """A name without its namespace."""
    return name.rpartition("}")[2]


def _rounded(text):
    """The text with a tenth of a unit as the last place of its numbers."""
    return _NUMBER.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), text)
