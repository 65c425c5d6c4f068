import contextlib
import pickle
import shutil

import jax
import numpy as np
import pair_data
import pytest

from data_prep.objectness import make_maps
from lena_jax.data import dataset, objectness
from lena_jax.data.transforms import Augmentation, resize

SIDE = objectness.SIDE


def red(picture):
    """A network whose answer is the picture's red channel: its map is told from the picture."""
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
    # Picture 3 is in both splits; together they are six pictures.
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
        (lambda folder: shutil.rmtree(folder), "got no objectness maps of split 'test'"),
        (lambda folder: (folder / "test.npy").unlink(), "got no objectness maps of split 'test'"),
        (lambda folder: (folder / "objectness.json").write_text("[]"), "got no objectness maps of split 'test'"),
        (lambda folder: (folder / "test.npy").rename(folder / "test.npy.unfinished"), "got no objectness maps"),
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


def test_maps_of_other_pictures_are_refused_until_they_are_made_anew(tmp_path):
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


def test_a_grid_worked_by_hand():
    # Three columns on two cells: the middle one is shared. Two rows on one.
    maps = np.array([[[0, 60, 120], [30, 90, 255]]], np.uint8)
    left, right = (0 + 30 + (60 + 90) / 2) / 3 / 255, (120 + 255 + (60 + 90) / 2) / 3 / 255
    np.testing.assert_allclose(objectness.to_grid(maps, 1, 2), [[[left, right]]], rtol=1e-6)


@pytest.mark.parametrize("h, w", [(1, 1), (7, 7), (14, 14), (8, 3), (64, 64), (5, 96), (13, 2)])
def test_a_grid_is_the_exact_area_average(h, w):
    maps = np.random.default_rng(0).integers(0, 256, (3, 64, 48), dtype=np.uint8)
    # Cut into pieces so small that each belongs to one cell.
    pieces = np.repeat(np.repeat(maps.astype(np.float64), h, 1), w, 2)
    slow = pieces.reshape(3, h, 64, w, 48).mean((2, 4)) / 255
    fast = jax.jit(objectness.to_grid, static_argnums=(1, 2))(maps, h, w)
    assert fast.dtype == np.float32 and fast.shape == (3, h, w)
    np.testing.assert_allclose(fast, slow, atol=1e-6)
    np.testing.assert_allclose(objectness.to_grid(maps / np.float32(255), h, w), slow, atol=1e-6)


def test_a_grid_stays_within_0_and_1():
    for level, value in ((0, 0.0), (255, 1.0)):
        pooled = np.asarray(objectness.to_grid(np.full((2, 64, 64), level, np.uint8), 7, 11))
        assert pooled.min() >= 0 and pooled.max() <= 1
        np.testing.assert_allclose(pooled, value, atol=1e-6)


@pytest.mark.parametrize(
    "maps, grid, message",
    [
        (np.zeros((64, 64), np.uint8), (7, 7), r"got maps \(64, 64\) uint8"),
        (np.zeros((1, 64, 64), np.int32), (7, 7), "int32, expected .* uint8 or floating point"),
        (np.zeros((1, 64, 64), np.uint8), (0, 7), "a grid of 0 x 7 cells"),
    ],
)
def test_what_is_no_map_or_no_grid_is_refused(maps, grid, message):
    with pytest.raises(ValueError, match=message):
        objectness.to_grid(maps, *grid)


@pytest.mark.parametrize("flip", [False, True])
def test_a_view_of_a_map_is_cut_and_flipped_like_its_picture(flip):
    one = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    picture = np.repeat(one[..., None], 3, -1)
    box = (0.25, 0.1, 0.85, 0.7)
    of_picture = resize(picture, 40, tuple(SIDE * share for share in box))
    of_picture = of_picture[:, ::-1] if flip else of_picture
    np.testing.assert_array_equal(objectness.view(one, 40, box, flip), of_picture[..., 0])


def test_a_view_shows_the_part_it_says():
    one = np.zeros((SIDE, SIDE), np.uint8)
    one[:16, 48:] = 255  # The upper right corner.
    # The filter reads a little beyond the box, as it does for pictures.
    corner, below = objectness.view(one, 8, (0.75, 0, 1, 0.25)), objectness.view(one, 8, (0, 0.25, 1, 1))
    assert corner[:-1, 1:].min() == 255 and corner.min() > 200
    assert below[1:].max() == 0 and below.max() < 40
    left, right = np.split(objectness.view(one, SIDE, flip=True), 2, 1)
    assert left[:16, :16].min() == 255 and right.max() == 0
    np.testing.assert_array_equal(objectness.view(one, SIDE), one)


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


@pytest.mark.parametrize("box", [(0.5, 0, 0.5, 1), (0, 0, 1, 1.1), (-0.1, 0, 1, 1), (0, 0, np.nan, 1)])
def test_a_box_outside_the_picture_is_refused(box):
    with pytest.raises(ValueError, match="got the box"):
        objectness.view(np.zeros((SIDE, SIDE), np.uint8), 8, box)
