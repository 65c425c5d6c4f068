"""The siamese ranker: one backbone, one pooling and one inner product, applied to every picture of a batch of pairs.

A clip of T frames is a picture with one more axis, [T, H, W, 3]: the backbone sees its frames one by one, and the
pooling sees the cells of all of them.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from lena_jax.localization import average_to_grid

FUSIONS = ("none", "concat", "gate", "learned_gate")
CLIP_POOLINGS = ("joint", "frame_mean")
AXIS = "devices"  # Axis of the mapped training step; training's BatchNorm takes its statistics over it.


class EqualSpread(nn.Module):
    """Divide every pooled feature by its standard deviation over pictures: `p_c / s_c`.

    A pooled value spreads more the smaller its support. Without this division, a penalty on the head's weights falls
    less on channels with small supports, and the training loss pulls every support towards max pooling whatever the
    data say. The division follows the support, and gradients go through it.

    In training, `s_c` is that of the batch, over all devices of the training step. Otherwise it is the square root of
    the collection "spread", {"variance" [C]}: an average of the batches' variances, or, after `train.exact`, the
    variance over the training pictures at the learned supports. Channels that hardly vary are divided by `LEAST` of the
    mean deviation instead, so that they cannot blow up.

    Attributes:
        momentum: what is kept of the average when a batch comes.
    """

    momentum: float = 0.9

    @nn.compact
    def __call__(self, pooled, train=False):
        """Divide: pooled [B, C] float32 -> [B, C]. With `train`, the collection "spread" must be mutable."""
        kept = self.variable("spread", "variance", jnp.ones, (pooled.shape[-1],), jnp.float32)
        if not train:
            return pooled / deviation(kept.value)[None]
        mean = jax.lax.pmean(pooled.mean(0, keepdims=True), AXIS)
        variance = jax.lax.pmean(jnp.square(pooled - mean).mean(0), AXIS)
        kept.value = self.momentum * kept.value + (1 - self.momentum) * jax.lax.stop_gradient(variance)
        return pooled / deviation(variance)[None]


LEAST = 1e-3


def deviation(variance):
    """Return the standard deviations to divide by, [C] -> [C]: at least `LEAST` of their root mean square."""
    return jnp.sqrt(jnp.maximum(variance, LEAST**2 * variance.mean()) + 1e-30)


class SiameseRanker(nn.Module):
    """`score = w . pool(fuse(backbone(picture), objectness)) + b`; both pictures of a pair go through one batched call.

    A trained model may have the collection "baseline", {"pooled" [C]}, which is subtracted from what the pooling gives:
    `score = w . (pool(...) - baseline) + b`. See `Ranker.with_baseline`.

    Let `z_c` be the backbone's feature maps, and `o` in [0, 1] the picture's objectness map, averaged over the cells
    of their grid. The pooling sees, for each fusion:

    - "none": the C maps `z_c`.
    - "concat": the C + 1 maps `z_1, ..., z_C, o`. The last one is pooled like the others, with its own share `eta` and
      its own weight: the score rises or falls with the objectness, and LENA learns what share of its cells to average.
      Objectness is in [0, 1] and features may be larger, so its weight has farther to grow.
    - "gate": the C maps `o * z_c`, which shrinks features away from objects. If features are never negative (backbones
      that end in a ReLU), gated cells lie in [0, z_c], and LENA first takes cells that are strong and on an object. A
      support larger than the objects fills up with cells near zero, which lowers the mean. So a large object counts
      for more than a small one, and `eta` also sets by how much. The gate would raise a negative feature. A picture
      whose objectness is 0 everywhere gets the score `b`, whatever it shows.
    - "learned_gate": the C maps `(1 - g + g o) * z_c`, where `g = sigmoid(gate)` in (0, 1) is how far the gate closes,
      one number for the whole model, learned with it from 1/2. At 0 it is "none", at 1 it is "gate".

    Attributes:
        backbone: fully convolutional module, images [B, H, W, 3] -> feature map [B, h, w, C].
        pooling: module of `lena_jax.pooling`, maps [B, h, w, C] -> pooled [B, C].
        fusion: one of `FUSIONS`. Unless it is "none", the inputs are dicts with objectness maps [B, S, S] uint8:
            {"pictures", "objectness"} for the whole network, {"feature_map", "objectness"} after the backbone. Clips
            have no objectness maps.
        clip_pooling: how to pool the maps [B, T, h, w, C] of a clip, one of `CLIP_POOLINGS`. "joint" pools over space
            and time at once: the T h w cells of a channel are one map, so LENA's share is a share of the whole clip,
            and the cells of one frame may fill it. "frame_mean" pools each frame like a picture and averages the
            results, so the score of the clip is the mean of the scores of its frames. In both cases, a clip of one
            frame has the score of that picture.
        padded: whether images have a fourth channel, 1 where the picture lies and 0 beside it, as
            `data.transforms.resize` makes it with "pad". The backbone sees zeros beside the picture, as its
            convolutions do beyond an edge. Feature maps get one more channel, 1 for cells that lie mostly in the
            picture and 0 for others, which the pooling leaves out (its `where`).
        equal_spread: whether pooled features enter the inner product at equal standard deviation, see `EqualSpread`.

    Reference: Alameda-Pineda et al., Viraliency: Pooling Local Virality, CVPR 2017. As in the paper, the weights of the
    inner product start from N(0, 0.01). The paper found that objectness maps help; how they are made
    (`data_prep.objectness`) and fused here is ours.
    """

    backbone: nn.Module
    pooling: nn.Module
    fusion: str = "none"
    clip_pooling: str = "joint"
    equal_spread: bool = False
    padded: bool = False

    def setup(self):
        if self.equal_spread:
            self.spread = EqualSpread(name="spread")
        if self.fusion == "learned_gate":
            self.gate = self.param("gate", nn.initializers.zeros, ())
        self.head = nn.Dense(1, kernel_init=nn.initializers.normal(0.01), name="head")

    def __call__(self, inputs, batch_norm=False, train=False):
        """Score pictures: normalized images [B, H, W, 3] -> scores [B] float32; a higher score is more viral.

        With `batch_norm`, BatchNorm uses the batch's statistics, and `batch_stats` must be mutable. With `train`,
        `EqualSpread` does, and `spread` must be mutable.
        """
        if self.fusion == "none":
            return self.score(self.feature_map(inputs, batch_norm), train)
        return self.score(
            {"feature_map": self.feature_map(inputs["pictures"], batch_norm), "objectness": inputs["objectness"]}, train
        )

    def feature_map(self, images, batch_norm=False):
        """Run the backbone alone: normalized images [B, H, W, 3] -> feature map [B, h, w, C].

        Clips [B, T, H, W, 3] give [B, T, h, w, C].
        """
        if images.ndim == 5:
            maps = self.feature_map(images.reshape(-1, *images.shape[2:]), batch_norm)
            return maps.reshape(*images.shape[:2], *maps.shape[1:])
        if not self.padded:
            return self.backbone(images, batch_norm)
        there = images[..., 3]
        maps = self.backbone(images[..., :3] * there[..., None], batch_norm)
        inside = average_to_grid(there, *maps.shape[1:3])
        # A very narrow picture may fill no cell by half: the fullest cells count.
        inside = inside >= jnp.minimum(0.5, inside.max((1, 2), keepdims=True))
        return jnp.concatenate([maps, inside[..., None].astype(maps.dtype)], -1)

    def fused(self, inputs):
        """Fuse feature map [B, h, w, C] and objectness, if any -> maps to pool [B, h, w, C], C + 1 for "concat"."""
        if self.fusion == "none":
            return inputs[..., :-1] if self.padded else inputs
        feature_map = inputs["feature_map"]
        grid = objectness_grid(inputs["objectness"], *feature_map.shape[1:3])[..., None].astype(feature_map.dtype)
        if self.fusion == "concat":
            return jnp.concatenate([feature_map, grid], -1)
        if self.fusion == "learned_gate":
            closed = jax.nn.sigmoid(self.gate).astype(feature_map.dtype)
            grid = 1 - closed + closed * grid
        return feature_map * grid

    def inside(self, inputs):
        """Return which cells lie in the picture, booleans [B, h, w, 1] or [B, T, h, w, 1]; None if all do."""
        return inputs[..., -1:] > 0.5 if self.padded else None

    def score(self, inputs, train=False):
        """Fuse, pool and score: feature map [B, h, w, C] or [B, T, h, w, C], with objectness if fused -> scores [B]."""
        return self.score_and_pool(inputs, train)[0]

    def score_and_pool(self, inputs, train=False):
        """Return (what `score` returns, what `pooled` returns)."""
        pooled = self.pooled(inputs)
        has_baseline = self.has_variable("baseline", "pooled")
        above = pooled - self.get_variable("baseline", "pooled")[None] if has_baseline else pooled
        return self.head(self.spread(above, train) if self.equal_spread else above)[:, 0], pooled

    def pooled(self, inputs):
        """Fuse and pool, as in `score` -> pooled features [B, C] float32."""
        maps, where = self.fused(inputs), self.inside(inputs)
        if maps.ndim == 4:
            pooled = self.pooling(maps, where)
        elif self.clip_pooling == "joint":
            pooled = self.pooling(side_by_side(maps), side_by_side(where))
        else:
            pooled = self.pooling(maps, where).mean(1)
        return pooled.astype(jnp.float32)

    def cell_weights(self, inputs):
        """Return the pooling's weight of each cell, in the shape of `fused`; they sum to 1 per map, or per clip."""
        maps, where = self.fused(inputs), self.inside(inputs)
        if maps.ndim == 4:
            return self.pooling.weights(maps, where)
        if self.clip_pooling == "joint":
            return self.pooling.weights(side_by_side(maps), side_by_side(where)).reshape(maps.shape)
        return self.pooling.weights(maps, where) / maps.shape[1]


def side_by_side(maps):
    """Join the frames of a clip into one map, one below the other: [B, T, h, w, C] -> [B, T h, w, C]; None stays.

    Poolings ignore where a cell lies, so pooling this map pools over the clip's axes (-4, -3, -2).
    """
    return None if maps is None else maps.reshape(maps.shape[0], -1, *maps.shape[3:])


def objectness_grid(maps, h, w):
    """Average objectness maps over the cells of a grid.

    Args:
        maps: [B, H, W]; uint8 is divided by 255, floating point is used as it is.
        h, w: height and width of the grid, Python integers; they need not divide H and W.

    Returns:
        [B, h, w] float32; in [0, 1] for uint8 maps.

    Raises:
        ValueError: if the shape or type is another, or the grid is empty.
    """
    if maps.ndim != 3 or not (maps.dtype == np.uint8 or jnp.issubdtype(maps.dtype, jnp.floating)):
        raise ValueError(f"got maps {maps.shape} {maps.dtype}, expected [B, H, W] uint8 or floating point")
    if min(h, w) < 1:
        raise ValueError(f"got a grid of {h} x {w} cells, expected at least 1 x 1")
    averaged = average_to_grid(maps, h, w)
    # Rounding may give a value just above 255.
    return jnp.clip(averaged / 255, 0, 1) if maps.dtype == np.uint8 else averaged
