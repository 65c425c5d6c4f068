"""The built `uiv` from the published annotations and a generated picture for every id.

The pairs are built once from all annotations, the rest from a part of them: test_uiv_annotations.py covers the whole.
"""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from data_prep.uiv import Builder, annotations
from lena_jax.data import picture_decoding, pictures

ENCODED = {name: tfds.decode.SkipDecoding() for name in ("left", "right", "image")}


@pytest.fixture(scope="module", autouse=True)
def no_bars():
    tfds.disable_progress_bar()
    yield
    tfds.enable_progress_bar()


@pytest.fixture(scope="module", autouse=True)
def decoded_here():
    """Decodes without worker processes, which tests/data covers, and equal files once: there are 10,078 of 8 kinds."""

    @functools.cache
    def decode(data, small=0):
        known, (_, content) = picture_decoding.stored(data, small)
        return pictures.Picture(content or data, known["content"], tuple(known["size"]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "decode", decode)
        yield


def make(published, images, data_dir, config="pairs", **options):
    return Builder(config=config, images=images, manual_dir=published, data_dir=data_dir, **options)


def read(builder, split):
    names = ENCODED.keys() & builder.info.features.keys()
    source = tfds.builder_from_directory(builder.data_path).as_data_source(
        split, decoders={name: ENCODED[name] for name in names}
    )
    return list(source)


def report(builder):
    return json.loads((Path(builder.data_path) / "build_report.json").read_text())


def files(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in Path(folder).iterdir()}


@pytest.fixture(scope="module")
def whole(published, all_pictures, tmp_path_factory):
    """All pairs, built with a picture for every id."""
    builder = make(published, all_pictures, tmp_path_factory.mktemp("uiv"))
    builder.download_and_prepare()
    return builder


def test_pairs_are_the_published_ones(whole, content, all_pictures):
    by_ids = {(pair.left, pair.right): pair for pair in content.pairs}
    seen = {}
    for split, count in (("train", 4_550), ("test", 489)):
        records = read(whole, split)
        assert len(records) == count
        seen[split] = set()
        for record in records:
            left, right = record["left_id"].decode(), record["right_id"].decode()
            pair = by_ids.pop((left, right))
            assert record["label"] == pair.label == (record["left_score"] > record["right_score"])
            assert record["left_score"] == np.float32(content.pictures[left].score)
            assert record["right_score"] == np.float32(content.pictures[right].score)
            attributes = tuple(int(record["attributes"][name]) for name in annotations.ATTRIBUTES)
            assert attributes == pair.attributes and set(attributes) <= {-1, 0, 1}
            assert pair.split == split
            seen[split] |= {left, right}
        # The right picture under the right name.
        for record in records[:50]:
            for side in ("left", "right"):
                name = record[f"{side}_id"].decode()
                assert record[side] == (all_pictures / f"{name}.jpg").read_bytes()
    assert not by_ids
    assert not seen["train"] & seen["test"] and len(seen["train"] | seen["test"]) == 10_078


@pytest.fixture
def of_part(only_part, published, all_pictures, tmp_path):
    """A function: config -> the builder, after it built `part` whole."""

    def build(config, folder="part"):
        builder = make(published, all_pictures, tmp_path / folder, config)
        builder.download_and_prepare()
        return builder

    return build


def test_images_have_the_scores_and_counts_of_their_annotations(of_part, part):
    from lena_jax.data import dataset

    builder = of_part("images")
    for split, count in (("train", 800), ("test", 120)):
        records = read(builder, split)
        assert len(records) == count
        for record in records:
            picture = part.pictures.get(record["id"].decode())
            assert record["best_likes"] == np.float32(picture.best_likes)
            assert record["submissions"] == picture.submissions
            assert record["score"] == np.float32(picture.score) and picture.split == split
    loaded = dataset.load("uiv/images", str(Path(builder.data_path).parents[2]), "test")
    assert len(loaded) == 120 and loaded.groups is None
    assert loaded.picture(0).shape == (32, 40, 3)
    assert all(
        score == np.float32(part.pictures[id].score) for id, score in zip(loaded.ids, loaded.scores, strict=True)
    )
    nothing = {"missing": 0, "undecodable": 0, "wrong_size": 0}
    summary = report(builder)
    assert summary["counts"] == {"train": 800, "test": 120}
    assert summary["splits"]["test"] == {"kept": 120, "lost": 0, "pictures": 120, "usable": 120, **nothing}


def test_the_report_of_a_whole_build(whole):
    pairs = report(whole)
    assert pairs["counts"] == {"train": 4_550, "test": 489} and pairs["left_out"] == []
    assert pairs["splits"]["test"] == {
        "pairs": 489,
        "kept": 489,
        "lost": 0,
        "pictures": 978,
        "usable": 978,
        "missing": 0,
        "undecodable": 0,
        "wrong_size": 0,
    }
    lines = (Path(whole.data_path) / "build_report.txt").read_text().splitlines()
    assert lines[0].split() == "pairs kept lost pictures usable missing undecodable wrong size".split()
    assert lines[2].split() == ["test", "489", "489", "0", "978", "978", "0", "0", "0"]


def test_same_input_same_bytes(of_part):
    once, again = of_part("pairs"), of_part("pairs", "again")
    assert files(again.data_path) == files(once.data_path)
    assert again.fingerprint() == report(once)["fingerprint"]


@pytest.fixture(scope="module")
def damaged(part, all_pictures, encode, tmp_path_factory):
    """Every tenth picture missing, some truncated, some tiny, some in other formats; and what was done."""
    folder = tmp_path_factory.mktemp("damaged")
    done = {"missing": set(), "undecodable": set(), "wrong_size": set()}
    small, png = encode(0, (40, 31)), encode(0, picture_format="PNG")
    for number, id in enumerate(part.pictures):
        source = all_pictures / f"{id}.jpg"
        if number % 10 == 0:
            done["missing"].add(id)
        elif number % 97 == 1:
            (folder / f"{id}.jpg").write_bytes(source.read_bytes()[:300])
            done["undecodable"].add(id)
        elif number % 101 == 2:
            (folder / f"{id}.jpg").write_bytes(small)
            done["wrong_size"].add(id)
        elif number % 300 == 3:
            (folder / f"{id}.PNG").write_bytes(png)
        else:
            os.link(source, folder / f"{id}.jpg")
    (folder / "readme.txt").write_text("not a picture")
    (folder / "1.jpg").write_bytes(b"of no known id")
    return folder, done


@pytest.mark.parametrize("config", ["pairs", "images"])
def test_a_damaged_folder_builds_and_the_report_adds_up(config, published, only_part, part, damaged, tmp_path):
    folder, done = damaged
    builder = make(published, folder, tmp_path, config)
    builder.download_and_prepare()
    summary = report(builder)
    bad = {item["id"]: item for item in summary["left_out"]}
    assert {id: item["reason"] for id, item in bad.items()} == {
        id: reason for reason, ids in done.items() for id in ids
    }
    assert len(bad) == len(summary["left_out"]) and all(item["detail"] for item in bad.values())
    for split, numbers in summary["splits"].items():
        ids = {picture.id for picture in part.pictures.values() if picture.split == split}
        assert {reason: numbers[reason] for reason in done} == {
            reason: len(ids & gone) for reason, gone in done.items()
        }
        assert numbers["pictures"] == len(ids) == numbers["usable"] + sum(numbers[reason] for reason in done)
        pairs = [pair for pair in part.pairs if pair.split == split]
        whole_pairs = [pair for pair in pairs if not {pair.left, pair.right} & bad.keys()]
        kept = len(whole_pairs) if config == "pairs" else len(ids - bad.keys())
        everything = len(pairs) if config == "pairs" else len(ids)
        assert numbers["kept"] == kept == summary["counts"][split] == len(read(builder, split))
        assert numbers["kept"] + numbers["lost"] == everything
    assert summary["fingerprint"] == builder.fingerprint()


def no_files(folder):
    # TFDS leaves the name of the default config; the command's builds are staged and leave nothing at all.
    return not [path for path in folder.rglob("*") if path.is_file() and path.parent.name != ".config"]


def test_a_split_that_leaves_out_too_much_stops_the_build(published, few, images, encode, tmp_path):
    test = [pair for pair in few.pairs if pair.split == "test"]
    for pair in test[1:]:
        (images / f"{pair.left}.jpg").unlink()
    with pytest.raises(ValueError, match="split 'test': got 1 of 4 pairs .*leaves out 75.0%, expected at most 50%"):
        make(published, images, tmp_path / "data").download_and_prepare()
    # There but broken: known only at the end.
    for pair in test[1:]:
        (images / f"{pair.left}.jpg").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"split 'test': got 1 of 4 pairs \(pictures: 3 undecodable\)"):
        make(published, images, tmp_path / "data").download_and_prepare()
    assert no_files(tmp_path / "data")
    builder = make(published, images, tmp_path / "data", max_loss=0.75)
    builder.download_and_prepare()
    assert report(builder)["counts"] == {"train": 8, "test": 1}
    (images / f"{test[0].right}.jpg").unlink()
    with pytest.raises(ValueError, match="split 'test': got 0 of 4 pairs.*expected at least one"):
        make(published, images, tmp_path / "empty", max_loss=1).download_and_prepare()
    assert no_files(tmp_path / "empty")


def test_bad_input_is_named(published, all_pictures, tmp_path):
    with pytest.raises(ValueError, match=f"no such folder of pictures: {tmp_path / 'gone'}"):
        make(published, tmp_path / "gone", tmp_path / "data").download_and_prepare()
    with pytest.raises(ValueError, match="max_loss: got 50, expected a share from 0 to 1"):
        make(published, all_pictures, tmp_path / "data", max_loss=50)
    with pytest.raises(ValueError, match="min_side: got 0, expected at least 1"):
        make(published, all_pictures, tmp_path / "data", min_side=0)
    with pytest.raises(ValueError, match="got no Top_489_pair.mat, expected the published files"):
        folder = tmp_path / "some"
        shutil.copytree(published, folder)
        (folder / "Top_489_pair.mat").chmod(0o600)
        (folder / "Top_489_pair.mat").unlink()
        make(folder, all_pictures, tmp_path / "data").download_and_prepare()
    assert no_files(tmp_path / "data")


def test_other_annotations_are_refused(published, all_pictures, tmp_path):
    folder = tmp_path / "changed"
    folder.mkdir()
    for path in published.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "pair_matrix.mat").write_bytes(b"other")
    with pytest.raises(ValueError, match="not the published annotation file.*pair_matrix.mat"):
        make(folder, all_pictures, tmp_path / "data").download_and_prepare()
    assert no_files(tmp_path / "data")


def test_a_link_out_of_the_folder_is_refused(published, few, images, encode, tmp_path):
    (tmp_path / "secret.jpg").write_bytes(encode(0))
    (images / f"{few.pairs[0].left}.jpg").unlink()
    (images / f"{few.pairs[0].left}.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(ValueError, match="leaves the folder of pictures through a symbolic link"):
        make(published, images, tmp_path / "data").download_and_prepare()
    assert no_files(tmp_path / "data")


@pytest.fixture
def raw(published, monkeypatch):
    """The published files behind a server on this machine; a builder class that downloads from it."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(published)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    urls = {name: f"http://127.0.0.1:{server.server_port}/{name}" for name in annotations.URLS}
    infos = {urls[name]: Builder.url_infos[annotations.URLS[name]] for name in urls}
    monkeypatch.setattr(annotations, "URLS", urls)
    monkeypatch.setattr(Builder, "url_infos", infos)
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_annotations_are_downloaded_once(raw, published, few, images, tmp_path):
    builder = Builder(images=images, cache_dir=tmp_path / "cache", data_dir=tmp_path / "data")
    assert builder.content is few and len(raw) == 5
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == sorted(annotations.URLS)
    builder.download_and_prepare()
    assert len(raw) == 5
    # From a folder or from a server, the same bytes come out.
    manual = make(published, images, tmp_path / "manual")
    manual.download_and_prepare()
    assert files(manual.data_path) == files(builder.data_path)


def test_a_download_with_other_content_is_refused(raw, all_pictures, tmp_path, monkeypatch):
    wrong = {url: info for url, info in Builder.url_infos.items()}
    url = annotations.URLS["pair_matrix.mat"]
    wrong[url] = type(wrong[url])(size=wrong[url].size, checksum="0" * 64, filename="pair_matrix.mat")
    monkeypatch.setattr(Builder, "url_infos", wrong)
    builder = Builder(images=all_pictures, cache_dir=tmp_path / "cache", data_dir=tmp_path / "data")
    with pytest.raises(ValueError, match="not the published annotation file"):
        builder.download_and_prepare()
    assert not (tmp_path / "cache").exists() and not (tmp_path / "data" / "uiv" / "pairs" / "2.0.0").exists()


def test_annotations_that_are_not_there_say_what_to_do(raw, all_pictures, tmp_path, monkeypatch):
    urls = {name: f"{url}.gone" for name, url in annotations.URLS.items()}
    monkeypatch.setattr(Builder, "url_infos", {urls[name]: Builder.url_infos[annotations.URLS[name]] for name in urls})
    monkeypatch.setattr(annotations, "URLS", urls)
    with pytest.raises(OSError, match="cannot be downloaded .*404.*--manual_dir"):
        Builder(images=all_pictures, data_dir=tmp_path / "data").download_and_prepare()


def test_tensorflow_stays_out():
    script = "import sys, data_prep.uiv.uiv_dataset_builder; assert 'tensorflow' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
