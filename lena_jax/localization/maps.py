"""Maps computed from the network itself: the paper's virality map, the exact contribution map, the support map."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

Array = jax.Array | np.ndarray


def virality_map(feature_map: Array, kernel: Array) -> jax.Array:
    """Computes the class activation map `sum_c w_c * z_c`.

    Args:
        feature_map: [B, h, w, C]. Here and below, clips have [B, T, h, w, C], and their maps [B, T, h, w].
        kernel: [C], weights of the inner product.

    Returns:
        [B, h, w], raw and signed.

    Reference: Alameda-Pineda et al., CVPR 2017; Zhou et al., CVPR 2016.
    """
    return jnp.einsum("...c,c->...", feature_map.astype(jnp.float32), kernel, precision="highest")


def contribution_map(
    feature_map: Array, cell_weights: Array, kernel: Array, baseline: Array | None = None
) -> jax.Array:
    """Computes what each cell adds to the score, above a picture whose pooled features are the baseline `b_c`:

        `sum_c w_c * (a_ci * z_ci - b_c * |a_ci| / sum_j |a_cj|)`, which is `sum_c w_c * a_ci * (z_ci - b_c)` where the
        weights `a_ci` of a map are an average's.

    If the pooling's value is `p_c = sum_i a_ci * z_ci`, the map sums to `sum_c w_c * (p_c - b_c)`, the score minus the
    bias, up to rounding. Cells that lower the score are negative.

    Without a baseline, a feature that every picture has fills the map, though it makes no difference to their order.
    With the mean of many pictures, a cell counts for what sets it apart from them.

    Args:
        feature_map: [B, h, w, C].
        cell_weights: [B, h, w, C], from `SiameseRanker.cell_weights`.
        kernel: [C], weights of the inner product.
        baseline: [C] pooled features; None for zeros.

    Returns:
        [B, h, w], raw and signed.

    Example:
        >>> feature_map, averaging = jnp.ones((1, 1, 2, 3)), jnp.full((1, 1, 2, 3), 0.5)
        >>> contribution_map(feature_map, averaging, kernel=jnp.array([1.0, 2.0, -1.0])).tolist()
        [[[1.0, 1.0]]]
        >>> contribution_map(feature_map, averaging, jnp.array([1.0, 2.0, -1.0]), baseline=jnp.ones(3)).tolist()
        [[[0.0, 0.0]]]
    """
    weights = cell_weights.astype(jnp.float32)
    added = feature_map.astype(jnp.float32) * weights
    if baseline is not None:
        shares, cells = jnp.abs(weights), range(1, weights.ndim - 1)
        total = shares.sum(cells, keepdims=True)
        # WELDON's weights of a constant map may all be 0: then its baseline lies in all cells alike.
        even = 1 / math.prod(weights.shape[1:-1])
        shares = jnp.where(total > 0, shares / jnp.where(total > 0, total, 1), even)
        added = added - shares * jnp.asarray(baseline).reshape(*[1] * (weights.ndim - 1), -1)
    return virality_map(added, kernel)


def telling_frame(picture: Array, signed_map: Array) -> tuple[Array, Array]:
    """Selects the frame of a clip with the strongest map (largest sum of absolute values). Passes pictures through.

    Args:
        picture: [H, W, 3], or a clip [T, H, W, 3].
        signed_map: [h, w] or [T, h, w].

    Returns:
        (picture [H, W, 3], map [h, w]).
    """
    if picture.ndim == 3:
        return picture, signed_map
    frame = int(np.abs(signed_map).sum((1, 2)).argmax())
    return picture[frame], signed_map[frame]


def pair_contributions(contributions: Array, pairs: ArrayLike) -> jax.Array:
    """Computes what each cell of both pictures adds to `logit = score(left) - score(right)`.

    The result is the map of the left picture and the negated map of the right picture. In both, positive cells favour
    the left picture and negative cells the right. The bias of the score cancels, so the two maps of a pair sum to its
    logit, up to rounding.

    Args:
        contributions: [n, h, w], from `contribution_map`.
        pairs: [p, 2], indices of left and right.

    Returns:
        [p, 2, h, w], raw and signed.
    """
    signs = jnp.array([1.0, -1.0]).reshape(1, 2, *[1] * (contributions.ndim - 1))
    return contributions[jnp.asarray(pairs)] * signs


def support_map(cell_weights: Array, kernel: ArrayLike) -> jax.Array:
    """Computes which cells the pooling averaged, over all channels: `sum_c |w_c| weight_ci / sum_c |w_c|`.

    Each channel counts by how much it can change the score. The support of a single channel is where its weights,
    `cell_weights[..., c]`, are positive. Unlike a contribution map, a support map ignores the values in the cells and
    is never negative. If the weights of every channel sum to 1, so does the map. Each cell then holds its share of the
    averaging: 1 / (h w) for average pooling.

    Args:
        cell_weights: [B, h, w, C], from `SiameseRanker.cell_weights`.
        kernel: [C], weights of the inner product. If all are 0, channels count equally.

    Returns:
        [B, h, w].
    """
    strength = jnp.abs(jnp.asarray(kernel, jnp.float32))
    strength = jnp.where(strength.max() > 0, strength, 1)
    # Divide by the largest first, so that tiny weights do not underflow in the sum.
    strength = strength / strength.max()
    return virality_map(cell_weights, strength / strength.sum())
