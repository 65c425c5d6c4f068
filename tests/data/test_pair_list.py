import io

import numpy as np
import pytest

from lena_jax.data.pairs import read_pairs, write_pairs
from lena_jax.metrics import pair_accuracy, ranking_metrics

IDS = np.array(["a.jpg", "b, c.jpg", 'd"é".jpg', "e.jpg"])


def test_what_is_written_is_read_in_the_same_order(tmp_path):
    path = tmp_path / "pairs.csv"
    pairs = np.array([[1, 0], [2, 1], [2, 0]])
    with path.open("w", newline="", encoding="utf-8") as file:
        write_pairs(file, IDS, pairs)
    np.testing.assert_array_equal(read_pairs(path, IDS), pairs)
    # The pictures may be in another order.
    np.testing.assert_array_equal(read_pairs(path, IDS[::-1]), 3 - pairs)


def test_it_is_plain_csv():
    file = io.StringIO()
    write_pairs(file, IDS, [[0, 1]])
    assert file.getvalue() == 'id_high,id_low\na.jpg,"b, c.jpg"\n'


@pytest.mark.parametrize(
    "text, message",
    [
        ("id_high,id_low\na.jpg,x\ny,x\n", "line 2: the id 'x' is none of the 4 .*; 2 ids"),
        ("id_high,id_low\na.jpg,a.jpg\n", "line 2: got 'a.jpg,a.jpg', expected two different"),
        ("id_high,id_low\na.jpg\n", "line 2: got 'a.jpg', expected two"),
        ("id_high,id_low\n", "has no pairs"),
        ("id,score\n", "header 'id,score', expected 'id_high,id_low'"),
        ("", "header ''"),
        ('id_high,id_low\n"a', "CSV"),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_pairs(path, IDS)
    assert str(path) in str(caught.value)
    with pytest.raises(ValueError, match="no such file of pairs"):
        read_pairs(tmp_path / "gone", IDS)


def test_measures_of_given_pairs():
    predicted, scores = np.array([3.0, 1.0, 2.0, 0.0]), np.arange(4.0)
    pairs = np.array([[3, 0], [1, 2]])  # The second pair contradicts the scores; the list counts.
    metrics = ranking_metrics(predicted, scores, resamples=9, pairs=pairs)
    assert metrics["pair_accuracy"]["value"] == pair_accuracy(predicted, pairs) == 0 and metrics["pairs"] == 2
