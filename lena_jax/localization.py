"""Where in the picture the score comes from: the virality map of the paper and the exact contribution map."""

import jax
import jax.numpy as jnp


def virality_map(feature_map, kernel):
    """Class activation map `sum_c w_c * z_c`.

    Args:
        feature_map: [B, h, w, C].
        kernel: [C] weights of the inner product.

    Returns:
        [B, h, w], raw and signed.

    Reference: Alameda-Pineda et al., CVPR 2017; Zhou et al., CVPR 2016.
    """
    return jnp.einsum("bhwc,c->bhw", feature_map.astype(jnp.float32), kernel, precision="highest")


def contribution_map(feature_map, cell_weights, kernel):
    """What each cell adds to the score: `sum_c w_c * weight_ci * z_ci`.

    With the weights with which the pooling averages its cells, the map sums to `score - bias` up to rounding;
    parts that lower the score are negative.

    Args:
        feature_map: [B, h, w, C].
        cell_weights: [B, h, w, C], from `SiameseRanker.cell_weights`.
        kernel: [C] weights of the inner product.

    Returns:
        [B, h, w], raw and signed.
    """
    return virality_map(feature_map.astype(jnp.float32) * cell_weights.astype(jnp.float32), kernel)


def upsample(maps, height, width):
    """Enlarges maps [B, h, w] to [B, height, width] bilinearly, sign and level kept."""
    return jax.image.resize(maps, (maps.shape[0], height, width), "bilinear")
