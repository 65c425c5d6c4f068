"""What a finished model is called: better than guessing, or not shown to be."""

from pathlib import Path

import pytest

from lena_jax.cli import train_summary

CURVE = [{"pair_accuracy": 0.70}, {"pair_accuracy": 0.72}]


@pytest.mark.parametrize(
    "low, simple, curve, said, more",
    [
        (0.68, 0.60, CURVE, "72 times in 100: better than guessing\n", "half as many pictures would give -0.020"),
        (0.68, 0.69, CURVE, "not shown to be better than size, shape and colour alone", "twice as many perhaps +0.020"),
        (0.45, 0.60, CURVE, "not shown to be better than guessing. Do not use", "cannot be told from these"),
        (0.45, 0.94, CURVE, "or another score. Size, shape and colour alone name it 94 times in 100\n", "model "),
        (0.68, 0.60, CURVE[::-1], ": better than guessing\n", "cannot be told from these"),
        (0.68, None, None, ": better than guessing\n", "model "),
    ],
)
def test_the_accuracy_in_words(low, simple, curve, said, more):
    measures = {"pair_accuracy": {"value": 0.72, "low": low, "high": 0.76}, "learning_curve": curve}
    if simple is not None:
        measures["simple_properties"] = {"pair_accuracy": simple}
    text = train_summary.text(measures, Path("models/My photos"))
    assert said in text and more in text
    assert text.splitlines()[-1] == "next    lena-jax score FOLDER --model='models/My photos' --html=ranking.html"
