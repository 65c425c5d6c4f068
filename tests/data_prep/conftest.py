"""A small `planted`, and a folder of pictures with its table, for the tests of `data_prep`."""

import csv

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from data_prep.planted import Builder

PLANTED_COUNTS = {"train": 40, "validation": 20, "test": 400}


@pytest.fixture(scope="session")
def planted_dir(tmp_path_factory):
    """A data_dir with `planted` of the sizes `PLANTED_COUNTS`."""
    data_dir = tmp_path_factory.mktemp("planted")
    Builder(data_dir=data_dir, **PLANTED_COUNTS).download_and_prepare()
    return data_dir


@pytest.fixture(scope="session")
def planted(planted_dir):
    """All records of the small `planted`, decoded, as a list for each split."""
    builder = tfds.builder_from_directory(planted_dir / "planted" / "1.0.0")
    return {split: list(builder.as_data_source(split)) for split in PLANTED_COUNTS}


def picture(number, size=(24, 16)):
    """Make a small picture, a different one for each number."""
    width, height = size
    return Image.fromarray(np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture
def folder(tmp_path):
    """A folder of six JPEGs, 0.jpg .. 5.jpg."""
    images = tmp_path / "images"
    images.mkdir()
    for number in range(6):
        picture(number).save(images / f"{number}.jpg", quality=90)
    return images


@pytest.fixture
def write_csv(tmp_path):
    """Write rows of values (the first is the header) to a CSV file; return its path."""

    def write(*rows, name="Holiday Photos.csv"):
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
        return path

    return write


@pytest.fixture
def scores_csv(write_csv):
    """The table of `folder`: score i for picture i."""
    return write_csv(["image", "score"], *[[f"{number}.jpg", number] for number in range(6)])
