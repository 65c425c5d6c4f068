"""Maps read off the network itself: the virality map of the paper, the exact contribution map, the support map."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

Array = jax.Array | np.ndarray


def virality_map(feature_map: Array, kernel: Array) -> jax.Array:
    """Class activation map `sum_c w_c * z_c`.

    Args:
        feature_map: [B, h, w, C]; here and below, of clips [B, T, h, w, C], and so the maps.
        kernel: [C] weights of the inner product.

    Returns:
        [B, h, w], raw and signed.

    Reference: Alameda-Pineda et al., CVPR 2017; Zhou et al., CVPR 2016.
    """
    return jnp.einsum("...c,c->...", feature_map.astype(jnp.float32), kernel, precision="highest")


def contribution_map(feature_map: Array, cell_weights: Array, kernel: Array) -> jax.Array:
    """What each cell adds to the score: `sum_c w_c * weight_ci * z_ci`.

    With the weights with which the pooling averages its cells, the map sums to `score - bias` up to rounding;
    parts that lower the score are negative.

    Args:
        feature_map: [B, h, w, C].
        cell_weights: [B, h, w, C], from `SiameseRanker.cell_weights`.
        kernel: [C] weights of the inner product.

    Returns:
        [B, h, w], raw and signed.

    Example:
        >>> feature_map, averaging = jnp.ones((1, 1, 2, 3)), jnp.full((1, 1, 2, 3), 0.5)
        >>> contribution_map(feature_map, averaging, kernel=jnp.array([1.0, 2.0, -1.0])).tolist()
        [[[1.0, 1.0]]]
    """
    return virality_map(feature_map.astype(jnp.float32) * cell_weights.astype(jnp.float32), kernel)


def telling_frame(picture: Array, signed_map: Array) -> tuple[Array, Array]:
    """The frame of a clip of which its map says most, by the sum of absolute values; a picture as it is.

    Args:
        picture: [H, W, 3], or a clip, [T, H, W, 3].
        signed_map: [h, w] or [T, h, w].

    Returns:
        (picture [H, W, 3], map [h, w]).
    """
    if picture.ndim == 3:
        return picture, signed_map
    frame = int(np.abs(signed_map).sum((1, 2)).argmax())
    return picture[frame], signed_map[frame]


def pair_contributions(contributions: Array, pairs: ArrayLike) -> jax.Array:
    """Why this rather than that: what each cell of both pictures adds to `logit = score(left) - score(right)`.

    The map of the left picture as it is and that of the right one with its sign changed, on one scale: positive cells
    speak for the left picture and negative ones for the right, whichever picture they are in. The bias of the score
    cancels, so that the two maps of a pair together sum to its logit, up to rounding.

    Args:
        contributions: [n, h, w], of `contribution_map`.
        pairs: [p, 2] indices of left and right.

    Returns:
        [p, 2, h, w], raw and signed.
    """
    signs = jnp.array([1.0, -1.0]).reshape(1, 2, *[1] * (contributions.ndim - 1))
    return contributions[jnp.asarray(pairs)] * signs


def support_map(cell_weights: Array, kernel: ArrayLike) -> jax.Array:
    """Which cells the pooling averaged, over all channels: `sum_c |w_c| weight_ci / sum_c |w_c|`.

    Channels count by how much they can move the score. The support of a single channel is where its own weights,
    `cell_weights[..., c]`, are positive. Unlike a contribution map this one does not look at what the cells hold, is
    never negative, and sums to 1 where the weights of every channel do: a cell has the share of the averaging that
    fell on it, 1 / (h w) for average pooling.

    Args:
        cell_weights: [B, h, w, C], from `SiameseRanker.cell_weights`.
        kernel: [C] weights of the inner product; where all are 0 channels count alike.

    Returns:
        [B, h, w].
    """
    strength = jnp.abs(jnp.asarray(kernel, jnp.float32))
    strength = jnp.where(strength.max() > 0, strength, 1)
    # Divided by the largest first: tiny weights must not underflow in the sum.
    strength = strength / strength.max()
    return virality_map(cell_weights, strength / strength.sum())
