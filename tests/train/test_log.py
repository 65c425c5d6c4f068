import json
import struct

import pytest
from tensorboardX.proto.event_pb2 import Event

from lena_jax.train.log import RunLog


def log(folder, start=0, **options):
    return RunLog(str(folder), start, 10, 4, lambda step: 0.1 * step, **options)


def events(folder):
    """TFRecords: length, its checksum, the event, its checksum."""
    for path in sorted((folder / "tensorboard").iterdir()):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            yield Event.FromString(content[12 : 12 + length])
            content = content[16 + length :]


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_measures_are_written_with_the_learning_rate_of_their_step(tmp_path):
    with log(tmp_path) as written:
        written.step_done()
        written.write(1, loss=0.5, pair_accuracy=0.75)
        written.write(1, validation_pair_accuracy=0.5)
    assert rows(tmp_path)[0] == {"step": 1, "loss": 0.5, "pair_accuracy": 0.75, "learning_rate": 0.0}
    assert rows(tmp_path)[1] == {"step": 1, "validation_pair_accuracy": 0.5}


def test_tensorboard_has_the_same_numbers(tmp_path):
    with log(tmp_path) as written:
        for step in (1, 2):
            written.write(step, loss=1 / step)
    scalars = {
        (event.step, value.tag): value.simple_value for event in events(tmp_path) for value in event.summary.value
    }
    assert scalars[1, "loss"] == 1 and scalars[2, "loss"] == 0.5
    assert scalars[2, "learning_rate"] == pytest.approx(0.1)


def test_what_was_logged_after_the_start_is_dropped_and_so_is_what_cannot_be_read(tmp_path):
    with log(tmp_path) as written:
        for step in (1, 2, 3, 4):
            written.write(step, loss=float(step))
    with open(tmp_path / "metrics.jsonl", "ab") as file:
        file.write(b'\xff\x00\nnull\n{"loss": 1}\n{"step": 2, "loss": 0.')
    with log(tmp_path, start=2) as written:
        written.write(3, loss=7.0)
    assert [(row["step"], row["loss"]) for row in rows(tmp_path)] == [(1, 1.0), (2, 2.0), (3, 7.0)]
    restarts = [event.step for event in events(tmp_path) if event.HasField("session_log")]
    assert 3 in restarts  # TensorBoard forgets steps from there on.


def test_quiet_writes_and_says_nothing(tmp_path, capsys):
    with log(tmp_path, quiet=True) as written:
        written.step_done()
        written.write(1, loss=0.5)
        written.say("hello")
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr() == ("", "")


def test_what_is_said_is_seen(tmp_path, capsys):
    with log(tmp_path) as written:
        written.say("warning: hello")
    said = capsys.readouterr()
    assert "warning: hello\n" in said.out + said.err
