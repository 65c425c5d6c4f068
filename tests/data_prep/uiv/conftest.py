"""The published annotation files, if they are here, and a folder with a small generated picture for every id."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PUBLISHED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "uiv"


def _encode(number, size=(40, 32), picture_format="JPEG"):
    """A picture file of its own for each number."""
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, picture_format)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def encode():
    """A function that makes a small picture file."""
    return _encode


@pytest.fixture(scope="session")
def published():
    """The folder of the published annotation files."""
    if not PUBLISHED.is_dir():
        pytest.skip("the published annotations are not here")
    return PUBLISHED


@pytest.fixture(scope="session")
def content(published):
    """The published annotations, read."""
    from data_prep.uiv import annotations

    return annotations.read({name: published / name for name in annotations.URLS})


@pytest.fixture(scope="session")
def all_pictures(content, tmp_path_factory):
    """A folder with a picture for each of the 10,078 ids; eight contents, again and again."""
    folder = tmp_path_factory.mktemp("all_pictures")
    files = [_encode(number) for number in range(8)]
    for number, id in enumerate(content.pictures):
        (folder / f"{id}.jpg").write_bytes(files[number % len(files)])
    return folder


def _part(content, train, test):
    """The annotations of the first training and test pairs alone."""
    from data_prep.uiv import annotations

    pairs = [pair for pair in content.pairs if pair.split == "train"][:train]
    pairs += [pair for pair in content.pairs if pair.split == "test"][:test]
    ids = [id for pair in pairs for id in (pair.left, pair.right)]
    return annotations.Annotations({id: content.pictures[id] for id in ids}, tuple(pairs))


@pytest.fixture(scope="session")
def part(content):
    """400 training pairs and 60 test pairs: enough for a report of many losses."""
    return _part(content, 400, 60)


@pytest.fixture
def only_part(part, monkeypatch):
    """Builders read only `part`."""
    from data_prep.uiv import annotations

    monkeypatch.setattr(annotations, "read", lambda paths: part)


@pytest.fixture
def few(content, monkeypatch):
    """Only the first eight training pairs and the first four test pairs, so that a build is quick."""
    from data_prep.uiv import annotations

    small = _part(content, 8, 4)
    monkeypatch.setattr(annotations, "read", lambda paths: small)
    return small


@pytest.fixture
def images(few, encode, tmp_path):
    """A folder with a picture for each of the few ids."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number, id in enumerate(few.pictures):
        (folder / f"{id}.jpg").write_bytes(encode(number))
    return folder
