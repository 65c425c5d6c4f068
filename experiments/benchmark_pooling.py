"""Time every pooling against average pooling: forward, forward and backward, compilation, memory.

    python experiments/benchmark_pooling.py --json=pooling.json
    python experiments/benchmark_pooling.py --windows

One process measures everything in interleaved rounds, so that other load on the machine affects all poolings alike.
Ratios are of medians within the run; the quartiles show how far to trust them. `--threads=1` keeps XLA, PyTorch and the
priority queue on one core, which is the fairest comparison on a shared machine. Peers (torch.sort and torch.topk of all
cells) are measured where PyTorch is installed. The priority queue is that of the published Caffe layer, in plain
Python, timed on a few maps and scaled up. On a GPU, times are those of the kernels themselves, as CUDA's profiling
interface counts them, beside the number of kernels, the bandwidth of a copy, and the share of it that a pooling
reaches if it reads its input once. --windows times LENA in windows instead, per cell that a window reads, as a multiple
of what a cell costs in global pooling.
"""

import argparse
import functools
import heapq
import json
import os
import statistics
import sys
import time

SHAPES = ((8, 14, 14, 512), (32, 7, 7, 1280), (4, 28, 28, 512), (2, 56, 56, 256), (1, 112, 112, 64))


# Windows of LENA in maps of the first shape.
WINDOWS = (
    {"window": 7},
    {"window": 2},
    {"window": 3, "strides": 2},
    {"window": 3, "strides": 1, "padding": "SAME"},
    {"window": 7, "strides": 1, "padding": "SAME"},
)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", help="file to write the measurements to")
    parser.add_argument("--rounds", type=int, default=10, help="rounds of five calls, three of which are timed")
    parser.add_argument("--threads", type=int, help="pin the process to this many cores")
    parser.add_argument("--shapes", help="B,H,W,C;B,H,W,C;... instead of the five shapes in the documentation")
    parser.add_argument(
        "--dtypes", default="float32,bfloat16", help="types, separated by commas (default: %(default)s)"
    )
    parser.add_argument(
        "--data", default="gaussian,relu", help="kinds of data, separated by commas (default: %(default)s)"
    )
    parser.add_argument("--only", help="poolings to time, separated by commas; average is always included")
    parser.add_argument("--windows", action="store_true", help="time windows of LENA instead, per cell that they read")
    return parser.parse_args()


def functions(channels):
    """Return {name: function of a batch of maps}. Learned values vary over the channels."""
    import jax
    import jax.numpy as jnp

    from lena_jax import pooling

    eta = jnp.linspace(0.02, 0.98, channels)
    sharp = jnp.linspace(1.0, 5.0, channels)
    portable = {"lena (portable)": lambda x: pooling.lena_pool(x, eta, method="portable")}
    return {
        "average": lambda x: jnp.mean(x, axis=(1, 2)),
        "lena": lambda x: pooling.lena_pool(x, eta),
        **(portable if jax.default_backend() == "gpu" else {}),
        "lena (sort)": lambda x: pooling.lena_pool(x, eta, method="sort"),
        "max": pooling.max_pool,
        "top_n (20)": lambda x: pooling.top_n_pool(x, 20),
        "gem": lambda x: pooling.gem_pool(x, sharp),
        "lse": lambda x: pooling.lse_pool(x, sharp),
        "softmax": lambda x: pooling.softmax_pool(x, sharp),
        "weldon (5, 5)": lambda x: pooling.weldon_pool(x, 5, 5),
    }


def peers(x):
    """Return torch.sort and torch.topk over all cells of the same data, or {} without PyTorch."""
    try:
        import torch
    except ImportError:
        return {}
    maps = torch.from_numpy(x.reshape(x.shape[0], -1, x.shape[-1]).copy())
    maps = maps.transpose(1, 2).contiguous()  # Cells last is PyTorch's faster layout here.
    return {
        "torch.sort": lambda: torch.sort(maps, dim=-1, descending=True),
        "torch.topk": lambda: torch.topk(maps, maps.shape[-1], dim=-1),
    }


def queue_ms(x, share=0.1, maps=4):
    """Time the published layer's method, a priority queue per map, in milliseconds; scale up from a few maps."""
    cells = x.astype("float32").reshape(x.shape[0], -1, x.shape[-1])
    n = 1 + int(-(-share * (cells.shape[1] - 1) // 1))
    columns = [cells[0, :, c].tolist() for c in range(min(maps, cells.shape[2]))]
    start = time.perf_counter()
    for column in columns:
        sum(heapq.nlargest(n, column)) / n
    return (time.perf_counter() - start) / len(columns) * cells.shape[0] * cells.shape[2] * 1e3


def compiled(function, *args):
    import jax

    lowered = jax.jit(function).lower(*args)
    start = time.perf_counter()
    executable = lowered.compile()
    seconds = time.perf_counter() - start
    memory = executable.memory_analysis()
    extra = getattr(memory, "temp_size_in_bytes", None)
    return functools.partial(executable, *args), seconds, extra


def kernel_times(call, rounds):
    """Return the milliseconds that a call spends in a GPU's kernels, once for each round, and how many they are."""
    from jax.experimental.mosaic.gpu import profiler

    function, *args = call.func, *call.args
    runs = profiler.measure(function, aggregate=False, iterations=rounds)(*args)[1]
    return [sum(each for _, each in run) for run in runs], len(runs[0])


def interleaved(calls, rounds):
    """Time calls in turns with warm caches; return median, quartiles and minimum of each in milliseconds."""
    import jax

    if jax.default_backend() == "gpu":
        return {name: summary(*kernel_times(call, max(3 * rounds, 2))) for name, call in calls.items()}
    times = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            # The first calls warm the caches, which the other functions have emptied.
            for again in range(5):
                start = time.perf_counter()
                jax.block_until_ready(call())
                if again > 1:
                    times[name].append((time.perf_counter() - start) * 1e3)
    return {name: summary(each) for name, each in times.items()}


def summary(times, kernels=None):
    low, median, high = statistics.quantiles(times, n=4)
    row = {"median_ms": median, "quartiles_ms": [low, high], "min_ms": min(times)}
    return row if kernels is None else {**row, "kernels": kernels}


def measure(shape, dtype, data, args):
    """Measure a block of the table: all functions on one kind of data."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    x = jax.random.normal(jax.random.key(0), shape, jnp.float32)
    x = (jnp.maximum(x, 0) if data == "relu" else x).astype(dtype)
    upstream = jax.random.normal(jax.random.key(1), (shape[0], shape[-1]), jnp.float32)

    def with_gradient(f, x):
        return jax.value_and_grad(lambda x: jnp.sum(f(x).astype(jnp.float32) * upstream))(x)

    chosen = functions(shape[-1])
    if args.only:
        chosen = {n: f for n, f in chosen.items() if n == "average" or n in args.only.split(",")}
    forward, both, rows = {}, {}, {}
    for name, f in chosen.items():
        forward[name], seconds, extra = compiled(f, x)
        both[name], seconds_both, extra_both = compiled(functools.partial(with_gradient, f), x)
        rows[name] = {
            "compile_s": seconds,
            "compile_both_s": seconds_both,
            "temporary_bytes": extra,
            "temporary_both_bytes": extra_both,
        }
    others = peers(np.asarray(x)) if dtype == "float32" and jax.default_backend() != "gpu" else {}
    for kind, calls in (("forward", {**forward, **others}), ("both", both)):
        slow = {n: call for n, call in calls.items() if n in others or "sort" in n}
        quick = {n: call for n, call in calls.items() if n not in slow}
        taken = {**interleaved(quick, args.rounds), **(interleaved(slow, max(args.rounds // 10, 1)) if slow else {})}
        for name, row in taken.items():
            rows.setdefault(name, {})[kind] = row
    if dtype == "float32" and jax.default_backend() != "gpu":
        rows["priority queue"] = {"forward": {"median_ms": queue_ms(np.asarray(x))}}
    for row in rows.values():
        for kind in ("forward", "both"):
            if kind in row:
                base = rows["average"][kind]["median_ms"]
                row[kind]["ratio"] = row[kind]["median_ms"] / base
    return rows


def windows(rounds):
    """Print what a cell costs in windows of LENA, as a multiple of what it costs in global pooling."""
    import jax
    import jax.numpy as jnp

    from lena_jax.pooling import lena_pool

    x = jax.nn.relu(jax.random.normal(jax.random.key(0), SHAPES[0]))
    eta = jnp.linspace(0.02, 0.98, SHAPES[0][-1])
    forward, both, cells = {}, {}, {}
    for options in ({}, *WINDOWS):
        name = ", ".join(f"{key}={value!r}" for key, value in options.items()) or "global"
        pool = functools.partial(lena_pool, **options)
        read = options["window"] ** 2 if options else SHAPES[0][1] * SHAPES[0][2]
        cells[name] = read * jax.eval_shape(pool, x, eta).size
        forward[name] = compiled(pool, x, eta)[0]
        gradient = jax.value_and_grad(lambda x, eta, pool=pool: jnp.square(pool(x, eta)).sum(), (0, 1))
        both[name] = compiled(gradient, x, eta)[0]
    taken = [interleaved(calls, rounds) for calls in (forward, both)]
    print(f"{'windows of LENA, ' + str(SHAPES[0]):44}{'forward':>10}{'per cell':>10}{'fwd+bwd':>10}{'per cell':>10}")
    for name in cells:
        line = f"{name:44}"
        for times in taken:
            ms, whole = times[name]["median_ms"], times["global"]["median_ms"]
            line += f"{ms:8.3f}ms{ms / cells[name] * cells['global'] / whole:10.2f}"
        print(line, flush=True)


def copy_bandwidth():
    """Measure the bandwidth of a large copy on a GPU in GB/s; return None elsewhere."""
    import jax
    import jax.numpy as jnp

    if jax.default_backend() != "gpu":
        return None
    x = jnp.ones((2**27,), jnp.float32)
    row = interleaved({"copy": functools.partial(jax.jit(lambda x: x + 1), x)}, 7)["copy"]
    return 2 * x.nbytes / row["median_ms"] / 1e6


def report(title, rows, bandwidth, nbytes):
    print(f"\n{title}")
    print(f"{'pooling':16}{'forward':>10}{'ratio':>8}{'fwd+bwd':>10}{'ratio':>8}{'compile':>12}{'extra MB':>14}")
    for name, row in rows.items():
        forward, both = row["forward"], row.get("both")
        line = f"{name:16}{forward['median_ms']:8.3f}ms{forward['ratio']:8.1f}"
        if both:
            line += f"{both['median_ms']:8.3f}ms{both['ratio']:8.1f}"
            line += f"{row['compile_s']:6.1f}+{row['compile_both_s']:.1f}s"
            if row["temporary_bytes"] is not None:
                line += f"{row['temporary_bytes'] / 1e6:7.1f}/{row['temporary_both_bytes'] / 1e6:.1f}"
        if bandwidth:
            line += f"{forward['kernels']:5}/{both['kernels']} kernels"
            line += f"{nbytes / forward['median_ms'] / 1e6 / bandwidth:8.1%} of copy bandwidth"
        print(line, flush=True)


def main():
    args = parse()
    if args.threads:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    import jax

    if args.threads:
        try:
            import torch

            torch.set_num_threads(args.threads)
        except ImportError:
            pass
    if args.windows:
        return windows(args.rounds)
    shapes = [tuple(map(int, s.split(","))) for s in args.shapes.split(";")] if args.shapes else SHAPES
    bandwidth = copy_bandwidth()
    result = {
        "backend": jax.default_backend(),
        "jax": jax.__version__,
        "cores": len(os.sched_getaffinity(0)),
        "copy_GB_per_s": bandwidth if bandwidth else "not measured",
        "blocks": [],
    }
    print(f"backend {result['backend']}, jax {result['jax']}, {result['cores']} cores, {args.rounds} rounds")
    for dtype in args.dtypes.split(","):
        for data in args.data.split(","):
            for shape in shapes:
                rows = measure(shape, dtype, data, args)
                nbytes = 4 * shape[0] * shape[1] * shape[2] * shape[3] // (1 if dtype == "float32" else 2)
                report(f"{shape} {dtype} {data}", rows, bandwidth, nbytes)
                result["blocks"].append({"shape": shape, "dtype": dtype, "data": data, "rows": rows})
    if args.json:
        with open(args.json, "w") as file:
            json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
