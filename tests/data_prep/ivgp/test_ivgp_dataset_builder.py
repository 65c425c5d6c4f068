"""The built `ivgp`: pictures, pairs, pictures left out and duplicates, also through the command."""

import datetime
import hashlib
import io
import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from absl import logging
from PIL import Image

from data_prep.command import main
from data_prep.ivgp import Builder

AUTHORS, EACH = 30, 10


def encode(number, picture_format="JPEG", size=(36, 34)):
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, picture_format)
    return buffer.getvalue()


def activity(number, **changes):
    """The post of a number; every third author posts in another month."""
    rng = np.random.default_rng(number)
    author = number // EACH
    moment = datetime.datetime(2012, 1 + author % 3, 1 + number % 20, tzinfo=datetime.UTC)
    counts = dict(zip(("plusoners", "replies", "resharers"), rng.integers(0, 60, 3).tolist(), strict=True))
    body = {name: {"totalItems": count} for name, count in counts.items()}
    body["attachments"] = [{"objectType": "photo", "image": {"url": f"http://127.0.0.1/{number}.jpg"}}]
    return {
        "id": f"z{number}",
        "published": moment.isoformat(),
        "actor": {"id": f"a{author}"},
        "object": body,
        **changes,
    }


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """300 posts of 30 authors as JSON lines, and a folder with all their pictures."""
    folder = tmp_path_factory.mktemp("ivgp")
    images = folder / "images"
    images.mkdir()
    lines = [json.dumps(activity(number)) for number in range(AUTHORS * EACH)]
    (folder / "posts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for number in range(AUTHORS * EACH):
        (images / f"z{number}.jpg").write_bytes(encode(number))
    return folder


@pytest.fixture
def copy(source, tmp_path):
    """The posts and pictures in a folder of the test's own."""
    (tmp_path / "images").mkdir()
    for path in (source / "images").iterdir():
        (tmp_path / "images" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "posts.jsonl").write_bytes((source / "posts.jsonl").read_bytes())
    return tmp_path


def build(folder, data_dir, config="images", **options):
    builder = Builder(
        config=config,
        activities=folder / "posts.jsonl",
        images=folder / "images",
        data_dir=data_dir,
        **{"test": 0.3, **options},
    )
    builder.download_and_prepare()
    return builder


def read(builder, split):
    names = {"image", "left", "right"} & builder.info.features.keys()
    decoders = {name: tfds.decode.SkipDecoding() for name in names}
    return list(tfds.builder_from_directory(builder.data_path).as_data_source(split, decoders=decoders))


def report(builder):
    return json.loads((Path(builder.data_path) / "build_report.json").read_text())


def files(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in Path(folder).iterdir()}


def test_pictures_come_out_as_they_went_in(source, tmp_path):
    from lena_jax.data import dataset

    builder = build(source, tmp_path)
    records = {split: read(builder, split) for split in ("train", "test")}
    assert {split: len(items) for split, items in records.items()} == report(builder)["counts"]
    seen = {post.id: post for post in builder.content.posts}
    assert len(seen) == 300 == sum(map(len, records.values()))
    for split, items in records.items():
        for record in items:
            post = seen[record["id"].decode()]
            assert record["image"] == (source / "images" / f"{post.id}.jpg").read_bytes()
            assert record["score"] == np.float32(post.score) and post.split == split
            assert record["group"].decode() == post.group and record["unit"].decode() == post.activity.author
            counts = [post.activity.plusoners, post.activity.replies, post.activity.resharers]
            assert [record[name] for name in ("plusoners", "replies", "resharers")] == counts
            assert record["published"] == post.activity.published
    authors = {split: {record["unit"] for record in items} for split, items in records.items()}
    assert not authors["train"] & authors["test"] and len(authors["train"] | authors["test"]) == AUTHORS
    assert report(builder)["authors"] == {split: len(names) for split, names in authors.items()}
    loaded = dataset.load("ivgp/images", str(tmp_path), "test")
    assert len(loaded) == len(records["test"]) and len(set(loaded.groups)) > 1


def test_pairs_keep_gap_window_and_author_apart(source, tmp_path):
    builder = build(source, tmp_path, "pairs", gap=0.2, pairs=400, window_days=7)
    seen = {post.id: post for post in builder.content.posts}
    sides = {}
    for split in ("train", "test"):
        records = read(builder, split)
        assert len(records) == report(builder)["counts"][split] <= 400
        keys = set()
        for record in records:
            left, right = (seen[record[f"{side}_id"].decode()] for side in ("left", "right"))
            assert left.group == right.group == record["group"].decode()
            assert abs(left.activity.published - right.activity.published) < 7 * 86_400
            assert record["label"] == (left.score > right.score)
            assert abs(left.score - right.score) >= 0.2 - 1e-6
            assert record["left"] == (source / "images" / f"{left.id}.jpg").read_bytes()
            assert record["right_score"] == np.float32(right.score)
            assert record["right_author"].decode() == right.activity.author
            keys.add(frozenset((left.id, right.id)))
        assert len(keys) == len(records)
        labels = [int(record["label"]) for record in records]
        assert 0.35 < np.mean(labels) < 0.65
        sides[split] = {seen[id].activity.author for pair in keys for id in pair}
    assert report(builder)["counts"]["train"] == 400
    assert not sides["train"] & sides["test"]


@pytest.mark.parametrize("config", ["images", "pairs"])
def test_same_input_same_bytes_whatever_the_order_of_lines(config, source, copy):
    first = build(source, copy / "first", config, pairs=100)
    lines = (copy / "posts.jsonl").read_text().splitlines()
    (copy / "posts.jsonl").write_text("\n".join(reversed(lines)))
    second = build(copy, copy / "second", config, pairs=100)
    assert files(first.data_path) == files(second.data_path)
    assert second.fingerprint() == report(first)["fingerprint"]
    (copy / "images" / "z5.jpg").write_bytes(encode(1000))
    assert build(copy, copy / "third", config, pairs=100).fingerprint() != report(first)["fingerprint"]


def test_other_seed_other_pairs(source, tmp_path):
    names = []
    for seed in (0, 1):
        records = read(build(source, tmp_path / str(seed), "pairs", pairs=50, seed=seed), "train")
        names.append({(record["left_id"], record["right_id"]) for record in records})
    assert len(names[0]) == len(names[1]) == 50 and names[0] != names[1]


def test_pictures_left_out_and_duplicates_add_up(copy):
    images = copy / "images"
    lines = [activity(number) for number in range(300)]
    lines += [activity(300, verb="share"), activity(301, object={**activity(301)["object"], "attachments": []})]
    (copy / "posts.jsonl").write_text("\n".join(map(json.dumps, lines)))
    for number in range(0, 300, 10):
        (images / f"z{number}.jpg").unlink()
    for number in range(1, 300, 50):
        (images / f"z{number}.jpg").write_bytes(encode(number)[:200])
    (images / "z2.jpg").write_bytes(encode(2, size=(31, 40)))
    (images / "z3.jpg").unlink()
    (images / "z3.PNG").write_bytes(encode(3, "PNG"))
    # The same pixels as z4 in another format, by another author, later.
    (images / "z295.jpg").unlink()
    (images / "z295.png").write_bytes(encode(295, "PNG"))
    (images / "z4.jpg").unlink()
    (images / "z4.bmp").write_bytes(encode(295, "BMP"))
    builder = build(copy, copy / "data")
    summary = report(builder)
    assert summary["activities"] == {
        "activities": 302,
        "reshares": 1,
        "without_picture": 1,
        "without_time": 0,
        "without_author": 0,
    }
    reasons = [item["reason"] for item in summary["left_out"]]
    assert {reason: reasons.count(reason) for reason in set(reasons)} == {
        "missing": 30,
        "undecodable": 6,
        "wrong_size": 1,
        "duplicate": 1,
    }
    (duplicate,) = [item for item in summary["left_out"] if item["reason"] == "duplicate"]
    assert duplicate["id"] == "z295" and "z4" in duplicate["detail"]
    for split, numbers in summary["splits"].items():
        assert numbers["kept"] == numbers["usable"] == summary["counts"][split] == len(read(builder, split))
        left_out = sum(numbers[reason] for reason in ("missing", "undecodable", "wrong_size", "duplicate"))
        assert numbers["pictures"] == numbers["usable"] + left_out and numbers["lost"] == left_out
    assert sum(numbers["pictures"] for numbers in summary["splits"].values()) == 300
    assert (
        "302 activities, of which left out: 1 reshares, 1 without picture"
        in (Path(builder.data_path) / "build_report.txt").read_text()
    )
    pairs = build(copy, copy / "data", "pairs", pairs=200)
    left_out = {item["id"] for item in summary["left_out"]}
    for record in read(pairs, "train") + read(pairs, "test"):
        assert not {record["left_id"].decode(), record["right_id"].decode()} & left_out


def test_a_csv_may_name_the_pictures(copy):
    (copy / "images" / "sub").mkdir()
    (copy / "images" / "sub" / "x.jpg").write_bytes(encode(5))
    rows = [f"p{number},{number},0,{number},{'sub/x.jpg' if number == 7 else f'z{number}.jpg'}" for number in range(40)]
    (copy / "posts.csv").write_text("\n".join(["id,plusoners,replies,resharers,image", *rows]))
    builder = Builder(
        activities=copy / "posts.csv", images=copy / "images", test=0.3, data_dir=copy / "data", config="images"
    )
    builder.download_and_prepare()
    records = {record["id"].decode(): record for split in ("train", "test") for record in read(builder, split)}
    # z5.jpg and sub/x.jpg are the same picture: one of them counts.
    assert len(records) == 39 and ("p5" in records) != ("p7" in records)
    assert records["p6"]["image"] == (copy / "images" / "z6.jpg").read_bytes()
    assert {record["group"] for record in records.values()} == {b""}


def no_files(folder):
    return not [path for path in folder.rglob("*") if path.is_file() and path.parent.name != ".config"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_loss": 2}, "max_loss: got 2"),
        ({"min_side": 0}, "min_side: got 0"),
        ({"gap": -1}, "gap: got -1"),
        ({"gap": float("nan")}, "gap: got nan"),
        ({"pairs": 0}, "pairs: got 0"),
        ({"seed": -1}, "seed: got -1"),
        ({"gap": 1e6}, "split 'train': got no two comparable pictures of .* at least 1e.06"),
        ({"min_side": 35}, "split 'train': got 0 of .*wrong size.*expected at least one"),
    ],
)
def test_bad_options_are_named(source, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        build(source, tmp_path / "data", "pairs", **options)
    assert no_files(tmp_path)


def test_too_great_a_loss_stops_the_build(copy):
    for number in range(300):
        if number % 10 < 6:
            (copy / "images" / f"z{number}.jpg").unlink()
    with pytest.raises(ValueError, match="leaves out 60.0%, expected at most 50%"):
        build(copy, copy / "data")
    assert sum(report(build(copy, copy / "data", max_loss=0.6))["counts"].values()) == 120


def test_a_link_out_of_the_folder_is_refused(copy):
    (copy / "secret.jpg").write_bytes(encode(0))
    (copy / "images" / "z8.jpg").unlink()
    (copy / "images" / "z8.jpg").symlink_to(copy / "secret.jpg")
    with pytest.raises(ValueError, match="leaves the folder of pictures through a symbolic link"):
        build(copy, copy / "data")


@pytest.fixture
def run(copy, capfd):
    """Runs `build ivgp` on the copy; returns exit code, stdout and stderr."""
    level = logging.get_verbosity()

    def run(*options):
        shared = [f"--images={copy / 'images'}", f"--data_dir={copy / 'data'}", "--test=0.3"]
        code = main(["build", "ivgp", *shared, f"--activities={copy / 'posts.jsonl'}", *options])
        return code, *capfd.readouterr()

    yield run
    logging.set_verbosity(level)


def test_the_command_builds_and_says_what_came_of_it(run, copy):
    code, out, err = run()
    assert code == 0, err
    assert "built ivgp/images:" in out and "300 activities" in out and "--config.data.name=ivgp/images" in out
    code, out, _ = run("--config=pairs", "--pairs=100", "--same_author")
    assert code == 0 and "built ivgp/pairs: 100 train, 100 test" in out
    assert run("--config=pairs", "--pairs=100", "--same_author")[1].startswith("already there")
    code, _, err = run("--config=pairs", "--pairs=99", "--same_author")
    assert code == 2 and "--overwrite" in err
    assert main(["check", "ivgp/images", f"--data_dir={copy / 'data'}"]) == 0
    assert main(["check", "ivgp/pairs", f"--data_dir={copy / 'data'}"]) == 0


def test_the_command_says_what_is_wrong_in_one_line(run, copy):
    for message, options in {
        "no such file of activities": [f"--activities={copy / 'gone'}"],
        "no such folder of pictures": [f"--images={copy / 'gone'}"],
        "expected a share from 0 to below 1": ["--test=3"],
        "got no two comparable": ["--gap=1000000"],
    }.items():
        code, out, err = run(*options)
        said = [line for line in err.replace("\r", "\n").splitlines() if line.startswith("data_prep: error:")]
        assert code == 2 and len(said) == 1 and message in said[0] and not out
        assert not (copy / "data").exists()


def test_the_command_fetches(run, copy, source, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_): ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(source / "images")))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        lines = []
        for number in range(60):
            post = activity(number)
            address = f"http://127.0.0.1:{server.server_port}/z{number if number != 9 else 'gone'}.jpg"
            post["object"]["attachments"][0]["image"]["url"] = address
            lines.append(json.dumps(post))
            if number < 20:
                (copy / "images" / f"z{number}.jpg").unlink()
        (copy / "posts.jsonl").write_text("\n".join(lines))
        code, out, err = run("--fetch", "--delay=0", "--test=0.5")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert code == 0, err
    assert "40 were there, 19 fetched, 1 gone for good, 0 failed" in out
    assert (copy / "images" / "z3.jpg").read_bytes() == (source / "images" / "z3.jpg").read_bytes()
    assert not (copy / "images" / "z9.jpg").exists()


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as end:
        main(["build", "ivgp", "--help"])
    assert end.value.code == 0
    assert "plusoners,replies,resharers" in capsys.readouterr().out
