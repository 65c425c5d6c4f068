"""What `lena-jax train` says at its end, in words: how good the model is, what more pictures would bring, what next."""

import shlex


def text(measures, output):
    """Returns the lines about a finished model.

    Args:
        measures: content of its `metrics.json`, see `evaluation.cross_validation.measure_by_folds`.
        output: folder of the model.
    """
    from lena_jax.runs.folder import REPORT

    accuracy, simple = measures["pair_accuracy"], measures.get("simple_properties")
    floor = "guessing: 0.5" + (f"; size, shape and colour alone: {simple['pair_accuracy']:.3f}" if simple else "")
    lines = [
        f"pair accuracy {accuracy['value']:.3f}, 95 % interval {accuracy['low']:.3f} to {accuracy['high']:.3f}, "
        f"on pictures that it did not see ({floor})",
        _verdict(accuracy, simple),
        *_people(measures.get("choices")),
        *_more_pictures(measures.get("learning_curve"), accuracy),
        f"model   {output}",
        f"report  {output / REPORT}",
        f"next    lena-jax score FOLDER --model={shlex.quote(str(output))} --html=ranking.html",
    ]
    return "\n".join(lines)


def _verdict(accuracy, simple):
    """Says in words what the accuracy means."""
    said = f"of two new pictures, it names the better one {100 * accuracy['value']:.0f} times in 100: "
    alone = simple["pair_accuracy"] if simple else 0.0
    if accuracy["low"] is None or accuracy["low"] <= 0.5:
        said += "not shown to be better than guessing. Do not use its ranking; try more pictures, or another score"
        if alone > accuracy["value"]:
            said += f". Size, shape and colour alone name it {100 * alone:.0f} times in 100"
        return said
    if accuracy["low"] <= alone:
        return f"{said}better than guessing, not shown to be better than size, shape and colour alone"
    return f"{said}better than guessing"


def _more_pictures(curve, accuracy):
    """Says what more pictures would bring, from the two ends of the learning curve."""
    if not curve or len(curve) < 2:
        return []
    half, whole = curve[-2:]
    gain = whole["pair_accuracy"] - half["pair_accuracy"]
    if accuracy["low"] is None or accuracy["low"] <= 0.5 or gain <= 0:
        return ["what more pictures would bring cannot be told from these (learning curve in the report)"]
    return [
        f"half as many pictures would give {-gain:+.3f}, twice as many perhaps {gain:+.3f}, more likely two thirds of "
        "it (learning curve in the report)"
    ]


def _people(choices):
    """Says how well people agree, and how well their choices tell other choices; nothing without choices."""
    said = []
    if choices and (agreement := choices["agreement"]["value"]) is not None:
        said.append(
            f"two people agree on {agreement:.3f} of the {choices['two_votes']:,} pairs with two votes, so no ranker "
            f"agrees with one person's choice more often than about {choices['ceiling']['value']:.3f}"
        )
    elif choices and choices["label_ceiling"] is not None:
        said.append(
            "no pair has two votes, so how well people agree is not known; by the labels, a ranker that is always "
            f"right reaches {choices['label_ceiling']:.3f}"
        )
    if choices and (reference := choices.get("bradley_terry")) and reference["value"] is not None:
        said.append(
            "other choices about the same pictures, without looking at them (Bradley-Terry): "
            f"{reference['value']:.3f}, {reference['low']:.3f} to {reference['high']:.3f}"
        )
    return said
