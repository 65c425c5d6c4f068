"""The section of the report with the pairs that the model is most confident about."""

import io

import numpy as np
from PIL import Image

from lena_jax.localization import overlays
from lena_jax.localization.maps import telling_frame
from lena_jax.models.predict import predict
from lena_jax.runs import folder
from lena_jax.runtime.pages import data_url

PAIRS = 4  # Number of right pairs, and of wrong pairs.
SIDE = 256  # Longest side of a picture on the page, in pixels.


def most_confident(scores, pairs, most=PAIRS):
    """Selects the right and the wrong pairs with the largest differences of predicted scores.

    Args:
        scores: [n], predicted scores.
        pairs: [p, 2] indices; column 0 is the picture with the higher true score.
        most: maximum number of pairs in each list.

    Returns:
        (right, wrong), each [<= most, 2], most confident first. No picture appears twice in a list, so that one
        picture does not fill it.
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


def most_confident_pairs(run, measured):
    """Describes the most confident right and wrong pairs, with maps if these sum to the score.

    Args:
        run: the run.
        measured: its measures, or None.

    Returns:
        {"text", "scale": colour scale of the maps or None, "kinds": lists of pairs} for the template. None without
        pictures or pairs.
    """
    if measured is None or measured.pictures is None:
        return None
    pictures, scores, pairs = measured.pictures, measured.scores, measured.pairs
    right, wrong = most_confident(scores, pairs)
    shown = np.unique(np.concatenate([right, wrong]))
    if not len(shown):
        return None
    maps, folds = {}, measured.metrics["split"] == folder.FOLDS
    if run.model.has_exact_maps:
        size = min(len(shown), run.config.batch_size)
        found = predict(run.model, run.variables, pictures.subset(shown), size, "maps")[1]
        maps = dict(zip(shown.tolist(), found, strict=True))
        said = (
            "The map under each picture shows what its cells add to the score, on one scale for the whole page. "
            + (
                "It is that of the model trained on all pictures. "
                if folds
                else "Cells sum to the score minus its mean over the training pictures. "
                if "baseline" in run.variables
                else "Cells and bias sum to the score. "
            )
            + "Black outlines are the masks of the dataset, if it has any."
        )
    else:
        said = (
            f"There are no maps: {run.pooling} pooling is not a weighted mean of the cells, so no map sums to "
            "the score."
        )
    records = {index: dict(pictures.record(index)) for index in shown.tolist()}
    for index, record in records.items():
        if index in maps:
            record["image"], maps[index] = telling_frame(record["image"], maps[index])
        else:
            record["image"] = pictures.still(index)
    scale = overlays.common_scale(list(maps.values())) if maps else None
    margins = scores[pairs[:, 0]] - scores[pairs[:, 1]]

    def side(title, index):
        return {
            "title": title,
            "text": f"true {pictures.scores[index]:.3g}, predicted {scores[index]:+.2f}",
            "name": pictures.ids[index],
            "pictures": _pictures(pictures.ids[index], records[index], maps.get(index), scale, run.model.resize),
        }

    return {
        "text": f"{said} No picture appears twice in a list.",
        "scale": _scale(scale) if maps else None,
        "kinds": [
            {
                "title": f"{verdict}: {count:,} of {len(margins):,} pairs",
                "pairs": [
                    {
                        "verdict": verdict,
                        "text": _certainty(scores[high] - scores[low]),
                        "sides": [side("truly higher", high), side("truly lower", low)],
                    }
                    for high, low in chosen.tolist()
                ],
            }
            for verdict, chosen, count in (
                ("Right", right, (margins > 0).sum()),
                ("Wrong", wrong, (margins < 0).sum()),
            )
        ],
    }


def _certainty(margin):
    """Says how sure the model is of a pair whose left picture has the higher true score and leads by `margin`."""
    # The logistic function of the margin, in a form that cannot overflow.
    chance = 0.5 * (1 + np.tanh(0.5 * abs(margin)))
    percent = "over 99.9 %" if chance > 0.999 else f"{100 * chance:.1f} %"
    return f"{percent} sure that the {'left' if margin > 0 else 'right'} one is higher, by {abs(margin):.2f}"


def _pictures(name, record, values, scale, resize):
    """Encodes a picture, and its map if there is one."""
    small = Image.fromarray(record["image"])
    small.thumbnail((SIDE, SIDE))
    found = [_inline(small, f"Picture {name}")]
    if values is not None:
        mask = record["mask"][..., 0] > 0 if "mask" in record else None
        said = f"its cells add {values[values > 0].sum():+.2f} and {values[values < 0].sum():+.2f} to the score"
        found.append(_inline(_overlay(small, values, scale, mask, resize), f"Map of {name}: {said}"))
    return found


def _overlay(picture, values, scale, mask, resize="squash"):
    """Draws a signed map and the outline of a mask over a picture."""
    mixed = overlays.overlay(np.asarray(picture), values, scale, resize=resize)
    if mask is not None and mask.any():
        inside = np.asarray(Image.fromarray(mask).resize(picture.size, Image.Resampling.NEAREST))
        padded = np.pad(inside, 1, mode="edge")
        core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        mixed[inside & ~core] = 0
    return Image.fromarray(mixed)


def _scale(scale):
    """Draws the colour bar: the colours of the maps as they look over medium grey, and the values at its ends."""
    said = f"Scale of the maps: blue lowers the score by up to {scale:.2g}, red raises it by as much"
    strip = Image.fromarray(overlays.colours_over_grey(SIDE)[None])
    return {"picture": _inline(strip, said), "low": f"{-scale:.2g}", "high": f"{scale:+.2g}"}


def _inline(picture, alt):
    """Encodes a picture as a data URL for an `img` element."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=82)
    return {
        "src": data_url(buffer.getvalue(), "image/jpeg"),
        "alt": alt,
        "width": picture.width,
        "height": picture.height,
    }
