"""The pairs that a ranker is surest of, as pictures with their maps, for `run_report`."""

import base64
import io

import matplotlib
import numpy as np
from PIL import Image

from lena_jax.localization import overlays
from lena_jax.localization.maps import telling_frame
from lena_jax.models.predict import predict
from lena_jax.report.html import Html, section, tag

PAIRS = 4  # Of each kind.
SIDE = 256  # Longest side of a picture in the page, in pixels.


def most_confident(scores, pairs, most=PAIRS):
    """The pairs ordered rightly and wrongly with the largest differences of the predicted scores.

    Args:
        scores: [n] predicted.
        pairs: [p, 2] indices; column 0 is the picture that is truly higher.
        most: pairs of each kind.

    Returns:
        (right, wrong), each [<= most, 2], the surest first. Of the pairs of one kind that share a picture only the
        surest is taken, so that one picture does not fill the list.
    """
    margins = scores[pairs[:, 0]] - scores[pairs[:, 1]]
    chosen = []
    for sign in (1, -1):
        taken, seen = [], set()
        for number in np.argsort(-sign * margins, kind="stable"):
            if sign * margins[number] <= 0 or len(taken) == most:
                break
            pair = pairs[number].tolist()
            if not seen & set(pair):
                seen |= set(pair)
                taken.append(pair)
        chosen.append(np.array(taken, np.int64).reshape(-1, 2))
    return tuple(chosen)


def most_confident_pairs(model, variables, batch_size, pooling, pictures, scores, pairs):
    """The surest right and wrong pairs, with maps where those add up to the score, as a section of the page.

    Args:
        model, variables: as of `evaluation.load_ranker`.
        batch_size: pictures a call.
        pooling: its name in prose.
        pictures: `ScoredPictures`, n of them.
        scores: [n] predicted.
        pairs: [p, 2] indices; column 0 is the picture that is truly higher.
    """
    right, wrong = most_confident(scores, pairs)
    shown = np.unique(np.concatenate([right, wrong]))
    if not len(shown):
        return Html()
    maps, scale = {}, None
    if model.network.pooling.reproduces:
        size = min(len(shown), batch_size)
        found = predict(model, variables, pictures.subset(shown), size, "maps")[1]
        maps = dict(zip(shown.tolist(), found, strict=True))
        said = (
            "Under each picture is what its cells add to the score, on one scale for the whole page; cells and "
            "bias sum to the score. Black outlines are the masks of the data set, where it has them."
        )
    else:
        said = (
            f"No maps: the value of {pooling} pooling is not a weighted mean of the cells, so no map "
            "adds up to the score."
        )
    records = {index: dict(pictures.record(index)) for index in shown.tolist()}
    for index, record in records.items():
        if index in maps:
            record["image"], maps[index] = telling_frame(record["image"], maps[index])
        else:
            record["image"] = pictures.still(index)
    scale = overlays.common_scale(list(maps.values())) if maps else None
    parts = [tag("p", f"{said} Within a list no picture is shown twice.")]
    if scale:
        parts.append(_scale(scale))
    margins = scores[pairs[:, 0]] - scores[pairs[:, 1]]
    for name, chosen, count in (("Right", right, (margins > 0).sum()), ("Wrong", wrong, (margins < 0).sum())):
        parts.append(tag("h3", f"{name}: {count:,} of {len(margins):,} pairs"))
        cards = [_pair(pictures, scores, records, maps, scale, *pair) for pair in chosen.tolist()]
        parts.append(tag("div", *cards, class_="pairs"))
    return section("Most confident pairs", *parts)


def _pair(pictures, scores, records, maps, scale, high, low):
    margin = scores[high] - scores[low]
    # The logistic of the margin, written so that it cannot overflow.
    chance = 0.5 * (1 + np.tanh(0.5 * abs(margin)))
    verdict = tag("b", "Right" if margin > 0 else "Wrong", class_="right" if margin > 0 else "wrong")
    side = "left" if margin > 0 else "right"
    return tag(
        "div",
        tag("p", verdict, f": {_percent(chance)} sure that the {side} one is higher, by {abs(margin):.2f}"),
        *(
            _picture(pictures, scores, records[index], maps.get(index), scale, index, side)
            for index, side in ((high, "truly higher"), (low, "truly lower"))
        ),
        class_="pair",
    )


def _picture(pictures, scores, record, values, scale, index, side):
    name = str(pictures.ids[index])
    small = Image.fromarray(record["image"])
    small.thumbnail((SIDE, SIDE))
    parts = [_image(small, f"Picture {name}")]
    if values is not None:
        mask = record["mask"][..., 0] > 0 if "mask" in record else None
        parts.append(
            _image(
                _overlay(small, values, scale, mask),
                f"Map of {name}: its cells add {values[values > 0].sum():+.2f} and "
                f"{values[values < 0].sum():+.2f} to the score",
            )
        )
    caption = tag(
        "figcaption",
        tag("b", side),
        f"true {pictures.scores[index]:.3g}, predicted {scores[index]:+.2f}",
        Html("<br>"),
        tag("bdi", name, class_="quiet"),
    )
    return tag("figure", *parts, caption)


def _percent(chance):
    return "over 99.9 %" if chance > 0.999 else f"{100 * chance:.1f} %"


def _overlay(picture, values, scale, mask):
    """The picture under its signed map, with the outline of a mask."""
    mixed = overlays.overlay(np.asarray(picture), values, scale)
    if mask is not None and mask.any():
        inside = np.asarray(Image.fromarray(mask).resize(picture.size, Image.Resampling.NEAREST))
        padded = np.pad(inside, 1, mode="edge")
        core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        mixed[inside & ~core] = 0
    return Image.fromarray(mixed)


def _image(picture, alt):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=82)
    return tag(
        "img",
        src="data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode(),
        alt=alt,
        width=picture.width,
        height=picture.height,
    )


def _scale(scale):
    """The colours of the maps and what they stand for."""
    colours = overlays.diverging()
    stops = [
        tag(
            "stop",
            offset=f"{at:.0%}",
            stop_color=matplotlib.colors.to_hex(
                overlays.OPACITY * np.array(colours(at)[:3]) + (1 - overlays.OPACITY) * 0.75
            ),
        )
        for at in np.linspace(0, 1, 11)
    ]
    ends = ((0, "start", f"{-scale:.2g} lowers"), (200, "middle", "0"), (400, "end", f"raises {scale:+.2g}"))
    return tag(
        "svg",
        tag("defs", tag("linearGradient", *stops, id="scale")),
        tag("rect", x=0, y=0, width=400, height=10, rx=2, fill="url(#scale)"),
        *(tag("text", text, x=x, y=25, text_anchor=anchor) for x, anchor, text in ends),
        viewBox="0 0 400 28",
        class_="scale",
        role="img",
        aria_label=f"Scale of the maps: blue lowers the score by up to {scale:.2g}, red raises it by as much",
    )
