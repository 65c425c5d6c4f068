"""`python -m data_prep build uiv`: what it prints and leaves, and fetching from a server on this machine."""

import dataclasses
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import tensorflow_datasets as tfds
from absl import logging

from data_prep.command import main


@pytest.fixture(autouse=True)
def keep_settings():
    """The command quietens the process's log and bars; the other tests keep theirs."""
    level = logging.get_verbosity()
    yield
    logging.set_verbosity(level)
    tfds.enable_progress_bar()


@pytest.fixture
def run(published, tmp_path, capfd):
    """Runs `build uiv` with the published annotations; returns exit code, stdout and stderr."""

    def run(*options):
        shared = [f"--manual_dir={published}", f"--data_dir={tmp_path / 'data'}"]
        code = main(["build", "uiv", *shared, *options])
        return code, *capfd.readouterr()

    return run


def test_builds_and_says_what_came_of_it(run, images, tmp_path):
    code, out, _ = run(f"--images={images}")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "built uiv/pairs: 8 train, 4 test"
    assert lines[1].split()[:3] == ["pairs", "kept", "lost"]
    assert lines[4].split() == ["in", str(tmp_path / "data" / "uiv" / "pairs" / "2.0.0")]
    code, out, _ = run(f"--images={images}", "--config=images")
    assert code == 0 and "built uiv/images: 16 train, 8 test" in out and "--config.data.name=uiv/images" in out
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["uiv"]
    code, out, _ = run(f"--images={images}")
    assert code == 0 and out.startswith("already there, made from the same input: uiv/pairs")
    assert main(["list", f"--data_dir={tmp_path / 'data'}"]) == 0


def test_other_pictures_need_overwrite(run, images, few, encode):
    assert run(f"--images={images}")[0] == 0
    (images / f"{few.pairs[0].left}.jpg").write_bytes(encode(99))
    code, _, err = run(f"--images={images}")
    assert code == 2 and "--overwrite" in err
    assert run(f"--images={images}", "--overwrite")[0] == 0


def test_bad_input_exits_2_with_one_line_and_leaves_nothing(run, images, few, tmp_path):
    for pair in few.pairs[:5]:
        (images / f"{pair.left}.jpg").unlink()
    cases = {
        "neither --images=DIR nor --fetch": [],
        "no such folder of pictures": [f"--images={tmp_path / 'gone'}"],
        "leaves out 62.5%, expected at most 50%": [f"--images={images}"],
        "max_loss: got 2.0, expected a share": [f"--images={images}", "--max_loss=2"],
        "min_side: got 0": [f"--images={images}", "--min_side=0"],
        "expected at least one": [f"--images={images}", "--min_side=41", "--max_loss=1"],
        "got no pair_matrix.mat": [f"--images={images}", f"--manual_dir={tmp_path}"],
        "per_host: got 0, expected at least 1": ["--fetch", f"--images={images}", "--connections=0"],
    }
    for message, options in cases.items():
        code, out, err = run(*options)
        said = [line for line in err.replace("\r", "\n").splitlines() if line.startswith("data_prep: error:")]
        assert code == 2 and len(said) == 1 and message in said[0], (message, err)
        assert "Traceback" not in err and not out
        assert not (tmp_path / "data").exists(), message
    assert run(f"--images={images}", "--max_loss=0.7")[0] == 0


def test_an_interrupted_build_leaves_nothing(run, images, monkeypatch, tmp_path):
    from data_prep import usable_pictures

    read, count = usable_pictures.read, iter(range(100))

    def interrupt(*arguments):
        if next(count) == 20:
            raise KeyboardInterrupt
        return read(*arguments)

    monkeypatch.setattr(usable_pictures, "read", interrupt)
    assert run(f"--images={images}")[0] == 130
    assert not (tmp_path / "data").exists()
    monkeypatch.undo()


@pytest.fixture
def server(few, encode, monkeypatch):
    """Serves the few pictures except two that are gone and one that fails; where the annotations say they are."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    order, asked = list(few.pictures), []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_): ...

        def do_GET(self):
            number = order.index(self.path.strip("/").removesuffix(".jpg"))
            asked.append(number)
            body = encode(number)
            self.send_response({0: 404, 1: 410, 5: 403}.get(number, 200))
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    for id, picture in few.pictures.items():
        few.pictures[id] = dataclasses.replace(picture, url=f"http://127.0.0.1:{server.server_port}/{id}.jpg")
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_fetches_what_is_missing_and_builds(run, server, few, tmp_path):
    code, out, err = run("--fetch", "--delay=0")
    assert code == 0, err
    assert "0 were there, 21 fetched, 2 gone for good, 1 failed this time" in out
    assert "the server says 403" in out and "built uiv/pairs: 6 train, 4 test" in out
    assert sorted(server) == list(range(24))
    assert len(list((tmp_path / "data" / "downloads" / "uiv" / "pictures").glob("*.jpg"))) == 21
    server.clear()
    code, out, _ = run("--fetch", "--delay=0", "--config=images")
    assert code == 0 and "21 were there, 0 fetched, 2 gone for good, 1 failed this time" in out
    assert server == [5]
    report = json.loads((tmp_path / "data/uiv/images/2.0.0/build_report.json").read_text())
    assert report["splits"]["train"]["missing"] == 3 and report["counts"] == {"train": 13, "test": 8}


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as end:
        main(["build", "uiv", "--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert "--max_loss=0.9" in out and "fetch_ledger.jsonl" in out
