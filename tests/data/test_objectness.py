import contextlib
import pickle
import shutil

import numpy as np
import pair_data
import pytest

from data_prep.objectness import make_maps
from lena_jax.data import dataset, objectness
from lena_jax.data.transforms import Augmentation, resize

SIDE = objectness.SIDE


def red(picture):
    """A network whose output is the picture's red channel, so that the right map of a picture is known."""
    return resize(picture, 5 * SIDE)[..., 0] / np.float32(255)


def expected(picture):
    return np.rint(255 * red(picture).reshape(SIDE, 5, SIDE, 5).mean((1, 3), dtype=np.float64)).astype(np.uint8)


@contextlib.contextmanager
def silent(split, total, done):
    class Bar:
        def update(self, count):
            pass

    yield Bar()


def make(name, data_dir, split="all", network=red):
    return make_maps(name, data_dir, split, network, 2, silent)


@pytest.fixture(scope="module")
def with_maps(planted_dir, tmp_path_factory):
    """A copy of the small `planted`, with maps."""
    data_dir = tmp_path_factory.mktemp("objectness")
    shutil.copytree(planted_dir / "planted", data_dir / "planted")
    make("planted", data_dir)
    return data_dir


@pytest.fixture
def copied(with_maps, tmp_path):
    shutil.copytree(with_maps, tmp_path / "data")
    return tmp_path / "data"


@pytest.mark.parametrize("split", ["train", "test", "all", "validation+train"])
def test_maps_are_in_the_order_of_their_pictures(with_maps, split):
    pictures = dataset.load("planted", str(with_maps), split)
    maps = objectness.load("planted", str(with_maps), split)
    assert maps.shape == (len(pictures), SIDE, SIDE) and len(maps) == len(pictures) and maps.dtype == np.uint8
    np.testing.assert_array_equal(maps, [expected(record["image"]) for record in pictures.source])
    subset = pictures.subset([len(pictures) - 1, 3, 0])
    for index in range(3):
        np.testing.assert_array_equal(maps[subset.rows[index]], expected(subset.picture(index)))


def test_maps_are_indexed_as_an_array_and_travel_as_paths(with_maps):
    maps = objectness.load("planted", str(with_maps), "all")
    array = np.asarray(maps)
    indices = np.array([[70, 3], [87, 3]])
    for index in (0, -1, np.int64(60), indices, slice(40, 60), slice(0, 0), np.arange(88) % 7 == 0):
        got = maps[index]
        assert got.shape == array[index].shape and got.dtype == np.uint8
        np.testing.assert_array_equal(got, array[index])
    with pytest.raises(IndexError):
        maps[88]
    sent = pickle.dumps(maps)
    assert len(sent) < 4000
    np.testing.assert_array_equal(pickle.loads(sent)[indices], array[indices])
    assert np.asarray(maps, np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="copy=False"):
        np.asarray(maps, copy=False)


def test_pictures_of_pairs_have_one_map_each_even_if_they_are_in_two_splits(tmp_path):
    # Picture 3 is in both splits, so there are six pictures in all.
    pair_data.build(tmp_path, {"train": [(3, 5, 1), (3, 40, 0)], "test": [(1, 3, 1), (8, 1, 0)]})
    make("judged", tmp_path)
    for split, count in (("train", 3), ("test", 3), ("all", 5), ("train+test", 5)):
        pictures = dataset.load("judged", str(tmp_path), split)
        maps = objectness.load("judged", str(tmp_path), split)
        assert len(maps) == len(pictures) == count
        np.testing.assert_array_equal(maps, [expected(pictures.picture(index)) for index in range(count)])


def test_the_digest_is_of_the_loaded_splits_and_their_pictures(copied):
    digests = {split: objectness.load("planted", str(copied), split).digest for split in ("train", "test", "all")}
    assert len(set(digests.values())) == 3
    shutil.rmtree(copied / "planted/1.0.0/objectness")
    make("planted", copied, "train")
    assert objectness.load("planted", str(copied), "train").digest == digests["train"]


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda folder: shutil.rmtree(folder), "no objectness maps of split 'test'"),
        (lambda folder: (folder / "test.npy").unlink(), "no objectness maps of split 'test'"),
        (lambda folder: (folder / "objectness.json").write_text("[]"), "no objectness maps of split 'test'"),
        (lambda folder: (folder / "test.npy").rename(folder / "test.npy.partial"), "no objectness maps"),
        (lambda folder: (folder / "test.npy").write_bytes((folder / "test.npy").read_bytes()[:-1]), "are damaged"),
        (lambda folder: (folder / "test.npy").write_bytes(b""), "are damaged"),
        (lambda folder: np.save(folder / "test.npy", np.zeros((24, 32, 32), np.uint8)), "are damaged: got"),
    ],
)
def test_absent_and_damaged_maps_are_refused_with_the_command(copied, damage, message):
    damage(copied / "planted/1.0.0/objectness")
    command = f"python -m data_prep objectness planted --data_dir={copied}"
    for split in ("test", "all"):
        with pytest.raises(ValueError, match=message) as caught:
            objectness.load("planted", str(copied), split)
        assert str(caught.value).endswith(command)


def test_maps_of_other_pictures_are_refused_until_they_are_made_again(tmp_path):
    pair_data.build(tmp_path, {"train": [(1, 2, 1)]})
    make("judged", tmp_path)
    maps = (tmp_path / "judged/1.0.0").rename(tmp_path / "before") / "objectness"
    pair_data.build(tmp_path, {"train": [(1, 4, 1)]})
    shutil.copytree(maps, tmp_path / "judged/1.0.0/objectness")
    with pytest.raises(ValueError, match="of split 'train' are of other pictures: got .*python -m data_prep objec"):
        objectness.load("judged", str(tmp_path), "train")
    assert [made.fresh for made in make("judged", tmp_path)] == [True]
    assert len(objectness.load("judged", str(tmp_path), "train")) == 2


def test_an_unknown_split_is_said(with_maps):
    with pytest.raises(ValueError, match="no split 'tset'"):
        objectness.load("planted", str(with_maps), "tset")


@pytest.mark.parametrize("shape", [(SIDE, SIDE), (200, 320)])
def test_augmentation_draws_the_same_view_of_a_map_whatever_its_pictures_shape(shape):
    height, width = shape
    across = np.linspace(0, 255, width)[None] * np.ones((height, 1))
    picture = np.repeat(np.rint(across).astype(np.uint8)[..., None], 3, -1)
    one = resize(picture, SIDE)[..., 0]
    augmentation = Augmentation(crop=0.4)
    flipped = set()
    for seed in range(8):
        of_picture = augmentation.view(picture, SIDE, np.random.default_rng(seed))[..., 0].astype(int)
        of_map = augmentation.view(one, SIDE, np.random.default_rng(seed)).astype(int)
        assert abs(of_picture - of_map).max() <= 4
        flipped.add(bool(of_map[0, 0] > of_map[0, -1]))
    assert flipped == {True, False}
