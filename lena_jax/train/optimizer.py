"""Optax: the schedule, and one optimizer with a rate of its own for each kind of parameter.

Two recipes. "adamw" with a warm-up and a cosine is the default; "sgd" with momentum and a step schedule is the paper's
(Alameda-Pineda et al., Viraliency, CVPR 2017: supplementary material and the solver file of the authors).
"""

import jax
import optax

from lena_jax.backbones.registry import stage_of


def learning_rate(optimizer, steps):
    """The rate of the head over the steps.

    "cosine": linear warm-up over `warmup` of the steps, then a half cosine to zero. "step": after the warm-up constant,
    and times `decay_factor` every `decay_every` steps.

    Args:
        optimizer: config with `learning_rate` (the peak), `schedule`, `warmup` (share of the steps, in [0, 1)),
            `decay_every` and `decay_factor`.
        steps: number of training steps.

    Returns:
        An Optax schedule: step (from 0) -> learning rate.

    Raises:
        ValueError: for a rate that is not positive, a share outside [0, 1), an unknown schedule, a period below 1 or
            a factor outside (0, 1].
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
    # The decay counts from the first step on, not from the end of the warm-up.
    return optax.schedules.join_schedules(
        [optax.schedules.linear_schedule(0.0, peak, warmup), lambda step: decay(step + warmup)], [warmup]
    )


def make_optimizer(optimizer, steps, params, stages=()):
    """AdamW, or the paper's SGD, with gradient clipping and a rate for each kind of parameter.

    Weight decay applies to the kernels of the head and, times `backbone_decay`, of the trunk; never to biases, norms or
    what the pooling learns (LENA's eta). "adamw": decay times the rate is taken off the kernel, beside Adam's step.
    "sgd" as in Caffe: decay is added to the gradient, and the velocity is a sum of steps,
    `v <- momentum * v + rate * (g + decay * w)`, `w <- w - v`, so that a lower rate does not shorten the steps that are
    already under way.

    Args:
        optimizer: config with the keys of `learning_rate` and `rates`, `name` ("adamw" or "sgd"), `weight_decay`,
            `backbone_decay`, `clip_norm` (0: no clipping) and `momentum` (of "sgd").
        steps: number of training steps.
        params: {"head": ..., "pooling": ..., "backbone": ...}, those that are trained.
        stages: `Backbone.stages`.

    Returns:
        An `optax.GradientTransformation`.

    Raises:
        ValueError: as of `learning_rate` and `rates`, for an unknown name, and for a clipping, decay or momentum out
            of range.
    """
    schedule = learning_rate(optimizer, steps)
    for key in ("clip_norm", "weight_decay", "backbone_decay"):
        if optimizer[key] < 0:
            raise ValueError(f"optimizer.{key} must be at least 0, got {optimizer[key]}")
    if not 0 <= optimizer.momentum < 1:
        raise ValueError(f"optimizer.momentum must be in [0, 1), got {optimizer.momentum}")

    def decay_of(group, strength):
        kernels = {
            name: jax.tree.map(lambda leaf, name=name: name == group and leaf.ndim > 1, tree)
            for name, tree in params.items()
        }
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
    """The rate of each parameter as a multiple of the schedule's.

    The head has 1, the pooling `pooling_rate`, the trunk `backbone_rate`, times `stage_decay` for each stage between
    it and the trunk's last; biases have `bias_rate` times that.

    Args:
        optimizer: config with these keys.
        params, stages: as of `make_optimizer`.

    Returns:
        A pytree of floats with the structure of `params`.

    Raises:
        ValueError: for a rate below 0, or a `stage_decay` outside (0, 1].
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
        value = {"head": 1.0, "pooling": optimizer.pooling_rate, "backbone": optimizer.backbone_rate}[names[0]]
        if names[0] == "backbone":
            value *= optimizer.stage_decay ** depth.get(stage_of(names[1]), 0)
        return value * (optimizer.bias_rate if names[-1] in ("bias", "conv_bias") else 1.0)

    return jax.tree_util.tree_map_with_path(rate, params)


def _times(factors):
    """Multiplies each update by its constant."""
    return optax.stateless(lambda updates, _: jax.tree.map(lambda update, factor: factor * update, updates, factors))
