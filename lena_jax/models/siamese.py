"""The siamese ranker: one trunk, one pooling and one inner product, applied to every picture of a batch of pairs.

A clip of T frames is a picture with one more axis, [T, H, W, 3]: the trunk sees its frames one by one, and what is
pooled are the cells of all of them.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from lena_jax.localization import average_to_grid

FUSIONS = ("none", "concat", "gate")
CLIP_POOLINGS = ("joint", "frame_mean")
AXIS = "devices"  # Of the mapped training step; BatchNorm in training takes its statistics over it.


class SiameseRanker(nn.Module):
    """`score = w . pool(fuse(trunk(picture), objectness)) + b`; both branches are one call on the stacked batch.

    With `z_c` the trunk's feature maps and `o` in [0, 1] the picture's objectness map, averaged over the cells of the
    trunk's grid, what is pooled is:

    - "none": the C maps `z_c`.
    - "concat": the C + 1 maps `z_1, ..., z_C, o`. The last one is pooled like the others, with a share `eta` and a
      weight of its own: the score rises or falls with how surely the picture shows an object, and LENA learns over how
      much of it. It is in [0, 1] while features may be larger, so its weight has a longer way to go.
    - "gate": the C maps `o * z_c`. It shrinks what lies off the objects. For features that are never negative (trunks
      that end in a ReLU) gated cells lie in [0, z_c], so the cells that LENA takes first are those that are strong and
      on an object; a support that is larger than the objects is filled up with (almost) zeros, which lowers the mean,
      so that a large object counts for more than a small one and `eta` also decides by how much. A negative feature
      would be raised by the gate. A picture whose map is 0 everywhere has the score `b`, whatever it shows.

    Attributes:
        backbone: fully convolutional trunk, images [B, H, W, 3] -> feature map [B, h, w, C].
        pooling: module of `lena_jax.pooling`, maps [B, h, w, C] -> pooled [B, C].
        fusion: one of `FUSIONS`. But for "none", objectness maps [B, S, S] uint8 come with the pictures: the inputs
            are dicts, {"pictures", "objectness"} of the whole network and {"feature_map", "objectness"} behind the
            trunk. Clips have no objectness maps.
        clip_pooling: how the maps [B, T, h, w, C] of a clip are pooled, one of `CLIP_POOLINGS`. "joint": over space and
            time at once, the T h w cells of a channel being one map; LENA's share is then one of the whole clip, and
            cells of one frame may have all of it. "frame_mean": each frame by itself, as a still, and the mean of
            them; the score of the clip is then the mean of the scores of its frames. A clip of one frame has the score
            of that picture either way.

    Reference: Alameda-Pineda et al., Viraliency: Pooling Local Virality, CVPR 2017; the inner product starts
    N(0, 0.01) as there. That objectness maps help is a finding of the paper; how they are made (`data_prep.objectness`)
    and fused is ours.
    """

    backbone: nn.Module
    pooling: nn.Module
    fusion: str = "none"
    clip_pooling: str = "joint"

    def setup(self):
        self.head = nn.Dense(1, kernel_init=nn.initializers.normal(0.01), name="head")

    def __call__(self, inputs, train=False):
        """Scores pictures: normalised images [B, H, W, 3] -> scores [B] float32, higher is more viral.

        `train`: BatchNorm by the batch's statistics; `batch_stats` must be mutable.
        """
        if self.fusion == "none":
            return self.score(self.feature_map(inputs, train))
        return self.score(
            {"feature_map": self.feature_map(inputs["pictures"], train), "objectness": inputs["objectness"]}
        )

    def feature_map(self, images, train=False):
        """Runs the trunk alone: normalised images [B, H, W, 3] -> feature map [B, h, w, C].

        Clips [B, T, H, W, 3] -> [B, T, h, w, C].
        """
        if images.ndim == 4:
            return self.backbone(images, train)
        maps = self.backbone(images.reshape(-1, *images.shape[2:]), train)
        return maps.reshape(*images.shape[:2], *maps.shape[1:])

    def fused(self, inputs):
        """The maps that are pooled: feature map [B, h, w, C], with objectness -> [B, h, w, C], of "concat" C + 1."""
        if self.fusion == "none":
            return inputs
        feature_map = inputs["feature_map"]
        grid = objectness_grid(inputs["objectness"], *feature_map.shape[1:3])[..., None].astype(feature_map.dtype)
        return jnp.concatenate([feature_map, grid], -1) if self.fusion == "concat" else feature_map * grid

    def score(self, inputs):
        """Pools and scores: feature map [B, h, w, C] or [B, T, h, w, C], with objectness -> scores [B] float32."""
        maps = self.fused(inputs)
        if maps.ndim == 4:
            pooled = self.pooling(maps)
        elif self.clip_pooling == "joint":
            pooled = self.pooling(_side_by_side(maps))
        else:
            pooled = self.pooling(maps).mean(1)
        return self.head(pooled.astype(jnp.float32))[:, 0]

    def cell_weights(self, inputs):
        """Weights with which the pooling averages the cells, in the shape of `fused`, summing to 1 per map or clip."""
        maps = self.fused(inputs)
        if maps.ndim == 4:
            return self.pooling.weights(maps)
        if self.clip_pooling == "joint":
            return self.pooling.weights(_side_by_side(maps)).reshape(maps.shape)
        return self.pooling.weights(maps) / maps.shape[1]


def _side_by_side(maps):
    """The frames of a clip as one map, one below the other: [B, T, h, w, C] -> [B, T h, w, C].

    What is pooled so is pooled over the axes (-4, -3, -2) of the clip: poolings do not look where a cell lies.
    """
    return maps.reshape(maps.shape[0], -1, *maps.shape[3:])


def objectness_grid(maps, h, w):
    """Objectness maps averaged over the cells of a grid.

    Args:
        maps: [B, H, W]; uint8, of which 255 becomes 1, or floating point, used as it is.
        h, w: of the grid, Python integers; they need not divide H and W.

    Returns:
        [B, h, w] float32; of uint8 in [0, 1].

    Raises:
        ValueError: for another shape or type, or a grid without a cell.
    """
    if maps.ndim != 3 or not (maps.dtype == np.uint8 or jnp.issubdtype(maps.dtype, jnp.floating)):
        raise ValueError(f"got maps {maps.shape} {maps.dtype}, expected [B, H, W] uint8 or floating point")
    if min(h, w) < 1:
        raise ValueError(f"got a grid of {h} x {w} cells, expected at least 1 x 1")
    averaged = average_to_grid(maps, h, w)
    # Rounding may end a little above 255.
    return jnp.clip(averaged / 255, 0, 1) if maps.dtype == np.uint8 else averaged
