"""How long training took: `timing.json`, apart from `metrics.jsonl`, which is the same for two equal runs."""

import json
import os
import time
from importlib import metadata

import jax
import numpy as np

import lena_jax
from lena_jax.files import write_whole

PACKAGES = ("jax", "flax", "optax")


class RunClock:
    """Times the steps of a run, over all its starts.

    Args:
        workdir: of the run; `timing.json` is written there.
        start: steps that are done; 0 forgets what an earlier run left.
        devices: their number, over all processes.
    """

    def __init__(self, workdir, start, devices):
        self._path, self._devices, self._speeds = os.path.join(workdir, "timing.json"), devices, []
        self._pictures, self._seconds = 0, 0.0
        before = read(workdir) if start else None
        if before:
            self._pictures, self._seconds = before["pictures"], before["seconds"]
        self._begun = self._last = time.perf_counter()
        self._lapped = 0

    def add(self, pictures):
        """Counts pictures whose step was dispatched."""
        self._pictures += pictures
        self._lapped += pictures

    def lap(self):
        """Pictures per second since the last lap; call it once the devices have caught up."""
        now = time.perf_counter()
        speed = self._lapped / max(now - self._last, 1e-9)
        self._speeds.append(speed)
        self._last, self._lapped = now, 0
        return speed

    def write(self):
        """Writes pictures and seconds of all starts, and this start's median speed, devices and versions."""
        seconds = self._seconds + time.perf_counter() - self._begun
        timing = {"pictures": self._pictures, "seconds": seconds,
                  "pictures_per_second": float(np.median(self._speeds)) if self._speeds else None,
                  "devices": self._devices, "device_kind": jax.local_devices()[0].device_kind,
                  "versions": versions()}
        write_whole(self._path, lambda file: json.dump(timing, file, indent=2))


def read(workdir):
    """What `RunClock.write` left, or None."""
    try:
        with open(os.path.join(workdir, "timing.json"), encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def versions():
    """The versions of this package and of `PACKAGES`."""
    return {"lena_jax": lena_jax.__version__, **{name: metadata.version(name) for name in PACKAGES}}
