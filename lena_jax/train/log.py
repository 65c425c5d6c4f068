"""What a run says while it trains: the progress bar, `metrics.jsonl`, `timing.json` and TensorBoard."""

import json
import os
import time

import jax
import numpy as np
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto import event_pb2
from tqdm import tqdm

from lena_jax.runs.folder import LOG, TIMING, read_log, read_timing, versions, write_json
from lena_jax.runtime.files import write_whole


class RunClock:
    """Times the steps of a run, over all its starts.

    Args:
        workdir: of the run; `timing.json` is written there.
        start: steps that are done; 0 forgets what an earlier run left.
        devices: their number, over all processes.
    """

    def __init__(self, workdir, start, devices):
        self._path, self._devices, self._speeds = os.path.join(workdir, TIMING), devices, []
        self._pictures, self._seconds = 0, 0.0
        before = read_timing(workdir) if start else None
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
        timing = {
            "pictures": self._pictures,
            "seconds": seconds,
            "pictures_per_second": float(np.median(self._speeds)) if self._speeds else None,
            "devices": self._devices,
            "device_kind": jax.local_devices()[0].device_kind,
            "versions": versions(),
        }
        write_json(self._path, timing)


class _Board:
    """TensorBoard's file, written here and now: the library's own writer hangs when its thread meets a full disk."""

    def __init__(self, folder, start):
        os.makedirs(folder, exist_ok=True)
        self._writer = EventsWriter(os.path.join(folder, "events"))
        # TensorBoard forgets what was written for later steps by a run that was stopped.
        self._add(start + 1, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))

    def add_scalar(self, name, value, step):
        self._add(step, summary=summary.scalar(name, value))

    def _add(self, step, **content):
        self._writer.write_event(event_pb2.Event(wall_time=time.time(), step=step, **content))
        self._writer.flush()

    def close(self):
        self._writer.close()


class RunLog:
    """Writes measures of steps to a run's folder; what an interrupted run logged after `start` is dropped.

    Args:
        workdir: of the run; `metrics.jsonl` and `tensorboard/` are written there.
        start: steps that are done.
        steps: of the whole run.
        pictures: of a step, over all devices and processes.
        learning_rate: step -> rate.
        quiet: no bar and no files, for all processes but the first.
        devices: their number, over all processes.
    """

    def __init__(self, workdir, start, steps, pictures, learning_rate, quiet=False, devices=1):
        self._learning_rate, self._pictures, self._shown, self._quiet = learning_rate, pictures, {}, quiet
        self._step, self._steps = start, steps
        self.bar = tqdm(
            total=steps * pictures, initial=start * pictures, desc="training", unit=" pictures", disable=quiet
        )
        if quiet:
            return
        path = os.path.join(workdir, LOG)
        if os.path.exists(path):
            rows = [json.dumps(row) + "\n" for row in read_log(workdir) if row["step"] <= start]
            write_whole(path, lambda file: file.writelines(rows))
        self._file = open(path, "a")
        self._board = _Board(os.path.join(workdir, "tensorboard"), start)
        self._clock = RunClock(workdir, start, devices)

    def step_done(self):
        """Moves the bar on by one step."""
        self._step += 1
        self.bar.update(self._pictures)
        if not self._quiet:
            self._clock.add(self._pictures)

    def write(self, step, **measures):
        """Logs measures of a step, numbers; with `loss` among them the learning rate too."""
        if self._quiet:
            return
        if "loss" in measures:
            measures["learning_rate"] = float(self._learning_rate(step - 1))  # The first step is number 1.
            # What the clock says differs between equal runs, so it stays out of metrics.jsonl.
            self._board.add_scalar("pictures_per_second", self._clock.lap(), step)
        self._file.write(json.dumps({"step": step, **measures}) + "\n")
        self._file.flush()
        for name, value in measures.items():
            self._board.add_scalar(name, value, step)
        shown = {"loss": "loss", "pair_accuracy": "accuracy", "validation_pair_accuracy": "validation"}
        self._shown |= {shown[name]: f"{value:.3f}" for name, value in measures.items() if name in shown}
        self.bar.set_postfix({"step": f"{self._step}/{self._steps}", **self._shown}, refresh=False)

    def say(self, message):
        """Shows a line above the bar."""
        if not self._quiet:
            self.bar.write(message)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.bar.close()
        if self._quiet:
            return
        try:
            self._file.close()
            self._board.close()
            self._clock.write()
        except OSError:
            if kind is None:  # On a full disk, what went wrong first is what is to be said.
                raise
