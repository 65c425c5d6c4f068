"""Interrupt every command at random moments, fill its disk and take its folders away; count what holds.

    python tests/bad_days.py --kills=60 --signals=40 --faults=40

Run it from the repository's root; it takes half a minute for each ten. It builds and trains on a hundred small pictures
in a temporary folder, then draws a command, a moment of its usual time and a fault:

- kill: SIGKILL. The same command, given again, ends with 0 and leaves what an undisturbed one leaves.
- signal: SIGINT, SIGTERM or SIGHUP. It ends with 130 or 143 (or is done), without a traceback and without leftovers.
- fault: no file may grow beyond some bytes (a full disk), or the folder that it writes disappears. It ends with 0, 1 or
  2, without a traceback and without leftovers; what is there afterwards is whole.

It prints a line for each trial that fails, and a table. Exit code 1 if any failed.
"""

import argparse
import collections
import csv
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEFTOVERS = (".building-*", ".new-*", "*.unfinished", ".part-*", "lena-jax-page-*", "uiv-*", "*orbax-checkpoint-tmp*")


class Bench:
    """A folder with data, a run and a model, and the commands to disturb.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder):
        self.folder, self.env = (
            folder,
            os.environ
            | {
                "PYTHONPATH": str(ROOT),
                "JAX_PLATFORMS": "cpu",
                "MPLBACKEND": "Agg",
                "HOME": str(folder / "home"),
                "TMPDIR": str(folder / "tmp"),
                "XDG_CACHE_HOME": str(folder / "home/cache"),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
        )
        for name in ("home", "tmp", "photos"):
            (folder / name).mkdir()
        self._photos()
        train = ["experiments/train.py", "--config=experiments/configs/quickstart.py", "--config.steps=24"]
        train += ["--config.image_size=64", "--config.eval_every=4", "--config.data.dir=data"]
        lena = ["-m", "lena_jax"]
        build = ["-m", "data_prep", "build"]
        model, run, data = "--model=base_model", "base_run", "--data_dir=data"
        self.prepare = [
            [*build, "planted", data, "--train=64", "--validation=16", "--test=24"],
            [*train, "--workdir=base_run"],
            [*lena, "save", run, "base_model"],
        ]
        photos = ["--images=photos", "--csv=photos.csv", "--score=likes", "--on_near_duplicate=keep"]
        # Name -> (arguments, what it writes inside the folder of a trial).
        self.commands = {
            "build planted": [*build, "planted", "--data_dir=OUT/data", "--train=200", "--validation=50", "--test=50"],
            "build image_scores": [*build, "image_scores", *photos, "--data_dir=OUT/data"],
            "train": [*train, "--workdir=OUT/run"],
            "evaluate": ["experiments/evaluate.py", "--workdir=OUT/run"],
            "save": [*lena, "save", "OUT/run", "OUT/model"],
            "score csv": [*lena, "score", "photos", model, "--output=OUT/scores.csv"],
            "score jsonl": [*lena, "score", "photos", model, "--output=OUT/scores.jsonl"],
            "score parquet": [*lena, "score", "photos", model, "--output=OUT/scores.parquet"],
            "score html": [*lena, "score", "photos", model, "--html=OUT/page.html"],
            "score maps": [*lena, "score", "photos/000.png", "photos/001.png", model, "--maps=OUT/maps"],
            "explain": [*lena, "explain", "photos/000.png", model, "-o", "OUT/map.png"],
            "compare": [*lena, "compare", "photos/000.png", "photos/001.png", model, "-o", "OUT/pair.png"],
            "info": [*lena, "info", "base_model"],
            "describe": ["-m", "data_prep", "describe", "planted", data],
            "lena-jax train": [
                *lena, "train", "photos", "--table=photos.csv", "--score=likes", "--folds=2", "--strength=quick",
                "--config.image_size=64", "--config.head.ridges=(1.0,)", "--config.head.starts=(1.0,)",
                "--config.head.freedoms=(0.0,)", "-o", "OUT/model",
            ],
            "serve": [*lena, "serve", model, "--port=0"],
        }  # fmt: skip

    def _photos(self):
        import numpy as np
        from PIL import Image

        rng = np.random.default_rng(0)
        with open(self.folder / "photos.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "likes"])
            for number in range(100):
                pixels = rng.integers(0, 255, (96, 96, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(self.folder / f"photos/{number:03}.png")
                writer.writerow([f"{number:03}.png", int(rng.integers(1000))])

    def start(self, arguments, out, most_bytes=None):
        """Start a command; OUT in its arguments is the folder `out`."""
        argv = [one.replace("OUT", str(out)) for one in arguments]
        if argv[0].startswith("experiments"):
            argv = [str(ROOT / argv[0]), *(one.replace("=experiments", f"={ROOT}/experiments") for one in argv[1:])]
        self.said = tempfile.TemporaryFile("w+", errors="replace")

        def limits():
            os.setsid()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            if most_bytes is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

        # What is said goes through a pipe: the limit on files must not silence it.
        process = subprocess.Popen(
            [sys.executable, *argv],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=limits,
        )
        return process

    def end(self, process, seconds=240):
        """(exit code, what was said) of a command; the code is None if it hangs."""
        try:
            said = process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, process.communicate()[0]
        return process.returncode, said

    def run(self, arguments, out):
        """Run a command to its end."""
        return self.end(self.start(arguments, out))

    def trial(self, name):
        """A new folder for a command, with a run in it if the command works on one."""
        out = Path(tempfile.mkdtemp(dir=self.folder, prefix="trial-"))
        if name in ("evaluate", "save"):
            shutil.copytree(self.folder / "base_run", out / "run")
        return out

    def leftovers(self, out):
        """What lies about that nobody will use."""
        places = (out, self.folder / "tmp", self.folder / "data")
        found = [path for place in places for pattern in LEFTOVERS for path in place.rglob(pattern)]
        return [str(path.relative_to(self.folder)) for path in found]


def whole(out):
    """A problem with a file that is there, or None: each can be read to its end."""
    for path in out.rglob("*"):
        try:
            if path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".png":
                from PIL import Image

                with Image.open(path) as picture:
                    picture.load()
            elif path.suffix == ".html" and not path.read_text().rstrip().endswith("</html>"):
                return f"{path.name} is cut off"
            elif path.suffix == ".parquet" and path.is_file():
                from pyarrow import parquet

                parquet.read_table(path)
            elif path.suffix in (".csv", ".jsonl") and path.stem == "scores" and path.parent == out:
                if len(path.read_text().splitlines()) != 100 + (path.suffix == ".csv"):
                    return f"{path.name} has not all rows"
        except Exception as error:
            return f"{path.name}: {type(error).__name__}: {error}"
    return None


def kill(bench, name, took, rng):
    """Kill a command, and give it again; returns what is wrong."""
    out = bench.trial(name)
    process = bench.start(bench.commands[name], out)
    time.sleep(rng.uniform(0, took))
    os.killpg(process.pid, signal.SIGKILL)
    bench.end(process)
    if problem := whole(out):
        return f"after the kill: {problem}"
    code, said = bench.run(bench.commands[name], out)
    there = name == "save" and code == 2 and " exists: " in said  # It was done before the kill.
    if (code != 0 and not there) or "Traceback" in said or "damaged" in said:
        return f"given again, it ends with {code}: {said[-400:]}"
    if found := bench.leftovers(out):
        return f"given again, it leaves {found[:3]}"
    return whole(out)


def interrupt(bench, name, took, rng):
    """Send a signal; returns what is wrong."""
    out = bench.trial(name)
    number = rng.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    process = bench.start(bench.commands[name], out)
    wait = rng.uniform(0, took)
    time.sleep(wait)
    process.send_signal(number)
    code, said = bench.end(process, 60)
    expected = 130 if number == signal.SIGINT else 143
    # Python itself begins for some hundredths of a second, where nobody can handle a signal.
    early = wait < 0.15 and "KeyboardInterrupt" in said
    if code not in (expected, -number, 0) and not early:
        return f"{number.name} after {wait:.2f} s: ends with {code}: {said[-400:]}"
    if "Traceback" in said and not early:
        return f"{number.name} after {wait:.2f} s: a traceback: {said[-600:]}"
    if found := bench.leftovers(out):
        return f"{number.name} after {wait:.2f} s: it leaves {found[:3]}"
    return whole(out)


def fault(bench, name, took, rng):
    """Fill the disk, or take the folder away; returns what is wrong."""
    out = bench.trial(name)
    if rng.random() < 0.6:
        most = rng.choice([0, 100, 2_000, 20_000, 100_000])
        code, said = bench.end(bench.start(bench.commands[name], out, most))
        what = f"no file beyond {most:,} bytes"
    else:
        process = bench.start(bench.commands[name], out)
        wait = rng.uniform(0, took)
        time.sleep(wait)
        shutil.rmtree(out, ignore_errors=True)
        code, said = bench.end(process)
        what = f"its folder is gone after {wait:.2f} s"
    if code not in (0, 1, 2) or "Traceback" in said:
        return f"{what}: ends with {code}: {said[-700:]}"
    if code and sum("error" in line for line in said.splitlines()) != 1:
        return f"{what}: not one line: {said[-500:]}"
    if found := bench.leftovers(out):
        return f"{what}: it leaves {found[:3]}"
    return whole(out) and f"{what}: {whole(out)}"


KINDS = {"kills": kill, "signals": interrupt, "faults": fault}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for kind, default in (("kills", 60), ("signals", 40), ("faults", 40)):
        parser.add_argument(f"--{kind}", type=int, default=default, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="the name of one command")
    arguments = parser.parse_args()
    rng, counts = random.Random(arguments.seed), collections.Counter()
    with tempfile.TemporaryDirectory(prefix="bad-days-", ignore_cleanup_errors=True) as folder:
        bench = Bench(Path(folder))
        for one in bench.prepare:
            code, said = bench.run(one, folder)
            assert code == 0, said
        took = {}
        for kind, disturb in KINDS.items():
            names = [name for name in bench.commands if arguments.only in (None, name)]
            names = [name for name in names if name != "serve" or kind == "signals"]
            for number in range(getattr(arguments, kind)):
                name = names[number % len(names)]
                if name not in took:
                    began, out = time.monotonic(), bench.trial(name)
                    if name != "serve":
                        bench.run(bench.commands[name], out)  # Compiles.
                        shutil.rmtree(out)
                        began, out = time.monotonic(), bench.trial(name)
                        code, said = bench.run(bench.commands[name], out)
                        assert code == 0, (name, said)
                    took[name] = time.monotonic() - began if name != "serve" else 8.0
                    shutil.rmtree(out)
                problem = disturb(bench, name, took[name], rng)
                counts[kind, "failed" if problem else "ok"] += 1
                if problem:
                    print(f"{kind}, {name}: {problem}", flush=True)
                for out in bench.folder.glob("trial-*"):
                    shutil.rmtree(out, ignore_errors=True)
    for kind in KINDS:
        print(f"{kind:8} {counts[kind, 'ok']:4} ok {counts[kind, 'failed']:4} failed")
    return int(any(result == "failed" for _, result in counts))


if __name__ == "__main__":
    sys.exit(main())
