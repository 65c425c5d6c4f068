import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lena_jax.localization import gradient_map, occlusion_map, to_grid

RNG = np.random.default_rng(0)
PICTURE = RNG.uniform(0, 255, (12, 10, 3)).astype(np.float32)
WEIGHTS = jnp.asarray(RNG.normal(size=(12, 10, 3)), jnp.float32)


def linear(pictures):
    return jnp.einsum("bhwc,hwc->b", pictures, WEIGHTS, precision="highest")


@pytest.mark.parametrize("batch_size", [1, 7, 20, 100])
def test_of_a_linear_score_is_what_each_cell_adds(batch_size):
    away = (PICTURE - PICTURE.mean((0, 1))) * np.asarray(WEIGHTS)
    expected = away.sum(-1).reshape(4, 3, 5, 2).sum((1, 3))
    found = jax.jit(lambda picture: occlusion_map(linear, picture, (4, 5), patch=2.5, batch_size=batch_size))(PICTURE)
    # 2.5 pixels around the centre: three rows, and the two columns of the cell.
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=0.2)
    # Cells of 3 x 2 are all covered once by squares cut to them: the map sums to the way to the mean colour.
    whole = linear(jnp.stack([PICTURE, jnp.broadcast_to(PICTURE.mean((0, 1)), PICTURE.shape)]))
    assert float(found.sum()) == pytest.approx(float(whole[0] - whole[1]), rel=1e-3, abs=0.5)


def test_finds_the_planted_cell_and_its_sign():
    def score(pictures):
        return pictures[:, 7, 3].sum(-1) - 2 * pictures[:, 1, 8].sum(-1)

    found = occlusion_map(score, PICTURE, (6, 5), fill=[0, 0, 0])
    expected = np.zeros((6, 5))
    expected[3, 1], expected[0, 4] = PICTURE[7, 3].sum(), -2 * PICTURE[1, 8].sum()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)
    # A larger square reaches it from the neighbouring cells too.
    assert (np.asarray(occlusion_map(score, PICTURE, (6, 5), patch=6, fill=[0, 0, 0])) > 1).sum() == 9


def test_a_constant_score_has_a_map_of_zeros():
    np.testing.assert_array_equal(occlusion_map(lambda pictures: jnp.zeros(len(pictures)), PICTURE, (3, 3)), 0)


def test_at_most_a_batch_of_covered_pictures_exists():
    """Checks with the compiler's own figures that memory depends on the batch, not on the number of cells."""

    def memory(grid, batch_size):
        compiled = jax.jit(lambda picture: occlusion_map(linear, picture, grid, batch_size=batch_size))
        return compiled.lower(PICTURE).compile().memory_analysis().temp_size_in_bytes

    assert memory((12, 10), 4) < 2 * memory((2, 2), 4) + 4000
    assert memory((12, 10), 4) < memory((12, 10), 120) / 4


@pytest.mark.parametrize(
    "options, message",
    [
        ({"grid": (13, 2)}, r"got \(13, 2\)"),
        ({"grid": (0, 2)}, r"got \(0, 2\)"),
        ({"grid": (2, 2), "patch": 0}, "got 0 and 32"),
        ({"grid": (2, 2), "batch_size": 0}, "and 0"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        occlusion_map(linear, PICTURE, **options)


def test_gradient_of_a_linear_score_sums_to_the_way_from_the_baseline():
    pictures = np.stack([PICTURE, PICTURE[::-1]])
    maps = gradient_map(linear, pictures)
    assert maps.shape == (2, 12, 10)
    mean = np.broadcast_to(pictures.mean((1, 2), keepdims=True), pictures.shape)
    np.testing.assert_allclose(maps.sum((1, 2)), linear(pictures) - linear(mean), rtol=1e-3, atol=0.5)
    np.testing.assert_allclose(
        gradient_map(linear, pictures, jnp.zeros(3)), (pictures * np.asarray(WEIGHTS)).sum(-1), rtol=1e-4, atol=1e-2
    )
    # Summed over cells it is the occlusion map, for a linear score.
    np.testing.assert_allclose(to_grid(maps[:1], 6, 5)[0], occlusion_map(linear, PICTURE, (6, 5)), rtol=1e-3, atol=0.2)
