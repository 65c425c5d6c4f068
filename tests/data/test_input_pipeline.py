import dataclasses

import numpy as np
import pytest
from absl import flags

from lena_jax.data import dataset
from lena_jax.data.dataset import ScoredPictures
from lena_jax.data.input_pipeline import DrawBatch, SquarePictures, batches, make_squares
from lena_jax.data.judged_pairs import JudgedPairs
from lena_jax.data.transforms import Augmentation, resize


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    source = [{"image": rng.integers(256, size=(20, 30, 3), dtype=np.uint8)} for _ in range(12)]
    return ScoredPictures(
        np.array([str(i) for i in range(12)]),
        np.arange(12.0),
        np.array(["a", "b"] * 6),
        source,
        np.arange(12),
        "digest",
    )


def draw(pictures, mode="random", batch_size=6, min_gap=0.0, fetch=None):
    return DrawBatch(pictures, batch_size, mode, min_gap, fetch or SquarePictures(pictures, 16, Augmentation()))


@pytest.mark.parametrize("mode", ["random", "in_batch"])
def test_the_same_seed_gives_the_same_batches_for_any_threads_and_start(pictures, mode):
    runs = [
        list(batches(draw(pictures, mode), steps=7, seed=5, **how))
        for how in ({}, {"threads": 1}, {"threads": 4}, {"start": 3})
    ]
    for run in runs[1:]:
        for batch, expected in zip(run, runs[0][7 - len(run) :], strict=True):
            for name, value in expected.items():
                np.testing.assert_array_equal(batch[name], value)
    other = next(iter(batches(draw(pictures, mode), steps=7, seed=6)))
    assert not np.array_equal(other["index"], runs[0][0]["index"])
    assert not np.array_equal(runs[0][0]["index"], runs[0][1]["index"])


@pytest.fixture
def parsed_flags():
    """Parsed absl flags, which Grain's worker processes need; no script has parsed any here."""
    before = flags.FLAGS.is_parsed()
    flags.FLAGS.mark_as_parsed()
    yield
    if not before:
        flags.FLAGS.unparse_flags()


def test_worker_processes_change_nothing_and_a_resumed_iterator_continues_exactly(planted_dir, parsed_flags):
    stored = dataset.load("planted", str(planted_dir), "train")
    steps = 6
    expected = list(batches(draw(stored, "in_batch"), steps=steps, seed=5))

    def check(iterator, first):
        for batch, wanted in zip(iterator, expected[first:], strict=True):
            assert batch.keys() == wanted.keys()
            for name, value in wanted.items():
                np.testing.assert_array_equal(batch[name], value)

    for workers in (0, 2):
        iterator = batches(draw(stored, "in_batch"), steps=steps, seed=5, workers=workers)
        np.testing.assert_array_equal(next(iterator)["inputs"], expected[0]["inputs"])
        next(iterator)
        state = iterator.get_state()
        check(iterator, 2)
        # Continue from the state in a new iterator, as after a restart.
        again = batches(draw(stored, "in_batch"), steps=steps, seed=5, workers=workers)
        again.set_state(state)
        check(again, 2)
    check(batches(draw(stored, "in_batch"), steps=steps, seed=5, start=1), 1)


def test_bad_numbers_of_workers(pictures):
    with pytest.raises(ValueError, match="workers must be at least 0, got -1"):
        batches(draw(pictures), steps=1, seed=0, workers=-1)
    if not flags.FLAGS.is_parsed():
        with pytest.raises(ValueError, match="got workers=1 before absl's flags were parsed"):
            batches(draw(pictures), steps=1, seed=0, workers=1)


def test_random_pairs_are_comparable_and_labelled(pictures):
    for batch in batches(draw(pictures, min_gap=3.0), steps=20, seed=0):
        assert batch["inputs"].shape == (6, 16, 16, 3) and batch["inputs"].dtype == np.uint8
        left, right = batch["index"][batch["pairs"]].T
        gap = pictures.scores[left] - pictures.scores[right]
        assert (np.abs(gap) >= 3).all()
        assert (pictures.groups[left] == pictures.groups[right]).all()
        np.testing.assert_array_equal(batch["label"], gap > 0)


def test_in_batch_pairs_are_all_pairs_with_weights(pictures):
    batch = next(iter(batches(draw(pictures, "in_batch"), steps=1, seed=0)))
    assert batch["pairs"].shape == (15, 2) and len(set(batch["index"])) == 6
    left, right = batch["index"][batch["pairs"]].T
    np.testing.assert_array_equal(batch["weight"], pictures.groups[left] == pictures.groups[right])


@pytest.mark.parametrize("mode", ["random", "in_batch"])
def test_a_pair_weighs_the_product_of_its_pictures_weights(pictures, mode):
    plain = next(iter(batches(draw(pictures, mode), steps=1, seed=0)))
    weights = np.array([0.0, 1.0, 2.0] * 4)
    weighted = next(iter(batches(draw(dataclasses.replace(pictures, weights=weights), mode), steps=1, seed=0)))
    left, right = weighted["index"][weighted["pairs"]].T
    expected = plain["weight"] * weights[left] * weights[right]
    np.testing.assert_allclose(weighted["weight"], expected)
    assert weighted["weight"].dtype == np.float32 and set(expected) > {0, 2}
    for name in ("index", "label", "inputs"):
        np.testing.assert_array_equal(weighted[name], plain[name])


def test_weights_that_say_nothing_are_refused(pictures):
    for weights in ([0.0] * 12, [-1.0] + [1.0] * 11, [np.inf] * 12):
        with pytest.raises(ValueError, match="weights must be finite"):
            draw(dataclasses.replace(pictures, weights=np.array(weights)))


def test_batches_of_many_small_groups_are_full_of_pairs(pictures):
    groups = np.array([str(i // 2) for i in range(11)] + ["alone"])
    many = dataclasses.replace(pictures, groups=groups)
    drawn = [next(iter(batches(draw(many, "in_batch"), steps=1, seed=seed))) for seed in range(20)]
    assert all(batch["weight"].sum() == 3 for batch in drawn)  # Three groups of two fill six places.
    assert {index for batch in drawn for index in batch["index"]} == set(range(10))  # 10 and 11 have no partner.


def test_a_batch_is_never_without_a_pair(pictures):
    far = draw(pictures, "in_batch", batch_size=2, min_gap=10.0)  # Two of the 66 pairs, both of one group.
    assert all(batch["weight"].sum() == 1 for batch in batches(far, steps=30, seed=0))


def test_fewer_pictures_than_a_batch_are_drawn_again(pictures):
    batch = next(iter(batches(draw(pictures, "in_batch", batch_size=16), steps=1, seed=0)))
    assert set(batch["index"]) == set(range(12))


def test_resize_keeps_the_whole_picture_and_antialiases():
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, ::2] = 255  # Stripes too fine for the result, which must be an even grey.
    small = resize(picture, 16)
    assert small.shape == (16, 16, 3)
    assert np.abs(small.astype(int) - 127).max() < 20
    half = np.zeros((10, 40, 3), np.uint8)
    half[:, 20:] = 200
    assert resize(half, 8)[:, 0].max() == 0 and resize(half, 8)[:, -1].min() == 200


def test_views_stay_inside_the_picture_and_half_are_mirrored():
    ramp = np.repeat(np.linspace(50, 200, 100, dtype=np.uint8)[None, :, None], 3, 2).repeat(80, 0)
    views = [Augmentation(crop=0.5).view(ramp, 16, np.random.default_rng(i)) for i in range(200)]
    spans = [int(view[0, -1, 0]) - int(view[0, 0, 0]) for view in views]
    assert 60 < sum(span < 0 for span in spans) < 140
    assert 60 <= min(map(abs, spans)) < 100 and max(map(abs, spans)) > 130
    whole = Augmentation(crop=1.0, flip=False).view(ramp, 16, np.random.default_rng(0))
    np.testing.assert_array_equal(whole, resize(ramp, 16))


@pytest.mark.parametrize(
    "change, message",
    [({"mode": "all"}, "got 'all'"), ({"batch_size": 5}, "got 5"), ({"min_gap": 99.0}, "min_gap=99.0")],
)
def test_bad_arguments(pictures, change, message):
    with pytest.raises(ValueError, match=message):
        draw(pictures, **change)


def test_a_crop_outside_its_range():
    with pytest.raises(ValueError, match="got 0"):
        Augmentation(crop=0)


@pytest.mark.parametrize("mode", ["random", "in_batch"])
def test_each_process_fetches_its_share_of_one_and_the_same_batch(pictures, mode):
    whole = next(iter(batches(draw(pictures, mode), steps=1, seed=3)))
    shares = [
        next(iter(batches(dataclasses.replace(draw(pictures, mode), process=process, processes=3), steps=1, seed=3)))
        for process in range(3)
    ]
    np.testing.assert_array_equal(np.concatenate([share["inputs"] for share in shares]), whole["inputs"])
    for share in shares:
        for name in ("pairs", "label", "weight", "index"):
            np.testing.assert_array_equal(share[name], whole[name])
    with pytest.raises(ValueError, match="number of processes, got 6 and 4"):
        dataclasses.replace(draw(pictures), processes=4)


def test_kept_squares_change_nothing(pictures):
    augmentation = Augmentation(crop=0.7)
    decoded = SquarePictures(pictures, 16, augmentation)
    squares = np.concatenate(list(make_squares(pictures.source, decoded.side, block=5)))
    assert squares.shape == (12, 23, 23, 3)
    few = pictures.subset([7, 3, 11])
    kept, decoded = SquarePictures(few, 16, augmentation, squares), SquarePictures(few, 16, augmentation)
    arguments = np.array([2, 0, 1]), slice(0, 3)
    np.testing.assert_array_equal(
        kept(arguments[0], np.random.default_rng(1), arguments[1]),
        decoded(arguments[0], np.random.default_rng(1), arguments[1]),
    )


def test_maps_are_cut_and_flipped_like_their_pictures(pictures):
    """If each map is its picture, all views of both are equal, whatever share a process fetches."""
    maps = np.random.default_rng(2).integers(256, size=(12, 64, 64), dtype=np.uint8)
    squares = np.repeat(maps[..., None], 3, -1)
    few = dataclasses.replace(pictures, objectness=maps).subset([7, 3, 11])
    fetch = SquarePictures(few, 64, Augmentation(crop=0.6), squares)
    indices = np.array([2, 0, 1, 2, 2, 0])
    views = fetch(indices, np.random.default_rng(1), slice(0, 6))
    assert views["objectness"].shape == (6, 64, 64) and views["objectness"].dtype == np.uint8
    np.testing.assert_array_equal(views["pictures"], np.repeat(views["objectness"][..., None], 3, -1))
    assert len(np.unique(views["objectness"], axis=0)) == 6
    half = fetch(indices, np.random.default_rng(1), slice(3, 6))
    for name, value in half.items():
        np.testing.assert_array_equal(value, views[name][3:])


def test_given_pairs_are_drawn_and_no_others(pictures):
    given = np.array([[3, 0], [1, 5], [8, 2]])
    seen = set()
    for batch in batches(draw(dataclasses.replace(pictures, pairs=given)), steps=20, seed=0):
        assert batch["inputs"].shape == (6, 16, 16, 3)
        left, right = batch["index"][batch["pairs"]].T
        ahead, behind = np.where(batch["label"] == 1, left, right), np.where(batch["label"] == 1, right, left)
        seen |= set(zip(ahead.tolist(), behind.tolist(), batch["label"].tolist(), strict=True))
        assert (batch["weight"] == 1).all()
    assert {pair[:2] for pair in seen} == {(3, 0), (1, 5), (8, 2)} and {pair[2] for pair in seen} == {0, 1}
    with pytest.raises(ValueError, match="have no pairs"):
        draw(dataclasses.replace(pictures, pairs=given[:0]))


@pytest.mark.parametrize("mode", ["random", "in_batch"])
def test_a_pair_can_weigh_its_gap(pictures, mode):
    plain = next(iter(batches(draw(pictures, mode), steps=1, seed=0)))
    weighted = next(iter(batches(dataclasses.replace(draw(pictures, mode), weighting="gap"), steps=1, seed=0)))
    gap = np.abs(np.diff(pictures.scores[plain["index"][plain["pairs"]]])[:, 0]) / np.std(np.arange(12))
    np.testing.assert_allclose(weighted["weight"], plain["weight"] * gap, rtol=1e-6)
    with pytest.raises(ValueError, match="got 'square'"):
        dataclasses.replace(draw(pictures), weighting="square")


def test_soft_labels_turn_with_the_sides_and_weights_come_along(pictures):
    pairs, label = np.array([[0, 1], [2, 3], [4, 5]]), np.array([0.9, 0.75, 0.5])
    judged = JudgedPairs(label, np.array([1.0, 2.0, 0.0]), np.full((3, 2), np.nan))
    given = dataclasses.replace(pictures, pairs=pairs, judged=judged)
    seen = set()
    for batch in batches(draw(given), steps=20, seed=1):
        for (left, right), chance, weight in zip(
            batch["index"].reshape(-1, 2), batch["label"], batch["weight"], strict=True
        ):
            number = min(left, right) // 2
            assert chance == pytest.approx(label[number] if left < right else 1 - label[number])
            assert weight == judged.weight[number]
            seen.add((int(left), int(right)))
    assert len(seen) == 6
    with pytest.raises(ValueError, match="3 pairs .* have no weight"):
        draw(dataclasses.replace(given, judged=JudgedPairs(label, np.zeros(3), judged.votes)))
