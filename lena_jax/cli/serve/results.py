"""Results as markup: the ranked cards and the comparison, with their colour bars. Text cannot become markup."""

import base64

import numpy as np

from lena_jax.cli.serve import judging
from lena_jax.localization import overlays
from lena_jax.report.html import tag

# Longest side of a picture of the ranking, in pixels; a comparison shows the whole copy.
_CARD = 384


def ranking(ranked, bad):
    """The ranked pictures with their maps, all on one scale, and what could not be read.

    Args:
        ranked: list of `Judged`, the highest score first.
        bad: list of (name, why it cannot be used).
    """
    listed = [_unreadable(bad)] if bad else []
    if not ranked:
        return tag("div", *listed, class_="lena")
    scale = overlays.common_scale([one.map for one in ranked])
    head = tag(
        "div",
        tag("h3", _count(len(ranked), "picture"), " ranked"),
        _legend(scale, "lowers the score", "raises the score", ranked[0].exact),
        class_="lena-head",
    )
    cards = [
        _card(place, one, ranked[place] if place < len(ranked) else None, scale) for place, one in enumerate(ranked, 1)
    ]
    return tag("div", head, *listed, _table(ranked), tag("div", *cards, class_="lena-cards"), class_="lena")


def comparison(left, right):
    """Why this rather than that: the probability, and both maps on one scale.

    Args:
        left, right: `Judged`.
    """
    probability, maps = judging.compare(left, right)
    scale = overlays.common_scale(maps)
    first, second = (left, right) if probability >= 0.5 else (right, left)
    chance = max(probability, 1 - probability)
    sums = [float(one.sum()) for one in maps] if left.exact else [None, None]
    head = tag(
        "p",
        tag("b", percent(chance)),
        " that ",
        tag("bdi", first.name, class_="lena-name"),
        " is ahead of ",
        tag("bdi", second.name, class_="lena-name"),
        f", by {abs(left.score - right.score):.2f}.",
        " Close to a toss-up." if chance < 0.6 else "",
        class_="lena-verdict",
    )
    bar = tag(
        "div",
        tag(
            "div",
            tag("span", f"left {percent(probability)}"),
            tag("span", f"right {percent(1 - probability)}"),
            class_="lena-ends",
        ),
        tag("div", class_="lena-odds", style=f"--share: {100 * probability:.1f}%"),
        class_="lena-chances",
    )
    sides = [
        tag(
            "figure",
            image(judging.jpeg(one.picture(), judging.SIDE), f"Picture {one.name}"),
            image(
                judging.jpeg(overlays.overlay(one.picture(), values, scale), judging.SIDE),
                f"What in {one.name} speaks for the left and for the right picture",
                "lena-map",
            ),
            tag(
                "figcaption",
                tag("span", side, class_="lena-rank"),
                tag("bdi", one.name, class_="lena-name"),
                _facts(one),
                ""
                if total is None
                else tag(
                    "p", f"adds {total:+.2f} to the difference of {left.score - right.score:+.2f}", class_="lena-quiet"
                ),
            ),
            class_="lena-side",
        )
        for side, one, values, total in zip(("left", "right"), (left, right), maps, sums, strict=True)
    ]
    return tag(
        "div",
        head,
        bar,
        _legend(scale, "speaks for the right one", "speaks for the left one", left.exact),
        tag("div", *sides, class_="lena-pair"),
        class_="lena",
    )


def percent(chance):
    """A probability in words that never say "certain"."""
    if chance > 0.999:
        return "over 99.9 %"
    return "under 0.1 %" if chance < 0.001 else f"{100 * chance:.{1 if chance > 0.99 or chance < 0.01 else 0}f} %"


def image(data, alt, kind=None):
    """The bytes of a JPEG as an element of the page, with nothing to be fetched."""
    return tag(
        "img", src="data:image/jpeg;base64," + base64.b64encode(data).decode(), alt=alt, class_=kind, loading="lazy"
    )


def _card(place, one, following, scale):
    drawn = overlays.overlay(one.picture(), one.map, scale)
    said = f"its parts add {one.map[one.map > 0].sum():+.2f} and {one.map[one.map < 0].sum():+.2f}"
    pictures = tag(
        "div",
        image(judging.jpeg(one.picture(), _CARD), f"Picture {one.name}"),
        image(judging.jpeg(drawn, _CARD), f"Map of {one.name}: {said} to the score", "lena-map"),
        class_="lena-two",
    )
    against = (
        ""
        if following is None
        else tag("p", f"{percent(_ahead(one, following))} likely to be ahead of the next", class_="lena-quiet")
    )
    return tag(
        "figure",
        pictures,
        tag(
            "figcaption",
            tag("span", place, class_="lena-rank"),
            tag("bdi", one.name, class_="lena-name", title=one.name),
            _facts(one),
            against,
        ),
        class_="lena-card",
    )


def _unreadable(bad):
    return tag(
        "div",
        tag("b", f"{_count(len(bad), 'file')} could not be read"),
        tag("ul", *(tag("li", tag("bdi", name, class_="lena-name"), f": {why}") for name, why in bad)),
        class_="lena-notice",
        role="alert",
    )


def _facts(one):
    score = tag("div", tag("span", "score"), tag("b", f"{one.score:+.2f}"))
    if one.percentile is None:
        return tag("div", score, class_="lena-facts")
    meter = tag("span", tag("i", style=f"width: {one.percentile:.1f}%"), class_="lena-meter")
    return tag(
        "div",
        score,
        tag(
            "div",
            tag("span", "percentile"),
            tag("b", f"{one.percentile:.0f}"),
            meter,
            title="of the training pictures' predicted scores, how many are below",
        ),
        class_="lena-facts",
    )


def _table(ranked):
    known = ranked[0].percentile is not None
    head = tag(
        "tr",
        *(
            tag("th", name, scope="col")
            for name in ("rank", "picture", "score", *(("percentile",) if known else ()), "ahead of the next")
        ),
    )
    rows = []
    for place, one in enumerate(ranked, 1):
        against = percent(_ahead(one, ranked[place])) if place < len(ranked) else "–"
        rows.append(
            tag(
                "tr",
                tag("td", place),
                tag("td", tag("bdi", one.name, class_="lena-name")),
                tag("td", f"{one.score:+.4f}"),
                *((tag("td", f"{one.percentile:.1f}"),) if known else ()),
                tag("td", against),
            )
        )
    table = tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="lena-scroll")
    return tag("details", tag("summary", "As a table"), table)


def _legend(scale, lowers, raises, exact):
    """The colours of the maps as they look over a grey of medium light, and what they stand for."""
    colours = overlays.diverging()
    mixed = [
        overlays.OPACITY * np.array(colours(at)[:3]) + (1 - overlays.OPACITY) * 0.75 for at in np.linspace(0, 1, 11)
    ]
    stops = ", ".join("rgb({:.0f} {:.0f} {:.0f})".format(*(255 * one)) for one in mixed)
    what = "what each part of a picture adds to the score" if exact else "virality map"
    return tag(
        "div",
        tag("span", f"Maps: {what}, all on one scale", class_="lena-quiet"),
        tag(
            "div",
            class_="lena-bar",
            style=f"background: linear-gradient(90deg, {stops})",
            role="img",
            aria_label=f"Blue {lowers}, by up to {scale:.2g} a cell; red {raises}",
        ),
        tag(
            "div",
            tag("span", f"{-scale:.2g}: blue {lowers}"),
            tag("span", "0"),
            tag("span", f"red {raises}: {scale:+.2g}"),
            class_="lena-ends",
        ),
        class_="lena-legend",
    )


def _ahead(one, other):
    return judging.ahead(one.score, other.score)


def _count(number, noun):
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def notice(*said):
    """A quiet line where there is no result yet."""
    return tag("div", tag("p", *said, class_="lena-quiet"), class_="lena")
