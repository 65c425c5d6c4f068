"""Reading activities: JSON and CSV give the same posts, and an error names the line."""

import json

import pytest

from data_prep.ivgp.activities import Activity, read


def activity(id="a", plusoners=1, replies=2, resharers=3, **more):
    """An activity as Google+ gave it."""
    counts = {"plusoners": plusoners, "replies": replies, "resharers": resharers}
    body = {name: {"totalItems": count} for name, count in counts.items()}
    body["attachments"] = [
        {"objectType": "article"},
        {"objectType": "photo", "image": {"url": "https://x/s.jpg"}, "fullImage": {"url": "https://x/l.jpg"}},
    ]
    return {"kind": "plus#activity", "id": id, "object": body | more.pop("object", {}), **more}


@pytest.fixture
def write(tmp_path):
    def write(*lines, name="posts.jsonl"):
        path = tmp_path / name
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_text("\n".join(texts) + "\n", encoding="utf-8")
        return path

    return write


WHOLE = Activity("a", 1, 2, 3, 1330626600.0, "1070", "", "https://x/l.jpg")


def test_json_and_csv_say_the_same(write):
    path = write(activity(published="2012-03-01T18:30:00.000Z", actor={"id": "1070"}), "", activity("b"))
    posts = read(path).posts
    assert posts == (WHOLE, Activity("b", 1, 2, 3, url="https://x/l.jpg"))
    header = "id,object.plusoners.totalItems,object.replies.totalItems,object.resharers.totalItems,"
    header += "published,actor.id,object.attachments[].fullImage.url"
    row = "a,1,2,3,2012-03-01 19:30:00+01:00,1070,https://x/l.jpg"
    assert read(write(header, row, "", name="dotted.csv")).posts == (WHOLE,)
    header = "resharers,id,plusoners,replies,published,author,image.url"
    assert read(write(header, "3,a,1,2,2012-03-01T18:30:00,1070,https://x/l.jpg", name="flat.csv")).posts == (WHOLE,)


def test_the_least_there_can_be(write):
    assert read(write("id,plusoners,replies,resharers", "a,0,0,0", name="a.csv")).posts == (Activity("a", 0, 0, 0),)
    assert read(write(name="b.jsonl")).posts == ()


def test_pictures_are_named_by_a_column_or_may_be_none(write):
    csv = write("id,plusoners,replies,resharers,image", "a,0,0,0,x/./1.jpg", "b,0,0,0,", name="a.csv")
    first, second = read(csv).posts
    assert first.image == "x/1.jpg" and first.has_picture
    assert second.image == "" and not second.has_picture
    (post,) = read(write(activity(object={"attachments": []}))).posts
    assert not post.has_picture


def test_reshares_of_other_posts_are_left_out(write):
    content = read(write(activity("a", verb="post"), activity("b", verb="share")))
    assert [post.id for post in content.posts] == ["a"] and content.reshares == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["not json"], "line 1: expected one activity in JSON, got 'not json"),
        ([activity(), "[1]"], "line 2: expected one activity in JSON"),
        (["[" * 100_000], "line 1: expected one activity in JSON"),
        ([activity(id=7)], "line 1: got id 7, expected a non-empty string"),
        ([activity(), activity()], "line 2: got id 'a' twice, expected once; first in line 1"),
        ([activity(resharers=None)], "line 1: resharers is None, expected a whole number"),
        ([activity(plusoners=-1)], "plusoners is -1, expected a whole number from 0"),
        ([activity(plusoners=True)], "plusoners is True"),
        ([activity(replies=1.5)], "replies is 1.5"),
        ([activity(plusoners=2**40)], "plusoners is 1099511627776"),
        ([activity(object={"plusoners": 3})], "plusoners is None"),
        ([{"id": "a", "object": 3}], "plusoners is None"),
        ([activity(published="last week")], "published is 'last week', expected a time such as"),
        ([activity(published=5)], "published is 5"),
    ],
)
def test_bad_lines_are_named(write, lines, message):
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        read(write(*lines))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["id,plusoners,replies", "a,1,2"], "expected one named resharers or object.resharers.totalItems"),
        ([""], "expected one named id"),
        (["id,plusoners,replies,resharers,author,actor.id"], "got author and actor.id in several columns"),
        (["id,plusoners,replies,resharers", "a,1,2"], "row 2: got 3 values, expected 4"),
        (["id,plusoners,replies,resharers", "a,1,2,x"], "row 2: resharers is 'x'"),
        (["id,plusoners,replies,resharers", ",1,2,3"], "row 2: got id '', expected a non-empty string"),
        (["id,plusoners,replies,resharers", 'a,1,2,"3'], "not a CSV"),
        (["id,plusoners,replies,resharers,image", "a,1,2,3,../x.jpg"], "row 2: .*leaves the folder"),
        (["id,plusoners,replies,resharers,image", "a,1,2,3,/x.jpg"], "row 2: .*is absolute"),
    ],
)
def test_bad_rows_are_named(write, lines, message):
    with pytest.raises(ValueError, match=message):
        read(write(*lines, name="posts.csv"))


def test_other_files_are_named(tmp_path):
    with pytest.raises(ValueError, match="no such file of activities"):
        read(tmp_path / "gone.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "\xe9"}')
    with pytest.raises(ValueError, match="expected UTF-8 text"):
        read(tmp_path / "latin.jsonl")
