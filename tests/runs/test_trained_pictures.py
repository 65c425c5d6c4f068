"""Which files a model was trained on, as its folder says."""

import json

import pytest

from lena_jax.runs import trained_pictures


def test_files_are_known_by_their_bytes(tmp_path):
    for name, content in (("a.jpg", b"one"), ("b.jpg", b"two"), ("c.jpg", b"six"), ("d.jpg", b"longer")):
        (tmp_path / name).write_bytes(content)
    trained_pictures.write(tmp_path, [tmp_path / "a.jpg", tmp_path / "b.jpg", tmp_path / "gone.jpg"])
    (tmp_path / "moved.jpg").write_bytes(b"one")
    known = trained_pictures.read(tmp_path)
    found = {path.name: known.has(path) for path in tmp_path.glob("*.jpg")}
    assert found == {"a.jpg": True, "b.jpg": True, "moved.jpg": True, "c.jpg": False, "d.jpg": False}
    assert not known.has(tmp_path) and not known.has("#3")
    said = []
    for name in ("d.jpg", "a.jpg", "c.jpg"):
        known.see(tmp_path / name)
        said.append(known.said())
    these = "the model was trained on 1 of these {} pictures: their scores flatter the model"
    assert said == ["", these.format(2), these.format(3)]
    alone = trained_pictures.read(tmp_path)
    alone.see(tmp_path / "a.jpg")
    assert alone.said() == "the model was trained on this picture: its score flatters the model"


@pytest.mark.parametrize("content", [None, {}, [1, [2], ["3", 4], [True, "x"], [5, None]], "[["])
def test_a_folder_that_does_not_say_knows_none(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(b"one")
    if content is not None:
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / trained_pictures.FILE).write_text(text)
    assert not trained_pictures.read(tmp_path).has(tmp_path / "a.jpg")
