"""Run experiments/train.py in processes that tests can interrupt at any moment, and other scripts as they are.

JAX takes seconds to import. Here a server process imports it once, and each run is a fork of that process, made before
JAX uses any device. The tests talk to the server through `Trainings`.
"""

import contextlib
import gc
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent
# Most of the tests' time is compilation. LLVM's optimizations are a quarter of it, and how XLA now writes fusions for
# CPUs half of the rest: the tests do without both, which change no operation of a program. What users get is tested by
# pooling/test_as_users_compile.py, by the examples in docstrings (`make doctest`) and by the quickstart.
# A program split in parts, for as many threads, takes up to twice the processor time of a whole one.
FAST = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    " --xla_backend_extra_options=xla_cpu_disable_new_fusion_emitters --xla_cpu_parallel_codegen_split_count=1"
)
# Points that a run reports: (module, function, name of the point before it, name of the point after it).
POINTS = (
    ("data.array_cache", "_fill", "caching", "cached"),
    ("runs.checkpoints", "save", "saving", "saved"),
    ("train.log", "RunLog.step_done", "", "step"),
)


class Trainings:
    """Start runs and wait for their ends.

    Args:
        folder: folder for the runs' output.
    """

    def __init__(self, folder):
        self._folder, self._started, self._ended = Path(folder), 0, {}
        environment = os.environ | {
            "JAX_PLATFORMS": "cpu",
            "MPLBACKEND": "Agg",
            "PYTHONPATH": str(TESTS.parent),
            "JAX_COMPILATION_CACHE_DIR": str(self._folder / "programs"),
        }
        # As conftest.py has it, but for the number of devices: each run has its own.
        environment["XLA_FLAGS"] = FAST
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def start(self, *arguments, config=None, devices=1, send=(), limit=None, runs=None, heartbeat=None, **flags):
        """Start experiments/train.py with the config of tiny_trunk.py; return a number for `wait`.

        It writes no report, which would take longer than most of these runs.

        Args:
            arguments: further command-line arguments.
            config: {key: value} to set in the config.
            devices: number of CPU devices.
            send: list of (signal, point, count, seconds). The signal is sent so many seconds after the run has reached
                the point for the count-th time. The point "start" is the beginning of the run.
            limit: (point, count, bytes). Once the run has reached the point for the count-th time, no file can grow
                beyond so many bytes.
            runs: {folder: config}. Instead of running the script, train these one after another in one process and
                print what `train` returns. Only the flags for several processes are then allowed.
            heartbeat: seconds after which a silent process counts as lost, instead of `distributed.HEARTBEAT_SECONDS`.
            flags: flags of the script.
        """
        self._started += 1
        settings = [f"--config.{key}={value}" for key, value in (config or {}).items()]
        job = {
            "number": self._started,
            "devices": devices,
            "send": send,
            "limit": limit,
            "heartbeat": heartbeat,
            "runs": runs
            and {
                str(folder): {key: str(value) if key == "data.dir" else value for key, value in config.items()}
                for folder, config in runs.items()
            },
            "flags": runs and flags,
            "out": str(self._folder / f"{self._started}.out"),
            "err": str(self._folder / f"{self._started}.err"),
            "argv": [
                "train.py",
                f"--config={TESTS / 'tiny_trunk.py'}",
                *settings,
                *arguments,
                *(f"--{name}={value}" for name, value in flags.items()),
            ],
        }
        print(json.dumps(job), file=self._process.stdin, flush=True)
        return self._started

    def command(self, script, *arguments, devices=1):
        """Run a script of experiments/ as it is, in the repository's root, and wait for it; see `wait`.

        The backbones of tiny_trunk.py are in its registry.
        """
        self._started += 1
        job = {
            "number": self._started,
            "devices": devices,
            "script": script,
            "argv": [script, *map(str, arguments)],
            "send": (),
            "limit": None,
            "out": str(self._folder / f"{self._started}.out"),
            "err": str(self._folder / f"{self._started}.err"),
        }
        print(json.dumps(job), file=self._process.stdin, flush=True)
        return self.wait(self._started)

    def wait(self, number):
        """Wait for a run; return its {"code", "points", "out", "err"}. `points` has [name, seconds since the start].

        If a signal ended the run, the code is minus the signal's number.
        """
        while number not in self._ended:
            ended = json.loads(self._process.stdout.readline())
            printed = {name: (self._folder / f"{ended['number']}.{name}").read_text() for name in ("out", "err")}
            self._ended[ended["number"]] = ended | printed
        return self._ended.pop(number)

    def run(self, *arguments, **options):
        """Start a run and wait for it."""
        return self.wait(self.start(*arguments, **options))

    def close(self):
        """End the server process; it kills the runs that are left."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _serve():
    selector, running, due = selectors.DefaultSelector(), {}, []
    selector.register(sys.stdin, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select(max(0, min(due)[0] - time.monotonic()) if due else None):
            if key.fileobj is sys.stdin:
                line = os.read(0, 65536)
                if not line:
                    for job in running.values():
                        os.kill(job["pid"], signal.SIGKILL)
                    return
                for one in line.decode().splitlines():
                    job = json.loads(one)
                    read, write = os.pipe()
                    job |= {"pid": os.fork(), "points": [], "began": time.monotonic()}
                    if not job["pid"]:
                        os.close(read)
                        _train(job, write)
                    os.close(write)
                    running[read] = job
                    selector.register(read, selectors.EVENT_READ)
            else:
                job, said = running[key.fd], os.read(key.fd, 65536)
                if not said:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    del running[key.fd]
                    due = [entry for entry in due if entry[1] != job["pid"]]
                    code = os.waitstatus_to_exitcode(os.waitpid(job["pid"], 0)[1])
                    print(
                        json.dumps(
                            {
                                "number": job["number"],
                                "code": code,
                                "points": [*job["points"], ["end", time.monotonic() - job["began"]]],
                            }
                        ),
                        flush=True,
                    )
                for point in said.decode().split():
                    job["points"].append([point, time.monotonic() - job["began"]])
                    seen = sum(name == point for name, _ in job["points"])
                    due += [
                        (time.monotonic() + seconds, job["pid"], number)
                        for number, at, count, seconds in job["send"]
                        if at == point and count == seen
                    ]
        for entry in [entry for entry in due if entry[0] <= time.monotonic()]:
            due.remove(entry)
            os.kill(entry[1], entry[2])


def _train(job, pipe):
    """Run a job in the forked process; never return."""
    code = 1
    try:
        for path, descriptor in ((os.devnull, 0), (job["out"], 1), (job["err"], 2)):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), descriptor)
        if job["limit"]:
            # The limit must not apply to stderr: `cat` writes it, and keeps the pipe open until all is written.
            sink = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=2, pass_fds=[pipe])
            os.dup2(sink.stdin.fileno(), 2)
            sink.stdin.close()
        os.write(pipe, b"start\n")
        import jax

        jax.config.update("jax_num_cpu_devices", job["devices"])
        # Runs share compiled programs, which are not worth optimising.
        jax.config.update("jax_disable_most_optimizations", True)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        if "script" in job:
            import tiny_trunk

            from lena_jax import backbones

            backbones.BACKBONES.update(tiny_trunk.tiny_trunks())
            os.chdir(TESTS.parent)
            _execute(job["script"], job["argv"])
            raise SystemExit
        counts = {}

        def come_by(point):
            counts[point] = counts.get(point, 0) + 1
            if job["limit"] and job["limit"][:2] == [point, counts[point]]:
                _limit_files(job["limit"][2])
            os.write(pipe, point.encode() + b"\n")

        for module, name, before, after in POINTS:
            _report(f"lena_jax.{module}", name, before, after, come_by)
        from lena_jax.report import page
        from lena_jax.runtime import distributed

        page.write_report = lambda workdir: None
        distributed.HEARTBEAT_SECONDS = job["heartbeat"] or distributed.HEARTBEAT_SECONDS
        if job["runs"]:
            _train_each(job["runs"], **job["flags"])
            raise SystemExit
        _execute("train.py", job["argv"])
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
        if isinstance(code, str):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _execute(script, argv):
    sys.argv = argv
    source = TESTS.parent / "experiments" / script
    exec(compile(source.read_text(), str(source), "exec"), {"__name__": "__main__"})


def _train_each(runs, coordinator=None, num_processes=None, process_id=None):
    import tiny_trunk
    from absl import flags

    flags.FLAGS.mark_as_parsed()
    from lena_jax.cli import scripts
    from lena_jax.runtime.distributed import joined
    from lena_jax.train.loop import train

    with joined(coordinator, num_processes, process_id, False, scripts.explain):
        losses = {}
        for folder, changes in runs.items():
            config = tiny_trunk.get_config()
            config.update_from_flattened_dict(changes)
            losses[folder] = train(config, folder).tolist()
        print(json.dumps(losses))


def _report(module, name, before, after, come_by):
    import importlib

    owner = importlib.import_module(module)
    if "." in name:
        owner, name = getattr(owner, name.split(".")[0]), name.split(".")[1]
    function = getattr(owner, name)

    def reported(*args, **kwargs):
        if before:
            come_by(before)
        result = function(*args, **kwargs)
        come_by(after)
        return result

    setattr(owner, name, reported)


def _limit_files(size):
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


if __name__ == "__main__":
    import warnings

    # Import what a run imports, once for all runs.
    import tensorboardX  # noqa: F401

    import lena_jax.cli.scripts  # noqa: F401
    import lena_jax.report.page  # noqa: F401
    import lena_jax.report.tables  # noqa: F401
    import lena_jax.studies.repeated_runs  # noqa: F401
    import lena_jax.train.loop  # noqa: F401
    import lena_jax.train.profiling  # noqa: F401

    warnings.filterwarnings("ignore", message="os.fork")
    # As conftest.py has it; and no run copies the pages of what is imported by counting it.
    gc.set_threshold(50_000, 10, 10)
    gc.collect()
    gc.freeze()
    with contextlib.suppress(KeyboardInterrupt):
        _serve()
