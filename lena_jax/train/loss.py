"""The pairwise logistic loss on scores."""

import jax.numpy as jnp
import optax


def pair_logits(scores, pairs):
    """Return `logit = score(left) - score(right)`: scores [n], pairs [p, 2] of (left, right) -> [p]."""
    return scores[pairs[:, 0]] - scores[pairs[:, 1]]


def pairwise_logistic_loss(scores, pairs, label, weight):
    """Sum over pairs the weighted sigmoid cross-entropy against "left is more viral", and sum the weights.

    `loss_p = weight_p * (softplus(logit_p) - label_p * logit_p)`, `logit_p = score(left) - score(right)`. The two sums
    are returned separately, so that devices can add up theirs before dividing.

    Args:
        scores: [n] predicted scores.
        pairs: [p, 2] integers, indices of left and right.
        label: [p] in [0, 1], the chance that left is the more viral one; 1/2 for a tie.
        weight: [p]; 0 ignores a pair.

    Returns:
        (sum of the weighted losses, sum of the weights), scalars.
    """
    return jnp.sum(weight * optax.sigmoid_binary_cross_entropy(pair_logits(scores, pairs), label)), jnp.sum(weight)
