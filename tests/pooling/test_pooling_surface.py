"""The whole surface: windows, Caffe's rounding, axes, masks, shapes of eta, errors, and what is imported."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pooling_oracle as oracle
import pytest

from lena_jax.pooling import average_pool, caffe_padding, lena_pool, lena_weights, max_pool, top_n_pool, top_n_weights

X = np.random.default_rng(0).standard_normal((2, 5, 7, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "window, strides, pads",
    [((2, 3), (1, 2), ((0, 0), (0, 0))), ((3, 3), (2, 2), ((1, 1), (1, 1))), ((4, 2), (3, 3), ((0, 2), (1, 1)))],
)
def test_windows_pool_their_own_cells(window, strides, pads):
    options = dict(window=window, strides=strides, padding=pads)
    eta = 0.4
    got = lena_pool(X, eta, **options)
    for i in range(got.shape[1]):
        for j in range(got.shape[2]):
            top, left = i * strides[0] - pads[0][0], j * strides[1] - pads[1][0]
            cells = X[:, max(top, 0) : top + window[0], max(left, 0) : left + window[1]].reshape(2, -1, 3)
            n = np.full((2, 3), 1 + eta * (cells.shape[1] - 1))
            np.testing.assert_allclose(got[:, i, j], oracle.each_map(oracle.pool, cells, n), rtol=1e-5, atol=1e-6)
    w = lena_weights(X, eta, **options)
    assert w.shape == (2, got.shape[1], window[0], got.shape[2], window[1], 3)
    np.testing.assert_allclose(w.sum((2, 4)), jnp.ones(got.shape), rtol=1e-5)
    g = jax.grad(lambda x: lena_pool(x, eta, **options).sum())(jnp.asarray(X))
    np.testing.assert_allclose(g.sum(), got.size, rtol=1e-5)


def test_same_and_valid_padding_count_windows_as_usual():
    assert max_pool(X, window=3, strides=2).shape == (2, 2, 3, 3)
    assert max_pool(X, window=3, strides=2, padding="SAME").shape == (2, 3, 4, 3)
    np.testing.assert_allclose(lena_pool(X, 0.3, window=(5, 7))[:, 0, 0], lena_pool(X, 0.3), rtol=1e-5)


def test_ceil_is_the_caffe_layer_on_hand_worked_cases():
    x = jnp.array([4.0, 1.0, 3.0, 2.0]).reshape(1, 2, 2, 1)
    # N = 1 + ceil(mu * 3): 1, 2, 2, 3, 4 cells.
    for mu, want in [(0.0, 4.0), (0.1, 3.5), (1 / 3, 3.5), (0.5, 3.0), (1.0, 2.5)]:
        np.testing.assert_allclose(lena_pool(x, mu, rounding="ceil")[0, 0], want, rtol=1e-6)
    # The released training file: mu = 0.1 on 14x14 maps averages 21 of 196 cells.
    z = jnp.arange(196.0).reshape(1, 14, 14, 1)
    np.testing.assert_allclose(lena_pool(z, 0.1, rounding="ceil")[0, 0], np.arange(175, 196).mean(), rtol=1e-6)
    # Caffe's windows on 5 cells, kernel 2, stride 2: the third holds one cell.
    row = jnp.array([1.0, 2.0, 5.0, 3.0, 7.0]).reshape(1, 1, 5, 1)
    padding = caffe_padding((1, 5), (1, 2), (1, 2), (0, 0))
    got = lena_pool(row, 1.0, window=(1, 2), strides=(1, 2), padding=padding, rounding="ceil")
    np.testing.assert_allclose(got.ravel(), [1.5, 4.0, 7.0])
    assert caffe_padding((4,), (2,), (2,), (1,)) == ((1, 1),)


def test_any_axes():
    video = np.random.default_rng(1).standard_normal((2, 3, 4, 5, 6)).astype(np.float32)
    whole = lena_pool(video, 0.2, axis=(-4, -3, -2))
    np.testing.assert_allclose(whole, lena_pool(video.reshape(2, 12, 5, 6), 0.2), rtol=1e-6)
    for axis in [(-1,), (0, -1), (4, 2, 1)]:
        rest = [a for a in range(5) if a not in [b % 5 for b in axis]]
        moved = np.transpose(video, rest + [a for a in range(5) if a not in rest])
        want = lena_pool(moved.reshape([video.shape[a] for a in rest] + [-1, 1, 1]), 0.3)[..., 0]
        np.testing.assert_allclose(lena_pool(video, 0.3, axis=axis), want, rtol=1e-5, atol=1e-6)
        w = lena_weights(video, 0.3, axis=axis)
        np.testing.assert_allclose((w * video).sum(axis), want, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("eta", [0.3, [0.1, 0.5, 1.0], [[0.1, 0.5, 1.0], [0.0, 0.2, 0.3]], [[0.2], [0.7]]])
def test_shapes_of_eta(eta):
    n = 1 + np.broadcast_to(np.asarray(eta, np.float64), (2, 3)) * 34
    want = oracle.each_map(oracle.pool, X.reshape(2, 35, 3), n)
    np.testing.assert_allclose(lena_pool(X, jnp.asarray(eta)), want, rtol=1e-5, atol=1e-6)


def test_masked_cells_never_count():
    x = jnp.asarray(X).at[0, 3:].set(jnp.nan).at[1, :, 4:].set(jnp.inf)
    where = np.zeros((2, 5, 7, 1), bool)
    where[0, :3], where[1, :, :4] = True, True
    want = jnp.concatenate([lena_pool(X[:1, :3], 0.3), lena_pool(X[1:, :, :4], 0.3)])
    np.testing.assert_allclose(lena_pool(x, 0.3, where=where), want, rtol=1e-6)
    np.testing.assert_allclose(lena_pool(x, 0.3, where=where, method="sort"), want, rtol=1e-6)
    w = lena_weights(x, 0.3, where=where)
    assert np.all(w[0, 3:] == 0) and np.all(w[1, :, 4:] == 0)
    g = jax.grad(lambda x: lena_pool(x, 0.3, where=where).sum())(x)
    np.testing.assert_allclose(g, w)
    np.testing.assert_allclose(average_pool(x, where=where)[0], X[0, :3].mean((0, 1)), rtol=1e-5, atol=1e-6)


def test_map_without_a_valid_cell():
    where = np.ones((2, 5, 7, 1), bool)
    where[1] = False
    with pytest.raises(ValueError, match="valid cell"):
        lena_pool(X, 0.3, where=where)
    both = jax.jit(jax.value_and_grad(lambda x, w: lena_pool(x, 0.3, where=w).sum()))
    value, gradient = both(jnp.asarray(X), where)
    np.testing.assert_allclose(value, lena_pool(X[:1], 0.3).sum(), rtol=1e-5)
    assert np.all(gradient[1] == 0) and np.all(np.isfinite(gradient))
    assert np.all(jax.jit(lambda w: lena_weights(X, 0.3, where=w))(where)[1] == 0)


def test_top_n_counts_cells():
    want = -np.sort(-X.reshape(2, 35, 3), axis=1)[:, :4].mean(1)
    np.testing.assert_allclose(top_n_pool(X, 4), want, rtol=1e-6)
    np.testing.assert_allclose((top_n_weights(X, 4) > 0).sum((1, 2)), jnp.full((2, 3), 4))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: lena_pool(X, 1.5), r"eta must lie in \[0, 1\]: got .*1.5"),
        (lambda: lena_pool(X, float("nan")), "eta must lie"),
        (lambda: lena_pool(X, jnp.full((4,), 0.5)), r"got shape \(4,\), expected at most \(2, 3\)"),
        (lambda: lena_pool(X, 0.5, axis=(1, 4)), r"got \(1, 4\), expected axes in \[-4, 4\)"),
        (lambda: lena_pool(X, 0.5, axis=(1, -3)), "axis repeats"),
        (lambda: lena_pool(X, 0.5, axis=()), "axis"),
        (lambda: lena_pool(X, 0.5, window=(6, 2)), "got 6, expected at most 5"),
        (lambda: lena_pool(X, 0.5, window=(2,)), "got .*, expected 2"),
        (lambda: lena_pool(X, 0.5, window=2, padding="FULL"), "got 'FULL'"),
        (lambda: lena_pool(X, 0.5, window=2, padding=((2, 0), (0, 0))), "padding alone"),
        (lambda: lena_pool(X, 0.5, strides=2), "need a window"),
        (lambda: lena_pool(X.astype(np.int32), 0.5), "got int32, expected float32"),
        (lambda: lena_pool(X, 0.5, where=np.ones((5, 7))), "where must be boolean"),
        (lambda: lena_pool(X, 0.5, where=np.ones((4, 7, 1), bool)), "where must be boolean"),
        (lambda: lena_pool(X, 0.5, rounding="floor"), "got 'floor', expected one of"),
        (lambda: lena_pool(X, 0.5, method="topk"), "got 'topk', expected one of"),
        (lambda: lena_pool(X[:, :0], 0.5), "at least one element"),
        (lambda: top_n_pool(X, 36), "got 36, expected 1 to 35"),
        (lambda: top_n_pool(X, 0), "got 0, expected 1 to 35"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_imports_nothing_of_the_rest():
    code = (
        "import sys, lena_jax.pooling\n"
        "ours = [m.split('.') for m in sys.modules if m.split('.')[0] == 'lena_jax']\n"
        "rest = [m for m in ours if m[1:2] not in ([], ['pooling'])]\n"
        "sys.exit(str(rest) if rest or 'tensorflow' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
