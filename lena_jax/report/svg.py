"""Convert Matplotlib figures to inline SVG: small, reproducible, with the page's own colours and fonts."""

import io
import re
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

# Placeholder colours to draw with. `inline` replaces them with CSS variables of the page, which differ between light,
# dark and print: "one" becomes `var(--one)`.
COLOURS = {
    name: f"#0000{number:02x}" for number, name in enumerate(("one", "two", "three", "quiet", "rule", "grid"), 1)
}
# Create figures under these settings. A dollar sign is plain text, and no points of a path are dropped.
SETTINGS = {"text.parse_math": False, "svg.fonttype": "none", "path.simplify": False, "font.size": 11}

_VARIABLES = {colour: f"var(--{name})" for name, colour in COLOURS.items()}
_POINTS_PER_INCH = 72  # Matplotlib's unit in SVG.
_DROPPED = {"metadata", "style"}
_NUMBER = re.compile(r"-?\d+\.\d+")


def new_figure(width, height, layout=None):
    """Creates an empty figure without a background.

    Args:
        width, height: size in SVG units.
        layout: see `matplotlib.figure.Figure`.
    """
    figure = Figure(figsize=(width / _POINTS_PER_INCH, height / _POINTS_PER_INCH), layout=layout)
    figure.patch.set_visible(False)
    return figure


def inline(figure, label=None):
    """Converts a figure to an `svg` element without inline styles, which the page's policy forbids.

    Args:
        figure: figure from `new_figure`, created under `SETTINGS`.
        label: text for screen readers; None for a figure that only repeats the text beside it.

    Returns:
        The element, safe to insert into the page.
    """
    file = io.StringIO()
    # Ids inside the figure are derived from the label, so that two figures on a page have different ids.
    with matplotlib.rc_context({"svg.hashsalt": f"lena-jax {label}"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    drawn = ElementTree.fromstring(file.getvalue())
    spoken = {"aria-hidden": "true"} if label is None else {"role": "img", "aria-label": label}
    # Replaces Matplotlib's own style element, which rounds all joins.
    shape = {"viewBox": _rounded(drawn.get("viewBox")), "stroke-linejoin": "round"}
    element = ElementTree.Element("svg", shape | spoken)
    for child in drawn:
        element.extend(_plain(child))
    return Markup(ElementTree.tostring(element, encoding="unicode"))


def _plain(element):
    """Converts an element of Matplotlib's SVG to a list of elements for the page."""
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
        attributes.pop("id", None)  # Matplotlib uses the same group ids in every figure.
        if not attributes:
            return children
    if name == "defs" and not children:
        return []
    plain = ElementTree.Element(name, attributes)
    plain.text = element.text if name == "text" else None
    plain.extend(children)
    return [plain]


def _presentation(style):
    """Converts a style to attributes with the page's colours. Fonts are dropped: the page sets them."""
    declared = (part.partition(":") for part in style.split(";") if part.strip())
    found = {key.strip(): value.strip() for key, _, value in declared}
    return {key: _VARIABLES.get(value, value) for key, value in found.items() if not key.startswith("font")}


def _local(name):
    """Strips the namespace of a name."""
    return name.rpartition("}")[2]


def _rounded(text):
    """Rounds the numbers in a text to one decimal."""
    return _NUMBER.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), text)
