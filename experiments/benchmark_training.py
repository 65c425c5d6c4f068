"""Measure pictures per second of whole training steps: alone, with the input pipeline, and in PyTorch.

    python experiments/benchmark_training.py --config=experiments/configs/finetune.py \\
        --config.data.name=image_scores/photos

One process measures three things in interleaved rounds: steps on one batch that stays on the device; steps on batches
from the pipeline, with the cache of decoded pictures (`data.cache`) and without; and, where PyTorch is installed
(pip install '.[torch]'), steps on one batch of the same network in PyTorch (EfficientNet-Lite, BatchNorm with stored
statistics, LENA by sorting, all pairs of the batch, AdamW). Both use all threads of the machine.

The table has medians over rounds; the quartiles show how quiet the machine was. The ratio is the median of the ratios
within each round, with its own quartiles. The processor time per step depends less on other programs. The dataset must
have been built: its pictures are read.
"""

from lena_jax.runtime import signals

if __name__ == "__main__":
    signals.end_silently()  # Before what takes longer to import.

import itertools
import os
import statistics
import time

from absl import flags
from ml_collections import config_flags

from lena_jax.cli import scripts

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config file of the run, see experiments/configs/.")
_ROUNDS = flags.DEFINE_integer("rounds", 9, "Rounds, after one for warm-up.", lower_bound=1)
_STEPS = flags.DEFINE_integer("steps", 16, "Steps per round.", lower_bound=1)
flags.mark_flag_as_required("config")
_FILLED = 2.0  # Seconds for the pipelines to fill up.


def jax_runners(config):
    """Return {name: function that runs a number of steps and waits for them}."""
    import dataclasses

    import jax

    from lena_jax.data.input_pipeline import DrawBatch, batches
    from lena_jax.data.splits import open_pictures
    from lena_jax.data.transforms import Augmentation
    from lena_jax.models import ranker
    from lena_jax.train.inputs import make_inputs
    from lena_jax.train.optimizer import make_optimizer
    from lena_jax.train.step import TrainState, make_train_step, replicate, shard

    devices = jax.local_devices()
    model = ranker.build(config)
    variables = model.init(config.seed, config.backbone.pretrained, config.backbone.weights or None)
    pictures = open_pictures(config)
    augmentation = Augmentation(config.augmentation.crop, config.augmentation.flip)
    draw = DrawBatch(pictures["train"], config.batch_size, config.pairs.mode, config.pairs.min_gap, None)

    def runner(cache, fixed):
        config.data.cache = cache
        inputs = make_inputs(config, model, variables, pictures, augmentation)
        params = inputs.trained(variables)
        optimizer = make_optimizer(config.optimizer, config.steps, params, model.backbone.stages)
        step = make_train_step(inputs.score_for_training, optimizer, devices, config.accumulate)
        state = replicate(TrainState.create(params, optimizer), devices)
        carried = replicate(inputs.carried(variables), devices)
        stream = batches(dataclasses.replace(draw, fetch=inputs.fetch), steps=10**6, seed=0, workers=inputs.workers)
        stream = (shard(batch, len(devices)) for batch in stream)
        if fixed:
            stream = itertools.repeat(jax.device_put(next(stream)))

        def run(steps):
            nonlocal state
            for batch in itertools.islice(stream, steps):
                state, measures = step(state, carried, batch)
            jax.block_until_ready(measures)

        return run

    return {
        "JAX, the same batch every step": runner(True, True),
        "JAX, pipeline with `data.cache`": runner(True, False),
        "JAX, pipeline without `data.cache`": runner(False, False),
    }


def torch_runner(config):
    """Return the same step in PyTorch on one batch, or None if PyTorch or the network is missing."""
    try:
        import torch
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        return None
    if not config.backbone.name.startswith("efficientnet_lite") or config.backbone.endpoint not in ("", "head"):
        return None
    backbone = EfficientNet.from_name(config.backbone.name.replace("_", "-"), image_size=[config.image_size] * 2)
    backbone.eval()
    channels = 1280
    eta = torch.zeros(channels, requires_grad=True)
    head = torch.nn.Linear(channels, 1)
    optimizer = torch.optim.AdamW([*backbone.parameters(), eta, *head.parameters()], lr=1e-4)
    pictures = torch.rand(config.batch_size, 3, config.image_size, config.image_size) * 2 - 1
    left, right = torch.triu_indices(config.batch_size, config.batch_size, 1)
    label = (torch.rand(config.batch_size)[left] > torch.rand(config.batch_size)[right]).float()

    def run(steps):
        for _ in range(steps):
            maps = backbone.extract_features(pictures).flatten(2).sort(dim=2, descending=True).values
            support = 1 + torch.sigmoid(eta) * (maps.shape[2] - 1)
            mask = (support[:, None] - torch.arange(maps.shape[2])).clamp(0, 1)
            scores = head((maps * mask).sum(2) / support)[:, 0]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(scores[left] - scores[right], label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def main():
    config = _CONFIG.value
    if config.backbone.frozen:
        raise ValueError("expected a config that trains the whole network, got backbone.frozen=True")
    runners = jax_runners(config)
    if (in_torch := torch_runner(config)) is not None:
        runners["PyTorch, the same batch every step"] = in_torch
    for run in runners.values():
        run(3)  # Compiles, and lets every thread pool start.
    seconds = {name: [] for name in runners}
    cores = {name: [] for name in runners}
    for _ in range(_ROUNDS.value + 1):
        for name, run in runners.items():
            run(1)
            # The pipelines prepare batches ahead. Let them fill up before the clock starts.
            time.sleep(_FILLED)
            start, used = time.perf_counter(), time.process_time()
            run(_STEPS.value)
            seconds[name].append(time.perf_counter() - start)
            cores[name].append(time.process_time() - used)
    seconds, cores = ({name: values[1:] for name, values in each.items()} for each in (seconds, cores))
    reference = next(iter(seconds.values()))
    print(
        f"{config.backbone.name}, {config.image_size} px, batch {config.batch_size}, load before "
        f"{os.getloadavg()[0]:.1f}, {os.cpu_count()} cores\n"
    )
    print(
        "| training step | pictures/s | quartiles | ratio to the first row | quartiles | core-seconds per step |\n"
        "|---|---|---|---|---|---|"
    )
    for name, values in seconds.items():
        rate, ratio = (
            _quartiles(each)
            for each in (
                [_STEPS.value * config.batch_size / value for value in values],
                [first / value for first, value in zip(reference, values, strict=True)],
            )
        )
        print(
            f"| {name} | {rate[1]:.1f} | {rate[0]:.1f} to {rate[2]:.1f} | {ratio[1]:.3f} | {ratio[0]:.3f} to "
            f"{ratio[2]:.3f} | {statistics.median(cores[name]) / _STEPS.value:.3f} |"
        )


def _quartiles(values):
    return statistics.quantiles(values, n=4) if len(values) > 1 else values * 3


if __name__ == "__main__":
    scripts.run(main)
