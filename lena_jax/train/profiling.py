"""Trace a few training steps and report which operations take the time, and what waits for what."""

import dataclasses
import glob
import itertools
import os
import warnings

import jax

FIRST, LAST = 4, 8  # Steps of this process; the ones before compile, and fill the queue of batches.
_WHOLE, _INPUT = "traced steps", "waiting for input"


class StepProfile:
    """Trace steps `FIRST` to `LAST` as a context manager; pass `watch` to `loop.train`.

    Args:
        folder: where JAX's profiler writes the trace, for TensorBoard or Perfetto.

    Attributes:
        steps: number of steps traced so far.
    """

    def __init__(self, folder):
        self.folder, self.steps = folder, 0
        self._whole = None

    def watch(self, stream):
        """Yield the batches unchanged; end the trace when the devices have finished the last step."""
        stream = iter(stream)
        for step in itertools.count(1):
            with jax.profiler.TraceAnnotation(_INPUT):
                batch = next(stream, None)
            if batch is None or step == LAST + 1:
                self._stop()
            if batch is None:
                return
            if step == FIRST:
                self._start()
            self.steps += FIRST <= step <= LAST
            with jax.profiler.StepTraceAnnotation("train", step_num=step):
                yield batch

    def report(self):
        """Return the costs per step as text, or one line that says why there are none."""
        if not self.steps:
            return f"no profile: this call trained fewer than {FIRST} steps"
        try:
            return f"{table(read(self.folder, self.steps))}\ntrace for TensorBoard or Perfetto: {self.folder}"
        except (ValueError, RuntimeError, OSError) as error:
            # The format of the trace is internal to the profiler, and may change.
            return f"a trace for TensorBoard or Perfetto is in {self.folder}, but could not be summarized: {error}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop()

    def _start(self):
        _wait_for_devices()
        options = jax.profiler.ProfileOptions()
        options.python_tracer_level = 0  # Otherwise every Python call would be an event, and slow the steps.
        jax.profiler.start_trace(self.folder, profiler_options=options)
        self._whole = jax.profiler.TraceAnnotation(_WHOLE)
        self._whole.__enter__()

    def _stop(self):
        if self._whole is not None:
            _wait_for_devices()
            self._whole.__exit__(None, None, None)
            self._whole = None
            jax.profiler.stop_trace()


def _wait_for_devices():
    jax.block_until_ready(jax.live_arrays())


@dataclasses.dataclass(frozen=True)
class Costs:
    """What a trace says: times in seconds, summed over all traced steps.

    Attributes:
        steps: number of traced steps.
        total: wall time; the sum of the next three.
        compute: wall time while any device computes.
        waiting: wall time while no device computes and the loop waits for the next batch.
        other: the rest of the wall time: dispatch, reading back, validation, saving.
        operations: {(name, program): device time without nested operations}, longest first. Operations run in
            parallel, so they may sum to more than `compute`.
    """

    steps: int
    total: float
    compute: float
    waiting: float
    other: float
    operations: dict


def read(folder, steps):
    """Read the newest trace in a folder.

    Args:
        folder: the `folder` of a `StepProfile`.
        steps: the `steps` of that `StepProfile`.

    Returns:
        `Costs`.

    Raises:
        ValueError: if there is no trace, or it holds no steps or no operations.
    """
    paths = sorted(
        glob.glob(os.path.join(glob.escape(folder), "**", "*.xplane.pb"), recursive=True), key=os.path.getmtime
    )
    if not paths:
        raise ValueError(f"no trace (.xplane.pb) in {folder!r}")
    with warnings.catch_warnings():
        # JAX's reader makes a type at its first use, and Python 3.12 warns of it. Raised as an error there, the warning
        # would end the process.
        warnings.filterwarnings("ignore", r"builtin type \w+ has no __module__", DeprecationWarning)
        whole, waiting, lines = _spans(paths[-1])
    if not whole or not any(lines):
        raise ValueError(f"the trace {paths[-1]!r} names no {'operations' if whole else 'steps'}, expected some")
    start, end = whole[-1]
    times = {}
    for operations in lines:
        for name, duration in _own_times([op for op in operations if start <= op[0] < end]):
            times[name] = times.get(name, 0.0) + duration / 1e9
    busy = _union([op[:2] for operations in lines for op in operations], start, end)
    either = _union([*busy, *waiting], start, end)
    compute, covered = (sum(b - a for a, b in spans) / 1e9 for spans in (busy, either))
    total = (end - start) / 1e9
    return Costs(
        steps,
        total,
        compute,
        covered - compute,
        total - covered,
        dict(sorted(times.items(), key=lambda item: (-item[1], item[0]))),
    )


def _spans(path):
    """Return (start, end) of the traced steps and of each wait; per line [(start, end, (operation, program)), ...]."""
    whole, waiting, lines = [], [], []
    for plane in jax.profiler.ProfileData.from_file(path).planes:
        on_device = plane.name.startswith("/device:")
        rows = list(plane.lines)
        # If a device's plane lists its operations, its other lines only repeat them.
        listed = [row for row in rows if on_device and row.name == "XLA Ops"]
        for row in listed or rows:
            operations = []
            for event in row.events:
                span = (event.start_ns, event.start_ns + event.duration_ns)
                if event.name in (_WHOLE, _INPUT):
                    (whole if event.name == _WHOLE else waiting).append(span)
                    continue
                stats = dict(event.stats)
                if ("hlo_op" in stats or listed) and event.duration_ns:
                    operations.append((*span, (str(stats.get("hlo_op", event.name)), str(stats.get("hlo_module", "")))))
            lines.append(operations)
    return whole, waiting, lines


def _own_times(operations):
    """Return (name, duration without nested operations) for the operations (start, end, name) of one line."""
    result, open_ones = [], []

    def close(until):
        while open_ones and open_ones[-1][0] <= until:
            _, name, own = open_ones.pop()
            result.append((name, max(own, 0.0)))

    for start, end, name in sorted(operations, key=lambda op: (op[0], -op[1])):
        close(start)
        if open_ones:
            open_ones[-1][2] -= min(end, open_ones[-1][0]) - start
        open_ones.append([end, name, end - start])
    close(float("inf"))
    return result


def _union(spans, start, end):
    """Merge spans into disjoint ones, clipped to [start, end]."""
    result = []
    for a, b in sorted((max(a, start), min(b, end)) for a, b in spans):
        if a >= b:
            continue
        if result and a <= result[-1][1]:
            result[-1][1] = max(b, result[-1][1])
        else:
            result.append([a, b])
    return result


def table(costs, most=10):
    """Format the costs per step as text: compute, waiting, and the operations that take the most time."""

    def row(name, seconds, whole):
        return f"{1e3 * seconds / costs.steps:10.2f} ms  {seconds / whole:6.1%}  {name}"

    everything = sum(costs.operations.values())
    rows = [
        f"mean per step ({costs.steps} traced)",
        row("wall time", costs.total, costs.total),
        row("a device computes", costs.compute, costs.total),
        row("no device computes, waiting for the next batch", costs.waiting, costs.total),
        row("other: dispatch, reading back, evaluation", costs.other, costs.total),
        f"device time of {len(costs.operations)} operations",
        row("all operations", everything, everything),
    ]
    shown = list(costs.operations.items())[:most]
    rows += [
        row(name + (f"  ({program})" if program else ""), seconds, everything) for (name, program), seconds in shown
    ]
    if len(costs.operations) > most:
        rows.append(row("other operations", everything - sum(seconds for _, seconds in shown), everything))
    return "\n".join(rows)
