"""Change files that people share at random, and read them through the entry points that people use; count what happens.

    python tests/mutated_files.py --count=500

Run it from the repository's root. For each kind (model.json, the weights of a saved model, the JSON of a run, .pth) it
changes bytes or values, and calls `lena-jax score`, `lena-jax info` or `load_pretrained` in a process with limits on
memory and time. Each call has to end with an exit code of 0 to 2 and at most one line of error, within `SECONDS`, and a
score has to be a number. Prints a table; exit code 1 if anything else happened.
"""

import argparse
import collections
import contextlib
import hashlib
import io
import json
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS, GIGABYTES = 20, 6
NAN = "\ue000"  # Stands for a number that JSON does not have.
STRANGE = (
    None, True, 0, -1, 1.5, "", "x" * 3000, [], {}, [[]], {"a": 1}, 10**30, -(10**30), 2**63, 2**31, 1e300, -1e-300,
    NAN + "NaN", NAN + "-Infinity", NAN + "1e999", NAN + "[" * 100_000, NAN + "1" * 5000, NAN + "[" * 60 + "]" * 60,
    "\ud800", "\x1b[31m", "../../etc/passwd", "__class__", "float8",
)  # fmt: skip


def changed_bytes(content, rng):
    """Change some bytes of a file."""
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        place, kind = rng.randrange(len(content) + 1), rng.randrange(6)
        if kind == 0 and place < len(content):
            content[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            content[place : place + rng.randrange(1, 9)] = rng.randbytes(rng.randrange(1, 9))
        elif kind == 2:
            del content[place : place + rng.randrange(1, 200)]
        elif kind == 3:
            start = rng.randrange(len(content) + 1)
            content[place:place] = content[start : start + rng.randrange(1, 200)]
        elif kind == 4:
            number = struct.pack(rng.choice("<I >I <Q".split()), rng.choice((0, 1, 2**31, 2**32 - 1, 10**6)))
            content[place : place + len(number)] = number
        else:
            del content[place:]
        if not content:
            break
    return bytes(content)


def changed_json(content, rng):
    """Change a value of JSON, or some bytes."""
    if rng.random() < 0.25:
        return changed_bytes(content, rng)
    value = json.loads(content)
    places = []

    def walk(node):
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], (dict, list)):
                walk(node[key])

    walk(value)
    # Lists of a thousand numbers are one place among the others.
    shallow = [one for one in places if not isinstance(one[1], int) or one[1] < 3]
    for _ in range(rng.choice((1, 1, 2))):
        node, key = rng.choice(shallow)
        action = rng.random()
        if action < 0.15 and isinstance(node, dict):
            node.pop(key, None)
        elif action < 0.25 and isinstance(node, dict):
            node["strange"] = rng.choice(STRANGE)
        elif isinstance(node, dict) or key < len(node):
            node[key] = rng.choice(STRANGE)
    text = json.dumps(value)
    for one in STRANGE:
        if isinstance(one, str) and one.startswith(NAN):
            text = text.replace(json.dumps(one), one[1:])
    return text.encode()


def command(*argv):
    """What is wrong with how `lena-jax` ends, or None."""
    from lena_jax.cli.main import main

    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        code = main([str(one) for one in argv])
    lines = [line for line in said.getvalue().splitlines() if line.startswith("lena-jax: error")]
    if code not in (0, 1, 2) or (code == 2 and len(lines) != 1) or "Traceback" in said.getvalue():
        return f"exit code {code}: {said.getvalue()[-300:]}", code
    return (f"a line of {len(lines[0]):,} letters", code) if lines and len(lines[0]) > 3000 else (None, code)


def scored(model, picture, out):
    """Score a picture with a model; what is wrong, or None."""
    out.unlink(missing_ok=True)
    wrong, code = command("score", picture, f"--model={model}", f"--output={out}")
    if wrong is None and out.exists():
        row = json.loads(out.read_text(), parse_constant=lambda name: 1 / 0)
        if (row["score"] is None) != (code == 1) or (code == 0 and not abs(row["score"]) < 1e31):
            return f"exit code {code} with {row}", code
    return wrong, code


def model_json(base, work, rng):
    """A saved model with another description."""
    shutil.copytree(base / "model", work / "model")
    path = work / "model/model.json"
    path.write_bytes(changed_json(path.read_bytes(), rng))
    wrong, code = command("info", work / "model")
    return (wrong, code) if wrong or code else scored(work / "model", base / "a.png", work / "s.jsonl")


def weights(base, work, rng):
    """A saved model with other weights; half of them with the right digest."""
    shutil.copytree(base / "model", work / "model")
    path = work / "model/model.safetensors"
    content = path.read_bytes()
    header = 8 + struct.unpack("<Q", content[:8])[0]
    if rng.random() < 0.5:
        content = changed_bytes(content[:header], rng) + content[header:]
    elif rng.random() < 0.5:
        large = struct.pack("<f", rng.choice((3e38, -3e38, 1e20, float("nan"), float("inf"))))
        place = header + 4 * rng.randrange((len(content) - header) // 4)
        content = content[:place] + large * rng.choice((1, 50)) + content[place:]
        content = content[: path.stat().st_size]
    else:
        content = changed_bytes(content, rng)
    path.write_bytes(content)
    if rng.random() < 0.8:
        description = work / "model/model.json"
        stored = json.loads(description.read_text())
        stored["weights_sha256"] = hashlib.sha256(content).hexdigest()
        description.write_text(json.dumps(stored))
    return scored(work / "model", base / "a.png", work / "s.jsonl")


def run_json(base, work, rng):
    """A run with another JSON file."""
    shutil.copytree(base / "run", work / "run")
    run = work / "run"
    files = sorted(path for path in run.rglob("*") if path.is_file() and _is_json(path))
    path = rng.choice([one for one in files if "d/" not in str(one.relative_to(run))])
    path.write_bytes(changed_json(path.read_bytes(), rng))
    if rng.random() < 0.5:
        (run / "checkpoint_digests.json").unlink(missing_ok=True)
    wrong, code = command("info", run)
    if wrong:
        return f"{path.relative_to(run)}: {wrong}", code
    from lena_jax.report.page import write_report

    try:
        write_report(str(run))
    except (ValueError, OSError) as error:
        if "\n" in str(error) or len(str(error)) > 3000:
            return f"{path.relative_to(run)}: not a line: {str(error)[:300]}", code
        return None, 2
    return None, code


def _is_json(path):
    try:
        return isinstance(json.loads(path.read_bytes()), (dict, list))
    except ValueError:
        return False


def pth(base, work, rng):
    """A checkpoint of PyTorch, of either format."""
    from lena_jax.backbones import load_pretrained

    content = (base / rng.choice(("zip.pth", "legacy.pth"))).read_bytes()
    (work / "w.pth").write_bytes(changed_bytes(content, rng))
    try:
        load_pretrained("efficientnet_lite0", work / "w.pth")
    except ValueError as error:
        # What does not fit the network is listed on lines of its own.
        fits = "missing" in str(error)
        return (None, 2) if fits or ("\n" not in str(error) and len(str(error)) < 1000) else (str(error)[:300], 2)
    return None, 0


KINDS = {"model.json": model_json, "safetensors": weights, "run JSON": run_json, ".pth": pth}


def prepare(run, base):
    """Make what is changed from an evaluated run of the backbone "tiny"."""
    import numpy as np
    from torch_checkpoints import NUMBERS, state_pickle, tensor, write_legacy, write_zip

    from lena_jax.cli.main import main
    from lena_jax.report.page import write_report

    shutil.copytree(run, base / "run")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert main(["save", str(run), str(base / "model")]) == 0
    write_report(str(base / "run"))
    from PIL import Image

    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(base / "a.png")
    state = state_pickle(**{f"w{number}": tensor() for number in range(3)}, v=tensor(shape=(6,), strides=(1,)))
    write_zip(base / "zip.pth", state)
    write_legacy(base / "legacy.pth", state)
    assert NUMBERS.size == 6


def attempt(kind, base, seed):
    """(what is wrong or None, exit code, seconds) for one changed file."""
    with tempfile.TemporaryDirectory() as work:
        began = time.monotonic()
        wrong, code = KINDS[kind](base, Path(work), random.Random(f"{kind} {seed}"))
        seconds = time.monotonic() - began
    return wrong or (f"{seconds:.1f} s" if seconds > SECONDS else None), code, seconds


def _attempts(kind, base, first, last):
    """Print a line of JSON for each attempt; run in a process of its own."""
    import jax
    import tiny_trunk

    from lena_jax import backbones

    backbones.BACKBONES.update(tiny_trunk.tiny_trunks())
    jax.config.update("jax_disable_most_optimizations", True)
    # Address space: what is asked for, and not only what is touched.
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + GIGABYTES * 2**30,) * 2)
    for seed in range(first, last):
        print(json.dumps(["begins", seed]), flush=True)
        signal.alarm(3 * SECONDS)
        try:
            wrong, code, seconds = attempt(kind, Path(base), seed)
        except BaseException as error:
            wrong, code, seconds = f"{type(error).__name__}: {error}"[:500], None, 0
        signal.alarm(0)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(json.dumps(["ends", seed, wrong, code, seconds, peak]), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, metavar="N", help="changed files of each kind")
    parser.add_argument("--kind", choices=KINDS, help="this kind only")
    parser.add_argument("--inner", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inner:
        kind, base, first, last = arguments.inner
        return _attempts(kind, base, int(first), int(last))
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        script = (
            "import sys; sys.path[:0] = ['tests', 'tests/backbones']\n"
            "import jax, tiny_trunk, scored_run, mutated_files, pathlib\n"
            "from lena_jax import backbones\n"
            "backbones.BACKBONES.update(tiny_trunk.tiny_trunks())\n"
            f"run = scored_run.make_run(pathlib.Path({str(folder)!r}))\n"
            f"base = pathlib.Path({str(folder)!r}, 'base'); base.mkdir()\n"
            "mutated_files.prepare(run, base)\n"
        )
        subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)
        print(f"{'kind':12} {'files':>6} {'read':>6} {'refused':>8} {'wrong':>6} {'slowest':>9} {'peak':>8}")
        for kind in KINDS if arguments.kind is None else [arguments.kind]:
            ends, first = collections.Counter(), 0
            slowest = peak = 0.0
            while first < arguments.count:
                last = min(first + 100, arguments.count)
                done = subprocess.run(
                    [sys.executable, __file__, "--inner", kind, str(folder / "base"), str(first), str(last)],
                    capture_output=True,
                    text=True,
                )
                rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
                for _, seed, wrong, code, seconds, used in [row for row in rows if row[0] == "ends"]:
                    ends["wrong" if wrong else "read" if code == 0 else "refused"] += 1
                    slowest, peak = max(slowest, seconds), max(peak, used)
                    if wrong:
                        print(f"{kind}, {seed}: {wrong}", flush=True)
                if rows and rows[-1][0] == "begins":
                    ends["wrong"] += 1
                    print(f"{kind}, {rows[-1][1]}: ended with {done.returncode}: {done.stderr[-500:]}", flush=True)
                    last = rows[-1][1] + 1
                elif not rows:
                    raise RuntimeError(done.stderr)
                first = last
            bad += ends["wrong"]
            print(
                f"{kind:12} {arguments.count:6,} {ends['read']:6,} {ends['refused']:8,} {ends['wrong']:6,} "
                f"{slowest:7.1f} s {peak:5.1f} GB",
                flush=True,
            )
    return int(bad > 0)


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent / "backbones")]
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(main())
