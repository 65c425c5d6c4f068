"""Renders results as HTML: the ranked cards and the comparison of two pictures, with their colour bars."""

from lena_jax.cli.serve import judging
from lena_jax.localization import overlays
from lena_jax.runtime.pages import data_url
from lena_jax.runtime.templates import render
from lena_jax.scoring.results import percent

# Longest side of a picture in the ranking, in pixels. A comparison shows the copy at its full size.
_CARD = 384


def ranking(ranked, bad):
    """Renders the ranked pictures with their maps on one scale, and the list of unreadable files.

    Args:
        ranked: list of `Judged`, the highest score first.
        bad: list of (name, why it cannot be used).
    """
    shown = {"cards": [], "legend": None, "unreadable": _count(len(bad), "file")}
    if ranked:
        scale = overlays.common_scale([one.map for one in ranked])
        shown["legend"] = _legend(scale, "lowers the score", "raises the score", ranked[0].exact)
        shown["cards"] = [_card(*pair, scale) for pair in zip(ranked, [*ranked[1:], None], strict=True)]
    return render(__package__, "ranking.html.j2", bad=bad, count=_count(len(ranked), "picture"), **shown)


def comparison(left, right):
    """Renders the comparison of two pictures: the probability, and both maps on one scale.

    Args:
        left, right: `Judged`.
    """
    probability, maps = judging.compare(left, right)
    scale = overlays.common_scale(maps)
    difference = left.score - right.score
    chance = max(probability, 1 - probability)
    sides = [
        _facts(one)
        | {
            "side": side,
            "picture": jpeg_url(one.picture(), judging.SIDE),
            "map": jpeg_url(overlays.overlay(one.picture(), values, scale, resize=one.resize), judging.SIDE),
            "adds": f"adds {float(values.sum()):+.2f} to the difference of {difference:+.2f}" if left.exact else None,
        }
        for side, one, values in zip(("left", "right"), (left, right), maps, strict=True)
    ]
    return render(
        __package__,
        "comparison.html.j2",
        chance=percent(chance),
        ahead=(left if probability >= 0.5 else right).name,
        behind=(right if probability >= 0.5 else left).name,
        margin=f"{abs(difference):.2f}",
        toss_up=chance < 0.6,
        odds=(percent(probability), percent(1 - probability)),
        share=f"{100 * probability:.1f}",
        legend=_legend(scale, "favours the right one", "favours the left one", left.exact),
        sides=sides,
    )


def notice(said):
    """Renders a line that stands where there is no result yet."""
    return render(__package__, "notice.html.j2", said=said)


def jpeg_url(pixels, side, quality=82):
    """Encodes a picture, shrunk to at most `side`, as a data URL."""
    return data_url(judging.jpeg(pixels, side, quality), "image/jpeg")


def _card(one, following, scale):
    """Describes one picture of the ranking; `following` is the next one or None."""
    adds = f"its cells add {one.map[one.map > 0].sum():+.2f} and {one.map[one.map < 0].sum():+.2f} to the score"
    return _facts(one) | {
        "picture": jpeg_url(one.picture(), _CARD),
        "map": jpeg_url(overlays.overlay(one.picture(), one.map, scale, resize=one.resize), _CARD),
        "adds": adds,
        "exact_score": f"{one.score:+.4f}",
        "ahead": None if following is None else percent(judging.ahead(one.score, following.score)),
    }


def _facts(one):
    return {"name": one.name, "score": f"{one.score:+.2f}", "percentile": one.percentile}


def _legend(scale, lowers, raises, exact):
    """Describes the colour bar: the colours of the maps as they look over medium grey, and their meaning."""
    return {
        "what": "what each cell of a picture adds to the score" if exact else "virality map",
        "stops": ["rgb({} {} {})".format(*one) for one in overlays.colours_over_grey(11).tolist()],
        "lowers": lowers,
        "raises": raises,
        "scale": f"{scale:.2g}",
    }


def _count(number, noun):
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
