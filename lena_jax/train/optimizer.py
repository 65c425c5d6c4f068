"""The learning-rate schedule, and an Optax optimizer with its own rate for each kind of parameter.

There are two recipes. "adamw" with warm-up and cosine decay is the default. "sgd" with momentum and a step schedule is
the paper's (Alameda-Pineda et al., Viraliency, CVPR 2017: supplementary material and the authors' solver file).
"""

import jax
import optax

from lena_jax.backbones.registry import stage_of


def learning_rate(optimizer, steps):
    """Make the learning-rate schedule of the head.

    "cosine": linear warm-up over the share `warmup` of the steps, then half a cosine down to zero. "step": after the
    same warm-up, constant, but multiplied by `decay_factor` every `decay_every` steps.

    Args:
        optimizer: config with `learning_rate` (the peak), `schedule`, `warmup` (share of the steps, in [0, 1)),
            `decay_every` and `decay_factor`.
        steps: number of training steps.

    Returns:
        An Optax schedule: step (from 0) -> learning rate.

    Raises:
        ValueError: if the rate is not positive, `warmup` is outside [0, 1), the schedule is unknown, `decay_every` is
            below 1 or `decay_factor` is outside (0, 1].
    """
    peak = optimizer.learning_rate
    if peak <= 0 or not 0 <= optimizer.warmup < 1:
        raise ValueError(
            "optimizer.learning_rate must be positive and optimizer.warmup in [0, 1), got "
            f"{peak} and {optimizer.warmup}"
        )
    warmup = round(optimizer.warmup * steps)
    if optimizer.schedule == "cosine":
        return optax.schedules.warmup_cosine_decay_schedule(
            0.0 if warmup else peak, peak, warmup, max(steps, warmup + 1)
        )
    if optimizer.schedule != "step":
        raise ValueError(f"got optimizer.schedule {optimizer.schedule!r}, expected 'cosine' or 'step'")
    if optimizer.decay_every < 1 or not 0 < optimizer.decay_factor <= 1:
        raise ValueError(
            "optimizer.decay_every must be at least 1 and optimizer.decay_factor in (0, 1], got "
            f"{optimizer.decay_every} and {optimizer.decay_factor}"
        )
    decay = optax.schedules.exponential_decay(peak, optimizer.decay_every, optimizer.decay_factor, staircase=True)
    if not warmup:
        return decay
    # Count decay_every from the first step, not from the end of the warm-up.
    return optax.schedules.join_schedules(
        [optax.schedules.linear_schedule(0.0, peak, warmup), lambda step: decay(step + warmup)], [warmup]
    )


def make_optimizer(optimizer, steps, params, stages=()):
    """Make AdamW, or the paper's SGD, with gradient clipping and a rate for each kind of parameter.

    Weight decay applies to the kernels of the head and, multiplied by `backbone_decay`, to those of the backbone. It
    never applies to biases, norms or the pooling's parameters (LENA's eta). "adamw" decouples it: each step subtracts
    `rate * decay * w` from the kernel besides Adam's update. "sgd" follows Caffe: weight decay is added to the
    gradient, and the rate is inside the velocity, `v <- momentum * v + rate * (g + decay * w)`, `w <- w - v`. So when
    the rate drops, the accumulated velocity keeps its size.

    Args:
        optimizer: config with the keys of `learning_rate` and `rates`, `name` ("adamw" or "sgd"), `weight_decay`,
            `backbone_decay`, `clip_norm` (0: no clipping) and `momentum` (for "sgd").
        steps: number of training steps.
        params: {"head": ..., "pooling": ..., "backbone": ..., "gate": ...}, the parameters to train.
        stages: `Backbone.stages` of the backbone.

    Returns:
        An `optax.GradientTransformation`.

    Raises:
        ValueError: if the name is unknown, or `clip_norm`, a weight decay or `momentum` is out of range; see also
            `learning_rate` and `rates`.
    """
    schedule = learning_rate(optimizer, steps)
    for key in ("clip_norm", "weight_decay", "backbone_decay"):
        if optimizer[key] < 0:
            raise ValueError(f"optimizer.{key} must be at least 0, got {optimizer[key]}")
    if not 0 <= optimizer.momentum < 1:
        raise ValueError(f"optimizer.momentum must be in [0, 1), got {optimizer.momentum}")

    def decay_of(group, strength):
        # By name: a transformer's position embedding is a matrix, too.
        kernels = jax.tree_util.tree_map_with_path(
            lambda path, _: path[0].key == group and path[-1].key == "kernel", params
        )
        return optax.add_decayed_weights(strength, kernels)

    decay = optax.chain(
        decay_of("head", optimizer.weight_decay),
        decay_of("backbone", optimizer.weight_decay * optimizer.backbone_decay),
    )
    rated = [_times(rates(optimizer, params, stages)), optax.scale_by_learning_rate(schedule)]
    if optimizer.name == "adamw":
        steps_of = [optax.scale_by_adam(), decay, *rated]
    elif optimizer.name == "sgd":
        steps_of = [decay, *rated, optax.trace(optimizer.momentum)]
    else:
        raise ValueError(f"got optimizer.name {optimizer.name!r}, expected 'adamw' or 'sgd'")
    clip = [optax.clip_by_global_norm(optimizer.clip_norm)] if optimizer.clip_norm else []
    return optax.chain(*clip, *steps_of)


def rates(optimizer, params, stages=()):
    """Return the learning rate of each parameter as a factor on the schedule.

    The factor is 1 for the head, `pooling_rate` for the pooling and the gate of objectness, and `backbone_rate` for the
    backbone's last stage. Each earlier stage has `stage_decay` times the factor of the next one. Biases have
    `bias_rate` times the factor of their layer.

    Args:
        optimizer: config with these keys.
        params, stages: see `make_optimizer`.

    Returns:
        A pytree of floats with the structure of `params`.

    Raises:
        ValueError: if a rate is below 0, or `stage_decay` is outside (0, 1].
    """
    for key in ("backbone_rate", "pooling_rate", "bias_rate"):
        if optimizer[key] < 0:
            raise ValueError(f"optimizer.{key} must be at least 0, got {optimizer[key]}")
    if not 0 < optimizer.stage_decay <= 1:
        raise ValueError(f"optimizer.stage_decay must be in (0, 1], got {optimizer.stage_decay}")
    present = {stage_of(name) for name in params.get("backbone", {})}
    depth = {stage: number for number, stage in enumerate(reversed([s for s in stages if s in present]))}

    def rate(path, _):
        names = [entry.key for entry in path]
        kinds = {"head": 1.0, "backbone": optimizer.backbone_rate}
        value = kinds.get(names[0], optimizer.pooling_rate)
        if names[0] == "backbone":
            value *= optimizer.stage_decay ** depth.get(stage_of(names[1]), 0)
        return value * (optimizer.bias_rate if names[-1] in ("bias", "conv_bias") else 1.0)

    return jax.tree_util.tree_map_with_path(rate, params)


def _times(factors):
    """Multiply each update by its factor."""
    return optax.stateless(lambda updates, _: jax.tree.map(lambda update, factor: factor * update, updates, factors))
