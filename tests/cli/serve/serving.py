"""Runs `lena-jax serve` in its own process, with the backbone "tiny", and prints its requests to other hosts."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]


class Server:
    """A served page that keeps its files below `folder`.

    Args:
        run: folder of the run.
        folder: empty, for its temporary files.
        flags: of the command.
    """

    def __init__(self, run, folder, *flags):
        self.folder = folder
        environment = os.environ | {
            "PYTHONPATH": f"{TESTS.parent}:{TESTS}",
            "TMPDIR": str(folder),
            "JAX_COMPILATION_CACHE_DIR": "",
            "GRADIO_SHARE": "True",
        }
        environment.pop("XLA_FLAGS", None)
        self.errors, self.said = folder.parent / f"{folder.name}.err", ""
        with open(self.errors, "w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, __file__, "serve", f"--model={run}", "--port=0", *flags],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        for line in self.process.stdout:
            self.said += line
            if line.startswith("open "):
                self.address = line.split()[1]
                return
        raise RuntimeError(f"it did not start: {self.said}{self.errors.read_text()}")

    def files(self):
        """What is left below the folder."""
        return [path for path in self.folder.rglob("*") if not path.is_dir() and path.name != "lock"]

    def end(self, number):
        """Asks it to end; returns its exit code, what it printed and its errors."""
        self.process.send_signal(number)
        said = self.process.communicate(timeout=60)[0]
        return self.process.returncode, self.said + said, self.errors.read_text()


def _main():
    def look(event, given):
        host = (
            given[1][0]
            if event == "socket.connect" and isinstance(given[1], tuple)
            else given[0]
            if event == "socket.getaddrinfo"
            else None
        )
        if host not in (None, "127.0.0.1", "localhost", "::1"):
            print(f"OUTSIDE {event} {host!r}", file=sys.stderr, flush=True)

    sys.addaudithook(look)
    assert tempfile.gettempdir() == os.environ["TMPDIR"]
    import jax
    import tiny_trunk

    from lena_jax import backbones
    from lena_jax.cli.main import main

    backbones.BACKBONES.update(tiny_trunk.tiny_trunks())
    jax.config.update("jax_disable_most_optimizations", True)
    sys.exit(main())


if __name__ == "__main__":
    _main()
