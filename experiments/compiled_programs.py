"""Read what a compiler wrote: bytes of memory that a program reads and writes, launches, and a TPU's instructions."""

import collections
import math
import re
from pathlib import Path

_SIZES = {"pred": 1, "8": 1, "16": 2, "32": 4, "64": 8}
_ARRAY = re.compile(r"\b(pred|[a-z]+?(8|16|32|64))\[([\d,]*)\](?:\{([^{}]*)\})?")
_LINE = re.compile(r"\s*(?:ROOT )?%?([\w.\-]+) = (\(.*?\)|\S+) ([a-z][\w\-]*)\((.*)$")
# They move no data, or another line counts what they move.
_FREE = set(
    "parameter constant tuple get-tuple-element bitcast after-all iota partition-id replica-id opt-barrier".split()
)


def traffic(text):
    """Count what a compiled program does, from its optimized HLO text.

    Returns:
        {"read", "written": bytes of device memory, "launches": operations that run}. A loop counts as often as it
        turns. Arrays in a TPU's fast memory do not count.
    """
    bodies = _computations(text)
    count = collections.Counter()

    def walk(name, times):
        lines = [match.groups() for match in map(_LINE.match, bodies[name]) if match]
        sizes = {name: _bytes(shape) for name, shape, _, _ in lines}
        for _, shape, operation, rest in lines:
            called = dict(re.findall(r"(body|to_apply|condition)=%?([\w.\-]+)", rest))
            if operation == "while":
                walk(called["body"], times * _turns(rest, bodies))
            elif operation == "call":
                walk(called["to_apply"], times)
            elif operation.endswith(("-start", "-done")):
                # A copy into fast memory or out of it: its shape lists the result and the source.
                if operation == "copy-start":
                    result, source = (_bytes(match.group()) for match in list(_ARRAY.finditer(shape))[:2])
                    count["read"] += times * source
                    count["written"] += times * result
            elif operation not in _FREE and "AllocateBuffer" not in rest:
                operands = re.findall(r"%([\w.\-]+)", rest.split("), ")[0])
                count["read"] += times * sum(sizes.get(operand, 0) for operand in operands)
                count["written"] += times * _bytes(shape)
                count["launches"] += times

    walk("ENTRY", 1)
    return dict(count)


def _computations(text):
    """Return {name: lines} of the computations of a program; the name of the first to run is ENTRY."""
    found = re.findall(r"(?:^|\n)(ENTRY )?%?([\w.\-]+) \([^\n]*\{\n(.*?)\n\}", text, re.DOTALL)
    return {"ENTRY" if start else name: body.splitlines() for start, name, body in found}


def _turns(loop, bodies):
    """How often a loop turns: what XLA says, or the constant that its condition compares with."""
    known = re.search(r"known_trip_count\D*(\d+)", loop)
    if known:
        return int(known.group(1))
    condition = "\n".join(bodies[re.search(r"condition=%?([\w.\-]+)", loop).group(1)])
    for fused in re.findall(r"calls=%?([\w.\-]+)", condition):
        condition += "\n".join(bodies[fused])
    return max([int(number) for number in re.findall(r"constant\((\d+)\)", condition)], default=1)


def _bytes(shape):
    """The bytes of the arrays of a shape in device memory, space 0."""
    total = 0
    for kind, bits, dims, layout in _ARRAY.findall(shape):
        if not re.search(r"S\([1-9]", layout):
            total += math.prod(int(size) for size in dims.split(",") if size) * _SIZES[bits or kind]
    return total


def bundles(folder, text):
    """Count the instruction bundles that a TPU runs, from what libtpu wrote into `folder` as it compiled.

    Bundles in a loop count as often as the loop turns. What waiting for memory adds is not in it.
    """
    schedules = {}
    for path in Path(folder).glob("*final_bundles.txt"):
        match = re.match(r"\d+-(.*)-\d+-final_bundles", path.name)
        if match and "analysis" not in path.name:
            schedules[match.group(1)] = path
    same, key = {}, None
    for path in Path(folder).glob("*deduplication-map.txt"):
        for line in path.read_text().splitlines():
            if line.startswith("key:"):
                key = line[4:].strip()
            elif line.startswith("  "):
                same[line.strip()] = key
    bodies = _computations(text)

    def walk(computation, times):
        total = 0
        for name, _, operation, rest in (match.groups() for match in map(_LINE.match, bodies[computation]) if match):
            if operation == "while":
                body = re.search(r"body=%?([\w.\-]+)", rest).group(1)
                total += walk(body, times * _turns(rest, bodies))
            elif operation not in _FREE:
                path = schedules.get(name) or schedules.get(same.get(name))
                total += times * _scheduled(path) if path else 0
        return total

    return walk("ENTRY", 1)


def _scheduled(path):
    """The bundles of one schedule, with the turns of its loops."""
    lines = [line for line in path.read_text().splitlines() if re.match(r"\s*(0x[0-9a-f]+|0)\s+([A-Z]{2})?\s*:", line)]
    starts, tests, loops = {}, {}, []
    for at, line in enumerate(lines):
        for region in re.findall(r"Start(?:/End empty)? region (\d+)", line):
            starts.setdefault(region, at)
        for flag, turns in re.findall(r"(%p\w+) = scmp\.\w+\.s32\.totalorder (?:\(.*?\), )?%s\w+, (\d+)", line):
            if "loop exit test" in line or flag not in tests:
                tests[flag] = int(turns)
        back = re.search(r"sbr\.rel \(!?(%p\w+)\) target = \$region(\d+)", line)
        if back and starts.get(back.group(2), at + 1) <= at:
            loops.append((starts[back.group(2)], at, tests.get(back.group(1), 1)))
    return sum(math.prod(turns for first, last, turns in loops if first <= at <= last) for at in range(len(lines)))
