"""Optax: the learning-rate schedule, and one AdamW with its own rate for the trunk, the pooling and the head."""

import jax
import optax


def learning_rate(optimizer, steps):
    """Linear warm-up, then cosine decay to zero.

    Args:
        optimizer: config with `learning_rate` (the peak) and `warmup` (share of the steps, in [0, 1)).
        steps: number of training steps.

    Returns:
        An Optax schedule: step -> learning rate of the head.

    Raises:
        ValueError: if the rate is not positive or the share is outside [0, 1).
    """
    if optimizer.learning_rate <= 0 or not 0 <= optimizer.warmup < 1:
        raise ValueError("optimizer.learning_rate must be positive and optimizer.warmup in [0, 1), got "
                         f"{optimizer.learning_rate} and {optimizer.warmup}")
    warmup = round(optimizer.warmup * steps)
    return optax.schedules.warmup_cosine_decay_schedule(
        0.0 if warmup else optimizer.learning_rate, optimizer.learning_rate, warmup, max(steps, warmup + 1))


def make_optimizer(optimizer, steps, params):
    """AdamW with gradient clipping.

    The rate is multiplied by `optimizer.backbone_rate` for the trunk and by `optimizer.pooling_rate` for what
    the pooling learns (LENA's eta). Weight decay applies to kernels of the trunk and the head; never to
    biases, norms or the pooling's parameters.

    Args:
        optimizer: config with `learning_rate`, `warmup`, `weight_decay`, `clip_norm`, `backbone_rate`,
            `pooling_rate`.
        steps: number of training steps.
        params: {"head": ..., "pooling": ..., "backbone": ...}, those that are trained.

    Returns:
        An `optax.GradientTransformation`.
    """
    schedule = learning_rate(optimizer, steps)

    def adamw(rate, decay):
        return optax.adamw(lambda step: rate * schedule(step), weight_decay=decay,
                           mask=lambda tree: jax.tree.map(lambda leaf: leaf.ndim > 1, tree))

    groups = {"head": adamw(1.0, optimizer.weight_decay), "pooling": adamw(optimizer.pooling_rate, 0.0),
              "backbone": adamw(optimizer.backbone_rate, optimizer.weight_decay)}
    labels = {name: jax.tree.map(lambda _, name=name: name, tree) for name, tree in params.items()}
    return optax.chain(optax.clip_by_global_norm(optimizer.clip_norm), optax.multi_transform(groups, labels))
