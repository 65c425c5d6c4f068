"""The siamese ranker: one trunk, one pooling and one inner product, applied to every picture of a batch of pairs."""

import flax.linen as nn
import jax.numpy as jnp
import optax


class SiameseRanker(nn.Module):
    """`score = w . pool(trunk(picture)) + b`; both branches are one call on the stacked batch.

    Attributes:
        backbone: fully convolutional trunk, images [B, H, W, 3] -> feature map [B, h, w, C].
        pooling: module of `lena_jax.pooling`, feature map [B, h, w, C] -> pooled [B, C].

    Reference: Alameda-Pineda et al., Viraliency: Pooling Local Virality, CVPR 2017; the inner product starts
    N(0, 0.01) as there.
    """

    backbone: nn.Module
    pooling: nn.Module

    def setup(self):
        self.head = nn.Dense(1, kernel_init=nn.initializers.normal(0.01), name="head")

    def __call__(self, images, train=False):
        """Scores pictures: normalised images [B, H, W, 3] -> scores [B] float32, higher is more viral.

        `train`: BatchNorm by the batch's statistics; `batch_stats` must be mutable.
        """
        return self.score(self.feature_map(images, train))

    def feature_map(self, images, train=False):
        """Runs the trunk alone: normalised images [B, H, W, 3] -> feature map [B, h, w, C]."""
        return self.backbone(images, train)

    def score(self, feature_map):
        """Pools and scores: feature map [B, h, w, C] -> scores [B] float32."""
        return self.head(self.pooling(feature_map).astype(jnp.float32))[:, 0]

    def cell_weights(self, feature_map):
        """Weights with which the pooling averages the cells: [B, h, w, C] -> [B, h, w, C], summing to 1 per map."""
        return self.pooling.weights(feature_map)


def pair_logits(scores, pairs):
    """`logit = score(left) - score(right)`: scores [n], pairs [p, 2] of (left, right) -> [p]."""
    return scores[pairs[:, 0]] - scores[pairs[:, 1]]


def pairwise_logistic_loss(scores, pairs, label, weight):
    """Sum over pairs of the sigmoid cross-entropy against "left is the more viral", and the sum of the weights.

    `loss_p = weight_p * (softplus(logit_p) - label_p * logit_p)`, `logit_p = score(left) - score(right)`. The
    two sums are returned apart so that devices can add theirs before the division.

    Args:
        scores: [n] predicted scores.
        pairs: [p, 2] integers, indices of left and right.
        label: [p] in {0, 1/2, 1}; 1/2 is a tie.
        weight: [p], 0 for a pair that does not count.

    Returns:
        (sum of the weighted losses, sum of the weights), scalars.
    """
    return jnp.sum(weight * optax.sigmoid_binary_cross_entropy(pair_logits(scores, pairs), label)), jnp.sum(weight)
