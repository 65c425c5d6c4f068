"""Count what pooling costs on a TPU or GPU that is not there, from the programs that XLA compiles for it.

    python experiments/benchmark_accelerators.py --device=v5e      # needs libtpu: pip install 'lena-jax[tpu]'
    python experiments/benchmark_accelerators.py --device=h100     # needs JAX's CUDA plugin, no driver
    python experiments/benchmark_accelerators.py --device=v4 --check

These are figures of compiled programs, not run times. A TPU's are thousands of instruction bundles (on v5e 1,500 take
about a microsecond; waiting for memory is not in it), a GPU's are launches; both come with the bytes of device memory
that are read and written, in sizes of the input. Each program is compiled in a process of its own.

`--check` compiles more and counts nothing: the value, the weights and the gradient of every pooling, scoring with
AlexNet, and AlexNet's training step. `make test-tpu` and `make test-gpu` do it for the newest and the oldest kind.
"""

import argparse
import functools
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TPUS = {"v4": "v4:1x1x1", "v5e": "v5e:1x1", "v5p": "v5p:1x1x1", "v6e": "v6e:1x1"}
GPUS = {path.stem: path for path in sorted((Path(__file__).parent / "targets").glob("*.textproto"))}
SHAPES = ((8, 14, 14, 512), (32, 7, 7, 1280), (64, 28, 28, 512), (256, 14, 14, 512))
PROGRAMS = ("mean", "LENA, portable", "LENA", "LENA, forward + backward")
DUMP = "--xla_jf_dump_to={} --xla_jf_dump_llo_text=true --xla_jf_dump_llo_pass_label_regex=.*(final_bundles|dedup).*"


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=[*TPUS, *GPUS], default="v5e", help="kind of device to compile for")
    parser.add_argument("--dtypes", default="float32,bfloat16", help="types, separated by commas")
    parser.add_argument("--shapes", help="B,H,W,C;B,H,W,C;... instead of the four shapes in the documentation")
    parser.add_argument("--check", action="store_true", help="compile everything for the device; count nothing")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # One program, as JSON: what the other processes compile.
    return parser.parse_args()


def open_device(name):
    """Return a device to compile for."""
    from jax.experimental import topologies

    if name in GPUS:
        target = GPUS[name].read_text()
        return topologies.get_topology_desc(platform="cuda", target_config=target, topology="1x1x1").devices[0]
    return topologies.get_topology_desc(
        platform="tpu", topology_name=TPUS[name], chips_per_host_bounds=(1, 1, 1)
    ).devices[0]


def compiled(device, function, *shapes):
    """Compile `function` for one device."""
    import jax

    here = jax.sharding.SingleDeviceSharding(device)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here), shapes)
    return jax.jit(function).lower(*shapes).compile()


def count_one(device, program, shape, dtype):
    """Compile one program and return what it costs."""
    import jax
    import jax.numpy as jnp
    from compiled_programs import bundles, traffic

    from lena_jax.pooling import lena_pool

    functions = {
        "mean": lambda x, eta: jnp.mean(x, (1, 2)),
        "LENA, portable": functools.partial(lena_pool, method="portable"),
        "LENA": lena_pool,
        "LENA, forward + backward": jax.value_and_grad(
            lambda x, eta: (lena_pool(x, eta).astype(jnp.float32) ** 2).sum(), (0, 1)
        ),
    }
    x, eta = jax.ShapeDtypeStruct(shape, dtype), jax.ShapeDtypeStruct(shape[-1:], jnp.float32)
    start = time.perf_counter()
    text = compiled(open_device(device), functions[program], x, eta).as_text()
    counted = {"seconds": time.perf_counter() - start, **traffic(text)}
    if device in TPUS:
        counted["bundles"] = bundles(os.environ["LENA_DUMP"], text)
    return counted


def in_a_process(device, program, shape, dtype):
    """`count_one` in a process of its own, since libtpu writes its schedules to one folder a process."""
    with tempfile.TemporaryDirectory() as dump:
        one = json.dumps([program, shape, dtype])
        environment = {**os.environ, "LIBTPU_INIT_ARGS": DUMP.format(dump), "LENA_DUMP": dump}
        command = [sys.executable, __file__, f"--device={device}", f"--one={one}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=1200)
    if done.returncode:
        sys.exit(
            f"{program} {shape} {dtype}: the compiler's process ended with {done.returncode}:\n{done.stderr[-2000:]}"
        )
    return json.loads(done.stdout.splitlines()[-1])


def print_table(device, shapes, dtypes):
    columns = ("bundles, thousands",) if device in TPUS else ("launches",)
    print(f"Compiled for {device}, not run. Read and written are in sizes of the input.\n")
    print(f"| shape | dtype | program | {columns[0]} | read | written | compile, s |")
    print("|---|---|---|---:|---:|---:|---:|")
    for shape in shapes:
        for dtype in dtypes:
            size = math.prod(shape) * {"float32": 4}.get(dtype, 2)
            for program in PROGRAMS:
                got = in_a_process(device, program, shape, dtype)
                cost = (
                    f"{got['bundles'] / 1000:,.{1 if got['bundles'] < 10_000 else 0}f}"
                    if device in TPUS
                    else f"{got['launches']}"
                )
                moved = " | ".join(f"{got.get(part, 0) / size:.2f}" for part in ("read", "written"))
                print(f"| {shape} | {dtype} | {program} | {cost} | {moved} | {got['seconds']:.0f} |", flush=True)


def programs_to_check():
    """Yield (label, function, shapes): the poolings, then scoring and training with AlexNet."""
    import jax
    import jax.numpy as jnp

    from lena_jax.config import default_config
    from lena_jax.models import ranker
    from lena_jax.pooling import POOLINGS, make_pooling
    from lena_jax.train.optimizer import make_optimizer
    from lena_jax.train.step import TrainState, make_train_step

    for name in POOLINGS:
        for dtype in (jnp.float32, jnp.bfloat16, jnp.float16):
            for options in ({}, {"window": 3, "strides": 2, "padding": "SAME"}):
                pool = make_pooling(name, **options, **({"n": 5.0} if name == "top_n" else {}))
                x = jax.ShapeDtypeStruct((8, 7, 7, 128), dtype)
                variables = jax.eval_shape(pool.init, jax.random.key(0), x)
                yield (
                    f"{name} {jnp.dtype(dtype).name} {'windows' if options else ''}",
                    _everything_of(pool),
                    (variables, x),
                )
    config = default_config()
    config.backbone.name = "alexnet"
    model = ranker.build(config)
    variables = model.abstract_variables()
    pictures = jax.ShapeDtypeStruct((16, config.image_size, config.image_size, 3), jnp.uint8)
    yield "scoring with AlexNet", model.score_pictures, (variables, pictures)
    optimizer = make_optimizer(config.optimizer, config.steps, variables["params"], model.backbone.stages)
    state = jax.eval_shape(lambda params: TrainState.create(params, optimizer), variables["params"])
    pairs = {"pairs": ((120, 2), jnp.int32), "label": ((120,), jnp.float32), "weight": ((120,), jnp.float32)}
    batch = {"inputs": pictures, **{name: jax.ShapeDtypeStruct(*one) for name, one in pairs.items()}}

    def score(params, statistics, carried, pictures):
        return model.score_pictures({**carried, "params": params}, pictures), statistics

    carried = {name: part for name, part in variables.items() if name != "params"}
    one_device = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape), leaf.dtype), (state, carried, batch))
    yield "AlexNet's training step", lambda device: make_train_step(score, optimizer, [device]), one_device


def _everything_of(pool):
    import jax
    import jax.numpy as jnp

    def everything(variables, x):
        gradient = jax.grad(lambda variables, x: pool.apply(variables, x).astype(jnp.float32).sum(), (0, 1))
        return pool.apply(variables, x), pool.apply(variables, x, method="weights"), gradient(variables, x)

    return everything


def check(name):
    device, failed = open_device(name), 0
    for label, function, shapes in programs_to_check():
        start = time.perf_counter()
        try:
            if label.endswith("step"):
                function(device).lower(*shapes).compile()
            else:
                compiled(device, function, *shapes)
            said = "ok"
        except Exception as error:  # noqa: BLE001
            failed += 1
            said = f"FAILS: {type(error).__name__}: {str(error).splitlines()[0][:200]}"
        print(f"{name}: {label.strip()}: {said}, {time.perf_counter() - start:.0f} s", flush=True)
    print(f"{name}: {failed} failed")
    return failed


def main():
    arguments = parse()
    # Read when JAX is imported.
    os.environ.update(JAX_PLATFORMS="cpu", TPU_SKIP_MDS_QUERY="1", ALLOW_MULTIPLE_LIBTPU_LOAD="1")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    if arguments.one:
        print(json.dumps(count_one(arguments.device, *json.loads(arguments.one))))
    elif arguments.check:
        sys.exit(check(arguments.device) > 0)
    else:
        shapes = (
            [tuple(map(int, one.split(","))) for one in arguments.shapes.split(";")] if arguments.shapes else SHAPES
        )
        print_table(arguments.device, shapes, arguments.dtypes.split(","))


if __name__ == "__main__":
    main()
