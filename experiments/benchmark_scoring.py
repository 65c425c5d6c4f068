"""Measure `lena_jax.scoring.Scorer`: pictures per minute with decoding, memory, and the time to the first answer.

    python experiments/benchmark_scoring.py --counts=1000,4000 --figure=scoring_speed.png

Scores JPEG files of 640x480 px (crops of photographs that scikit-image ships) with EfficientNet-Lite0 at 224 px and a
LENA head: one picture first, then the largest count in one run. The first table gets a row each time a count is
reached. Peak memory is that of the process since its start; if it stays the same while pictures are added, memory is
constant. The figure shows time and memory against the number of pictures. The second table measures each stage alone,
in one thread where the stage normally uses threads. It has medians over rounds; the load shows how quiet the machine
was.
"""

from lena_jax.runtime import signals

if __name__ == "__main__":
    signals.end_silently()  # Before what takes longer to import.

import os
import statistics
import tempfile
import time

from absl import flags

from lena_jax.cli import scripts

_COUNTS = flags.DEFINE_list("counts", ["1000"], "Numbers of pictures, ascending, separated by commas.")
_FIGURE = flags.DEFINE_string("figure", None, "PNG file for the figure of time and memory (default: no figure).")
_FILES = flags.DEFINE_integer("files", 64, "Number of different files, which are scored repeatedly.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds of the second table.", lower_bound=1)
_WIDTH, _HEIGHT = 640, 480


def write_files(folder, count):
    """Write JPEG files of random crops; return their paths."""
    import numpy as np
    from PIL import Image
    from skimage import data

    rng = np.random.default_rng(0)
    photographs = [Image.fromarray(one()) for one in (data.astronaut, data.coffee, data.chelsea, data.rocket)]
    paths = []
    for number in range(count):
        picture = photographs[number % len(photographs)]
        share = rng.uniform(0.6, 1)
        left, top = rng.uniform(0, 1 - share, 2) * picture.size
        box = left, top, left + share * picture.width, top + share * picture.height
        paths.append(os.path.join(folder, f"{number}.jpg"))
        picture.resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC, box=box).save(paths[-1], quality=90)
    return paths


def open_model():
    """Open EfficientNet-Lite0 with its pretrained weights and an untrained head."""
    from lena_jax.config import default_config
    from lena_jax.models import ranker

    model = ranker.build(default_config())
    return model, model.init(0)


def peak_megabytes():
    """Return the peak memory of the process since its start, in MB."""
    import resource
    import sys

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1e6 if sys.platform == "darwin" else 1e3)


def throughput(paths, counts):
    """Print the first table; return (pictures, seconds, peak memory in MB) for every 100 pictures."""
    import itertools

    from lena_jax.scoring import Scorer

    start = time.perf_counter()
    scorer = Scorer(*open_model())
    opened = time.perf_counter()
    list(scorer.score(paths[0]))
    first = time.perf_counter()
    list(scorer.score(paths[0]))
    again = time.perf_counter()
    print(
        f"model opened in {opened - start:.1f} s, first answer {first - opened:.1f} s after that (compiled or from "
        f"the cache), one more picture {1e3 * (again - first):.0f} ms\n"
    )
    print("| pictures | seconds | pictures/min | peak memory |\n|---|---|---|---|")
    start, course = time.perf_counter(), []
    for number, one in enumerate(scorer.score(itertools.islice(itertools.cycle(paths), max(counts))), 1):
        if one.error is not None:
            raise ValueError(f"{one.name}: {one.error}")
        if number % 100 == 0 or number in counts:
            course.append((number, time.perf_counter() - start, peak_megabytes()))
        if number in counts:
            number, seconds, memory = course[-1]
            print(f"| {number:,} | {seconds:.1f} | {60 * number / seconds:,.0f} | {memory:,.0f} MB |", flush=True)
    return course


def draw(course, path):
    """Draw time and peak memory against the number of pictures."""
    from matplotlib.figure import Figure

    numbers, seconds, memory = zip(*course, strict=True)
    figure = Figure((9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(numbers, [one / 60 for one in seconds])
    left.set(xlabel="pictures", ylabel="minutes", xlim=(0, None), ylim=(0, None))
    right.plot(numbers, memory)
    right.set(xlabel="pictures", ylabel="peak memory (MB)", xlim=(0, None), ylim=(0, None))
    for axes in (left, right):
        axes.locator_params(axis="x", nbins=4)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def stages(paths, rounds):
    """Print the second table."""
    import numpy as np

    from lena_jax.data import pictures
    from lena_jax.models.batching import on_devices
    from lena_jax.scoring import scorer
    from lena_jax.scoring.preparation import Preparation

    model, variables = open_model()
    preparation = Preparation(model.image_size)
    files = [pictures.read(path) for path in paths]
    opened = [pictures.stored_pixels(file) for file in files]
    squares = np.stack([preparation.inputs(one) for one in opened])
    work = {
        "read": (lambda: [pictures.read(path) for path in paths], len(paths)),
        "decode": (lambda: [pictures.stored_pixels(file) for file in files], len(paths)),
        "resize": (lambda: [preparation.inputs(one) for one in opened], len(paths)),
    }
    for size in scorer.SIZES:
        program = on_devices(model.score_pictures, variables, size)
        batch = np.resize(squares, (size, *squares.shape[1:]))
        work[f"network, batch {size}"] = (lambda program=program, batch=batch: np.asarray(program(batch)), size)
    seconds = {name: [] for name in work}
    for _ in range(rounds + 1):
        for name, (run, count) in work.items():
            start = time.perf_counter()
            run()
            seconds[name].append((time.perf_counter() - start) / count)
    print("\n| stage | ms per picture |\n|---|---|")
    for name, values in seconds.items():
        print(f"| {name} | {1e3 * statistics.median(values[1:]):.2f} |")


def main():
    counts = [int(count) for count in _COUNTS.value]
    print(f"load before {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        paths = write_files(folder, _FILES.value)
        course = throughput(paths, counts)
        if _FIGURE.value:
            draw(course, _FIGURE.value)
        stages(paths, _ROUNDS.value)


if __name__ == "__main__":
    scripts.run(main)
