"""What a table of pairs says: winners, votes, labels, clicks, variants; what is refused, by row."""

from pathlib import Path

import pytest

from data_prep.image_pairs import columns, judged, labels, table
from data_prep.image_scores.transforms import Prior
from data_prep.picture_names import PictureNames

WEB_PAGES = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "web_pages"


def read(path, **given):
    return table.read(path, columns.find(path, **given))


def test_winners_in_every_spelling(write_csv):
    path = write_csv(
        ["left", "right", "winner", "judge"],
        ["a.jpg", "b.jpg", "left", "ann"],
        ["a.jpg", "b.jpg", "RIGHT", "bob"],
        ["a.jpg", "./b.jpg", "b.jpg", ""],
        ["b.jpg", "a.jpg", "tie", ""],
        ["c.jpg", "a.jpg", "", ""],
        ["c.jpg", "a.jpg", "skip", "ann"],
    )
    found = read(path)
    assert [row.votes for row in found.rows] == [(1, 0), (0, 1), (0, 1), (0.5, 0.5)]
    assert found.left_out == {"winner": 1, "skip": 1} and found.total == 6
    assert [row.judge for row in found.rows] == ["ann", "bob", "", ""]
    (pair,) = judged.pairs_of(found.rows, None)
    assert (pair.left, pair.right, pair.votes) == ("a.jpg", "b.jpg", (1.5, 2.5))
    assert pair.label == pytest.approx(labels.of_votes([1.5], [2.5])[0])
    assert pair.weight == pytest.approx(labels.information([pair.label])[0])


def test_the_two_columns_of_pictures_are_found(write_csv, folder):
    header, row = ["day", "shown", "beside", "winner"], ["monday", "0.jpg", "1.jpg", "1.jpg"]
    found = columns.find(write_csv(header, row), folder)
    assert (found.left, found.right, found.winner) == ("shown", "beside", "winner")
    third = write_csv([*header, "third"], [*row, "2.jpg"])
    with pytest.raises(ValueError, match=r"3 columns of files in .* \(shown, beside, third\), expected two"):
        columns.find(third, folder)
    assert columns.find(third, folder, left="shown", right="third").right == "third"


def test_undo_takes_back_the_last_row_of_the_same_judge(write_csv):
    path = write_csv(
        ["left", "right", "winner", "judge"],
        ["a", "b", "left", "ann"],
        ["a", "c", "left", "bob"],
        ["a", "b", "undo", "ann"],
        ["a", "c", "right", "ann"],
        ["b", "c", "skip", "ann"],
        ["b", "c", "undo", "ann"],
        ["b", "c", "undo", "carl"],
    )
    found = read(path)
    assert [(row.left, row.right, row.judge) for row in found.rows] == [("a", "c", "bob"), ("a", "c", "ann")]
    assert found.left_out == {"undo": 3}


def test_pairs_drawn_at_random_are_known(write_csv):
    header, rows = ["left", "right", "winner", "how"], [["a", "b", "left", "active"], ["b", "a", "left", "random"]]
    pairs = judged.pairs_of(read(write_csv(header, *rows, ["a", "c", "left", "active"])).rows, None)
    assert [(pair.right, pair.random) for pair in pairs] == [("b", True), ("c", False)]


def test_votes_clicks_and_labels(write_csv):
    votes = read(write_csv(["left", "right", "left_votes", "right_votes"], ["a", "b", 2, 0], ["a", "c", 0, 0]))
    assert [row.votes for row in votes.rows] == [(2, 0)] and votes.left_out == {"votes": 1}
    label = read(write_csv(["left", "right", "label"], ["b", "a", 0.25], ["a", "b", 1], ["a", "c", ""]))
    assert label.left_out == {"label": 1}
    pairs = judged.pairs_of(label.rows, None)
    assert [(pair.label, pair.weight, pair.votes) for pair in pairs] == [(0.75, 1, None), (1, 1, None)]
    header = ["one", "other", "c1", "v1", "c2", "v2"]
    path = write_csv(header, ["a", "b", 5, 100, 2, 100], ["b", "a", 1, 50, 4, 60])
    clicks = read(path, left="one", right="other", clicks=("c1", "v1", "c2", "v2"))
    prior = judged.prior_of(clicks.rows, 50)
    assert prior == Prior(pytest.approx(12 / 310), 50)
    (pair,) = judged.pairs_of(clicks.rows, prior)
    assert pair.label == pytest.approx(labels.of_clicks([9], [160], [3], [150], prior)[0])


def test_variants_of_a_test_are_all_its_pairs_and_count_once(write_csv):
    path = write_csv(
        ["test", "image", "clicks", "shown"],
        *[["t1", f"{n}.jpg", 10 + 20 * n, 1000] for n in range(4)],
        ["t2", "8.jpg", 50, 1000],
        ["t2", "9.jpg", 10, 1000],
        ["", "7.jpg", 10, 1000],
    )
    found = read(path, picture="image", test="test", clicks=("clicks", "shown"))
    assert len(found.rows) == 7 and found.left_out == {"test": 1}
    prior = judged.prior_of(found.rows, 100)
    assert prior.rate == pytest.approx((10 + 30 + 50 + 70 + 60) / 6000)
    pairs = judged.pairs_of(found.rows, prior)
    first = [pair for pair in pairs if pair.left < "8"]
    assert len(first) == 6 and sum(pair.weight for pair in first) <= 1
    alone = labels.information([pair.label for pair in first]).mean()
    assert sum(pair.weight for pair in first) == pytest.approx(alone)


def test_the_order_of_rows_and_sides_changes_nothing(write_csv):
    rows = [["a", "b", 3, 1], ["b", "c", 0, 2], ["c", "a", 1, 1]]
    header = ["left", "right", "left_votes", "right_votes"]
    turned = [[right, left, two, one] for left, right, one, two in reversed(rows)]
    one, other = (judged.pairs_of(read(write_csv(header, *some)).rows, None) for some in (rows, turned))
    assert one == other


@pytest.mark.parametrize(
    "rows, given, said",
    [
        ([["left", "right"], ["a", "b"]], {}, "expected one that says which picture is better"),
        (
            [["left", "right", "winner"], ["a", "b", "c"]],
            {},
            "row 2: winner is 'c', expected left, right, tie, 'a' or 'b'",
        ),
        ([["left", "right", "winner"], ["a", "./a", "left"]], {}, "row 2: got picture 'a' on both sides"),
        ([["left", "right", "winner"], ["a", "../b", "left"]], {}, "row 2: picture path '../b' leaves"),
        ([["left", "right", "label"], ["a", "b", 1.5]], {}, "row 2: label is 1.5, expected the chance"),
        ([["left", "right", "left_votes", "right_votes"], ["a", "b", -1, 2]], {}, "row 2: got -1 and 2 votes"),
        ([["left", "right", "winner"], ["a", "b", ""]], {}, "none of the 1 rows says"),
        ([["left", "right", "winner"]], {}, "has a header and no rows"),
        (
            [["left", "right", "winner", "label"], ["a", "b", "left", 1]],
            {"winner": "winner", "label": "label"},
            "one way",
        ),
        (
            [["left", "right", "winner", "part"], ["a", "b", "left", "dev"]],
            {"split": "part"},
            "part is 'dev', expected",
        ),
        ([["left", "right", "winner"], ["a", "b", "left"]], {"left": "Left"}, "did you mean 'left'"),
        ([["image", "test", "clicks"], ["a", "t", 1]], {"picture": "image"}, "got no --test or not both"),
    ],
)
def test_what_is_wrong_is_said_by_its_row(write_csv, rows, given, said):
    with pytest.raises(ValueError, match=said.replace(".", r"\.")):
        read(write_csv(*rows), **given)


@pytest.mark.skipif(not WEB_PAGES.is_dir(), reason="web_pages is not there")
def test_the_votes_about_web_pages_are_all_there():
    pairs = judged.pairs_of(read(WEB_PAGES / "choices.csv").rows, None)
    assert len(pairs) == 4950 and sum(sum(pair.votes) for pair in pairs) == 5094 and len(judged.names_of(pairs)) == 100


def test_sides_and_winners_in_another_spelling(tmp_path, write_csv):
    for name in ("a.jpg", "sub/b.jpg", "left.jpg"):
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p" / name).write_bytes(b"")
    rows = [["A", r"C:\x\B.JPG", r"C:\x\B.JPG"], ["LEFT.jpg", "A", "left"], ["A", "gone", "A"]]
    path = write_csv(["left", "right", "winner"], *rows)
    found = table.read(path, columns.find(path), PictureNames(tmp_path / "p").find)
    assert [(row.left, row.right, row.votes) for row in found.rows] == [
        ("a.jpg", "sub/b.jpg", (0.0, 1.0)),
        ("left.jpg", "a.jpg", (1.0, 0.0)),
        ("a.jpg", "gone", (1.0, 0.0)),
    ]
    assert "names found in another spelling or folder: 3, such as 'A' as 'a.jpg'" in found.said
