"""The published annotation files: all known facts hold, and damaged files are refused."""

import hashlib

import numpy as np
import pytest
import scipy.io

from data_prep.uiv import annotations
from data_prep.uiv.annotations import read
from data_prep.virality_score import deza_parikh


def test_the_published_protocol(content):
    assert len(content.pictures) == 10_078 and len(content.pairs) == 5_039
    splits = [pair.split for pair in content.pairs]
    assert splits.count("train") == 4_550 and splits.count("test") == 489
    ids = [id for pair in content.pairs for id in (pair.left, pair.right)]
    assert len(set(ids)) == 10_078
    for pair in content.pairs:
        left, right = content.pictures[pair.left], content.pictures[pair.right]
        assert (left.score > right.score) == bool(pair.label) and left.score != right.score
        assert left.split == right.split == pair.split
        assert set(pair.attributes) <= {-1, 0, 1}
    assert sum(pair.label for pair in content.pairs) == 2_519


def test_left_and_right_are_as_they_were_shown(content, published):
    shown = scipy.io.loadmat(published / "virality_label.mat")["virality_label_spot"][:, 0]
    rows = scipy.io.loadmat(published / "pair_matrix.mat")["pair_matrix_spot"]
    for pair, viral_left, (viral, other) in zip(content.pairs, shown, rows, strict=True):
        assert (pair.left, pair.right)[1 - viral_left] == str(viral)
        assert (pair.left, pair.right)[viral_left] == str(other)
        assert pair.label == viral_left


def test_test_pairs_hold_the_extremes(content):
    by_score = sorted(content.pictures.values(), key=lambda picture: picture.score)
    assert {picture.split for picture in by_score[:250] + by_score[-250:]} == {"test"}


def test_every_score_follows_from_its_counts(content):
    pictures = list(content.pictures.values())
    scores = deza_parikh([picture.best_likes for picture in pictures], [picture.submissions for picture in pictures])
    assert np.abs(scores - [picture.score for picture in pictures]).max() < 1e-9


def test_registered_hashes_are_of_these_files(published):
    from data_prep.uiv import Builder

    assert set(Builder.url_infos) == set(annotations.URLS.values())
    for name, url in annotations.URLS.items():
        data = (published / name).read_bytes()
        info = Builder.url_infos[url]
        assert (info.size, info.checksum) == (len(data), hashlib.sha256(data).hexdigest())
        assert info.filename == name and annotations.COMMIT in url


@pytest.fixture
def changed(published, tmp_path, monkeypatch):
    """Reads the published files with one matrix changed, as if it were the published one."""
    monkeypatch.setattr(annotations, "_published", lambda path, name: path.read_bytes())

    def changed(name, variable, change):
        paths = {name: published / name for name in annotations.URLS}
        values = change(scipy.io.loadmat(paths[name])[variable])
        paths[name] = tmp_path / name
        scipy.io.savemat(paths[name], {variable: values})
        return read(paths)

    return changed


def put(value, *index):
    def change(values):
        values = values.astype(np.int32)
        values[index] = value
        return values

    return change


@pytest.mark.parametrize(
    ("name", "variable", "change", "message"),
    [
        ("virality_label.mat", "virality_label_spot", put(2, 0, 0), "got values 0..2, expected 0..1"),
        ("virality_label.mat", "virality_label_spot", lambda values: values[1:], "got 5,038 rows, expected 5,039"),
        ("Attribute_matrix.mat", "Attribute_matrix_spot", put(-3, 9, 2), "got values -3..1, expected -1..1"),
        ("Attribute_matrix.mat", "Attribute_matrix_spot", lambda values: values[:, 1:], "expected .rows, 5."),
        ("Top_489_pair.mat", "top_pair_matrix_489", put(1, 0, 0), "got the pair .1, .*expected one of pair_matrix"),
        ("Top_489_pair.mat", "top_pair_matrix_489", lambda values: values * 0.5, "expected whole numbers"),
        ("pair_matrix.mat", "pair_matrix_spot", lambda values: values[:, ::-1], "expected one of pair_matrix"),
    ],
)
def test_damaged_files_are_named(changed, name, variable, change, message):
    with pytest.raises(ValueError, match=message):
        changed(name, variable, change)


def test_only_the_published_bytes_are_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr(scipy.io, "loadmat", lambda *_, **__: pytest.fail("parsed"))
    paths = {name: tmp_path / name for name in annotations.URLS}
    for content in (b"<html>not found</html>" * 20, b"\0" * 19_486, b"", None):
        if content is None:
            paths["pair_matrix.mat"].unlink()
        else:
            paths["pair_matrix.mat"].write_bytes(content)
        with pytest.raises(ValueError, match="pair_matrix.mat is not the published annotation file") as raised:
            read(paths)
        assert "\n" not in str(raised.value)
