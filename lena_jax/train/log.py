"""Log a run while it trains: progress bar, `metrics.jsonl`, `timing.json` and TensorBoard."""

import json
import os
import time

import jax
import numpy as np
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto import event_pb2

from lena_jax.runs.folder import LOG, TIMING, read_log, read_timing, versions, write_json
from lena_jax.runtime.files import write_whole
from lena_jax.runtime.progress import counted


class RunClock:
    """Time the steps of a run, summed over all its restarts.

    Args:
        workdir: folder of the run, where `timing.json` is written.
        start: number of steps already done; 0 ignores the times of an earlier run.
        devices: number of devices, over all processes.
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
        """Count the pictures of a step that was dispatched."""
        self._pictures += pictures
        self._lapped += pictures

    def lap(self):
        """Return pictures per second since the last lap. Call it after the devices have finished their steps.

        None if no picture was counted: a solved head has no steps.
        """
        if not self._lapped:
            return None
        now = time.perf_counter()
        speed = self._lapped / max(now - self._last, 1e-9)
        self._speeds.append(speed)
        self._last, self._lapped = now, 0
        return speed

    def write(self):
        """Write pictures and seconds summed over restarts, and the median speed, devices and versions of this one."""
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
    """Write TensorBoard's file without a thread: the library's own writer thread hangs on a full disk."""

    def __init__(self, folder, start):
        os.makedirs(folder, exist_ok=True)
        self._writer = EventsWriter(os.path.join(folder, "events"))
        # Tells TensorBoard to drop the later steps that an interrupted run wrote.
        self._add(start + 1, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))

    def add_scalar(self, name, value, step):
        self._add(step, summary=summary.scalar(name, value))

    def _add(self, step, **content):
        self._writer.write_event(event_pb2.Event(wall_time=time.time(), step=step, **content))
        self._writer.flush()

    def close(self):
        self._writer.close()


class RunLog:
    """Write the measures of steps to a run's folder; drop what an interrupted run logged after `start`.

    Args:
        workdir: folder of the run, where `metrics.jsonl` and `tensorboard/` are written.
        start: number of steps already done.
        steps: number of steps of the whole run.
        pictures: pictures per step, over all devices and processes.
        learning_rate: function from step to learning rate; None if there is none.
        quiet: show no bar and write no files; set it in every process but the first.
        devices: number of devices, over all processes.
    """

    def __init__(self, workdir, start, steps, pictures, learning_rate, quiet=False, devices=1):
        self._learning_rate, self._pictures, self._shown, self._quiet = learning_rate, pictures, {}, quiet
        self._step, self._steps = start, steps
        self.bar = counted(what="training", total=steps * pictures, done=start * pictures, quiet=quiet)
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
        """Advance the bar by one step."""
        self._step += 1
        self.bar.update(self._pictures)
        if not self._quiet:
            self._clock.add(self._pictures)

    def write(self, step, **measures):
        """Log the measures of a step, which are numbers; with `loss` among them, log the learning rate too."""
        if self._quiet:
            return
        if "loss" in measures:
            if self._learning_rate is not None:
                measures["learning_rate"] = float(self._learning_rate(step - 1))  # The first step is number 1.
            # The speed differs between identical runs, so it stays out of metrics.jsonl.
            if (speed := self._clock.lap()) is not None:
                self._board.add_scalar("pictures_per_second", speed, step)
        self._file.write(json.dumps({"step": step, **measures}) + "\n")
        self._file.flush()
        for name, value in measures.items():
            self._board.add_scalar(name, value, step)
        shown = {"loss": "loss", "pair_accuracy": "training accuracy", "validation_pair_accuracy": "validation"}
        self._shown |= {shown[name]: f"{value:.3f}" for name, value in measures.items() if name in shown}
        # A solved head has rounds of its own, and no rate.
        steps = {} if self._learning_rate is None else {"step": f"{self._step}/{self._steps}"}
        self.bar.set_postfix({**steps, **self._shown}, refresh=False)

    def say(self, message):
        """Print a line above the bar."""
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
            if kind is None:  # If the body already raised, report that error, not the full disk.
                raise
