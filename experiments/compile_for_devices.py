"""Compile backbones for a TPU or a GPU without having one: memory, passes over it, seconds to compile.

    pip install "libtpu==0.0.42.*" requests
    python experiments/compile_for_devices.py --device=v5e --backbones=vit_base_patch16_224,convnext_tiny

    pip install --no-deps jax-cuda12-plugin==0.10.2 jax-cuda12-pjrt==0.10.2
    python experiments/compile_for_devices.py --device=cuda --target=h100.textproto

Prints a Markdown table with two rows per backbone: its forward pass from pictures to the feature map, and the training
step of a frozen backbone, from cached feature maps to updated parameters, with LENA and AdamW. "Arguments", "results"
and "temporary" are the memory that the compiled program reserves; "accessed" is what the compiler counts as read and
written, where it counts. Nothing runs, so there are no times but the compiler's.

`--target` is the description of a GPU that XLA's tools write (`GpuTargetConfigProto`). A TPU needs none, because its
compiler comes with `libtpu`. Each belongs to a version of JAX: these to 0.10.2.
"""

import os
import sys
import time
from pathlib import Path

# Read when JAX is imported.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")

from absl import app, flags

_TPUS = {"v4": "v4:1x1x1", "v5e": "v5e:1x1", "v5p": "v5p:1x1x1", "v6e": "v6e:1x1"}
# Without a GPU nothing can be tuned, and XLA's own matrix products have no default for every size: cuBLAS does them.
_OPTIONS = {"xla_gpu_enable_triton_gemm": False}
_DEVICE = flags.DEFINE_enum("device", "v5e", [*_TPUS, "cuda"], "kind of device to compile for")
_TARGET = flags.DEFINE_string("target", None, "for cuda: file with the description of the GPU")
_NAMES = flags.DEFINE_list("backbones", ["vit_base_patch16_224", "convnext_tiny"], "names of backbones")
_SIZE = flags.DEFINE_integer("size", 224, "height and width of the pictures", lower_bound=64)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "pictures per call", lower_bound=2)
_DTYPE = flags.DEFINE_enum("dtype", "bfloat16", ["float32", "bfloat16"], "type of the backbone's computation")


def open_device():
    """Return the device to compile for."""
    from jax.experimental import topologies

    if _DEVICE.value == "cuda":
        if _TARGET.value is None:
            raise app.UsageError("--device=cuda needs --target=FILE")
        return topologies.get_topology_desc(
            platform="cuda", target_config=Path(_TARGET.value).read_text(), topology="1x1x1"
        ).devices[0]
    name = _TPUS[_DEVICE.value]
    return topologies.get_topology_desc(platform="tpu", topology_name=name, chips_per_host_bounds=(1, 1, 1)).devices[0]


def programs(name, device):
    """Yield (label, a lowered program) for a backbone."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from lena_jax.config import default_config
    from lena_jax.models import ranker
    from lena_jax.train.optimizer import make_optimizer
    from lena_jax.train.step import TrainState, make_train_step

    config = default_config()
    config.backbone.name, config.image_size, config.dtype = name, _SIZE.value, _DTYPE.value
    model, batch = ranker.build(config), _BATCH_SIZE.value
    variables = model.abstract_variables()
    here = jax.sharding.SingleDeviceSharding(device)

    def on_device(tree):
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here), tree)

    pictures = jax.ShapeDtypeStruct((batch, _SIZE.value, _SIZE.value, 3), jnp.uint8)
    yield "forward", jax.jit(model.feature_map).lower(on_device(variables), on_device(pictures))

    # As a run's step has it: the first axis is that of the devices.
    params = {part: variables["params"][part] for part in ("pooling", "head")}
    optimizer = make_optimizer(config.optimizer, config.steps, params, model.backbone.stages)
    state = jax.eval_shape(lambda params: TrainState.create(params, optimizer), params)
    maps = model.abstract_feature_map()
    pairs = batch * (batch - 1) // 2
    inputs = {
        "inputs": jax.ShapeDtypeStruct((batch, *maps.shape[1:]), np.float16),
        "pairs": jax.ShapeDtypeStruct((pairs, 2), np.int32),
        "label": jax.ShapeDtypeStruct((pairs,), np.float32),
        "weight": jax.ShapeDtypeStruct((pairs,), np.float32),
    }
    step = make_train_step(
        lambda params, stats, carried, maps: (model.score({"params": params}, maps), stats), optimizer, [device]
    )
    state, inputs = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape), leaf.dtype), (state, inputs))
    yield "training step", step.lower(state, {"params": {}}, inputs)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"got {argv[1:]}, expected flags only")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    device = open_device()
    print(f"{_DEVICE.value}: {_BATCH_SIZE.value} pictures of {_SIZE.value} px, {_DTYPE.value}\n")
    print("| backbone | program | arguments, MB | results, MB | temporary, MB | accessed, MB | compile, s |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for name in _NAMES.value:
        for label, lowered in programs(name, device):
            start = time.perf_counter()
            compiled = lowered.compile(compiler_options=_OPTIONS if _DEVICE.value == "cuda" else None)
            seconds = time.perf_counter() - start
            memory = compiled.memory_analysis()
            costs = compiled.cost_analysis() or {}
            sizes = [memory.argument_size_in_bytes, memory.output_size_in_bytes, memory.temp_size_in_bytes]
            accessed = f"{costs['bytes accessed'] / 1e6:,.0f}" if "bytes accessed" in costs else "not counted"
            cells = [name, label, *(f"{size / 1e6:,.1f}" for size in sizes), accessed, f"{seconds:.0f}"]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    app.run(main)
