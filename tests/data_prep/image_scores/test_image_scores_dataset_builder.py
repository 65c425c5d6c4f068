"""The built `image_scores`: what goes in comes out, bad pictures stop it or are listed."""

import csv
import hashlib
import io
import json
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from scipy import stats

from data_prep import check
from data_prep.built import BuiltDataset
from data_prep.image_scores import Builder, ImageScoresConfig
from lena_jax.data import dataset, pictures
from lena_jax.data.splits import make_folds

SOPHOAPPEAL = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "sophoappeal"


@pytest.fixture
def build(tmp_path, folder):
    """Builds from `folder` and a CSV; returns the prepared builder."""

    def build(csv, data_dir="data", images=folder, **options):
        config = ImageScoresConfig(name="photos", images=str(images), csv=str(csv), **{"score": "score", **options})
        builder = Builder(config=config, data_dir=tmp_path / data_dir)
        builder.download_and_prepare()
        return builder

    return build


def report(builder):
    return json.loads((Path(builder.data_path) / "build_report.json").read_text())


def read(builder, split="all", **options):
    read_only = tfds.builder_from_directory(builder.data_path)
    return {record["id"].decode(): record for record in read_only.as_data_source(split, **options)}


def no_files(folder):
    return not [path for path in folder.rglob("*") if path.is_file()]


def test_pictures_scores_and_ids_come_out_as_they_went_in(build, folder, scores_csv, tmp_path):
    builder = build(scores_csv)
    assert Path(builder.data_path) == tmp_path / "data" / "image_scores" / "photos" / "2.0.0"
    records = read(builder, decoders={"image": tfds.decode.SkipDecoding()})
    assert sorted(records) == [f"{number}.jpg" for number in range(6)]
    for number in range(6):
        record = records[f"{number}.jpg"]
        assert record["score"] == number and record["group"] == b""
        assert record["image"] == (folder / f"{number}.jpg").read_bytes()
    assert report(builder)["counts"] == {"train": 6} and report(builder)["stored_as_they_were"] == 6
    by_name = tfds.builder("image_scores/photos", data_dir=tmp_path / "data")
    assert len(by_name.as_data_source("all")) == len(by_name.as_data_source("train")) == 6


def test_groups_and_splits_are_kept(build, write_csv):
    splits = ["train", "train", "validation", "validation", "test", "test"]
    rows = [[f"{number}.jpg", number, f"site {number // 2}", split] for number, split in enumerate(splits)]
    builder = build(write_csv(["image", "score", "site", "part"], *rows), group="site", split="part")
    assert report(builder)["counts"] == {"train": 2, "validation": 2, "test": 2}
    for split in ("train", "validation", "test"):
        ids = {row[0] for row in rows if row[3] == split}
        records = read(builder, split)
        assert set(records) == ids
        assert all(record["group"].decode() == f"site {int(record['score']) // 2}" for record in records.values())


def test_same_input_same_bytes_whatever_the_row_order(build, write_csv):
    header = ["image", "score"]
    rows = [[f"{number}.jpg", number] for number in range(6)]
    digests = []
    for attempt, order in enumerate((rows, rows, rows[::-1])):
        builder = build(write_csv(header, *order), data_dir=f"data{attempt}")
        paths = sorted(Path(builder.data_path).iterdir())
        digests.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths})
        assert report(builder)["fingerprint"] == builder.fingerprint()
    assert digests[0] == digests[1] == digests[2]


@pytest.mark.parametrize("change", ["picture", "score"])
def test_other_input_other_fingerprint(build, folder, write_csv, scores_csv, change):
    before = build(scores_csv)
    fingerprint = report(before)["fingerprint"]
    if change == "picture":
        Image.new("RGB", (8, 8)).save(folder / "3.jpg")
    else:
        write_csv(["image", "score"], *[[f"{number}.jpg", number + (number == 5)] for number in range(6)])
    assert build(scores_csv, data_dir="again").fingerprint() != fingerprint


def test_all_kinds_of_pictures_become_rgb(build, tmp_path, write_csv):
    images = tmp_path / "kinds"
    images.mkdir()
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 40).astype(np.uint8)[None, :, None], (20, 1, 3)))
    exif = Image.Exif()
    exif[0x0112] = 6
    ramp.save(images / "rotated.jpg", exif=exif)
    ramp.convert("L").save(images / "grey.jpg")
    ramp.convert("CMYK").save(images / "cmyk.jpg")
    ramp.quantize(32).save(images / "palette.png")
    ramp.convert("RGBA").save(images / "alpha.png")
    ramp.save(images / "plain.jpg")
    names = sorted(path.name for path in images.iterdir())
    csv = write_csv(["image", "score"], *[[name, number] for number, name in enumerate(names)])
    builder = build(csv, images=images)
    records = read(builder)
    assert sorted(records) == names
    for name, record in records.items():
        assert record["image"].shape == ((40, 20, 3) if name == "rotated.jpg" else (20, 40, 3))
        assert np.ptp(record["image"]) > 200
    assert report(builder)["stored_as_they_were"] == 1


BAD = {
    "missing.jpg": None,
    "text.jpg": b"not a picture",
    "empty.jpg": b"",
    "truncated.jpg": "truncated",
}


@pytest.fixture
def with_bad(folder, write_csv):
    """A CSV that names the six good pictures and the bad ones."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)).save(buffer, "JPEG")
    for name, content in BAD.items():
        if content is not None:
            (folder / name).write_bytes(buffer.getvalue()[:-200] if content == "truncated" else content)

    def write(*bad):
        good = [[f"{number}.jpg", number] for number in range(6)]
        return write_csv(["image", "score"], *good, *[[name, 10 + number] for number, name in enumerate(bad)])

    return write


@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_stops_the_build_and_is_named(build, with_bad, name, tmp_path):
    csv = with_bad(name)
    with pytest.raises(ValueError) as caught:
        build(csv)
    assert name in str(caught.value) and f"row 8 of {csv}" in str(caught.value)
    assert no_files(tmp_path / "data")


def test_skipped_pictures_are_listed_and_the_report_adds_up(build, with_bad, write_csv):
    csv = with_bad(*BAD)
    with csv.open("a") as file:
        file.write("unrated.jpg,\n")
    builder = build(csv, on_bad_image="skip")
    summary = report(builder)
    assert [item["id"] for item in sorted(summary["bad_pictures"], key=lambda item: item["row"])] == list(BAD)
    assert all(item["reason"] for item in summary["bad_pictures"])
    left_out = summary["rows_without_score"] + summary["rows_without_group"] + len(summary["bad_pictures"])
    assert summary["rows"] == sum(summary["counts"].values()) + left_out == 11
    assert len(read(builder)) == 6
    assert summary["fingerprint"] == builder.fingerprint()


def test_too_few_comparable_pictures(build, write_csv, folder, tmp_path):
    with pytest.raises(ValueError, match="split 'train': got fewer than two comparable"):
        build(write_csv(["image", "score"], ["0.jpg", 1]))
    with pytest.raises(ValueError, match="a header and no rows"):
        build(write_csv(["image", "score"]))
    with pytest.raises(ValueError, match="split 'train': got fewer than two comparable"):
        build(write_csv(["image", "score", "g"], ["0.jpg", 1, "a"], ["1.jpg", 2, "b"]), group="g")
    (folder / "0.jpg").write_bytes(b"broken")
    # Known only after the pictures are opened.
    with pytest.raises(ValueError, match="split 'train': got fewer than two comparable"):
        build(write_csv(["image", "score"], ["0.jpg", 1], ["1.jpg", 2]), on_bad_image="skip")
    assert no_files(tmp_path / "data")


@pytest.mark.parametrize("on_bad_image", ["error", "skip"])
def test_a_link_out_of_the_folder_is_refused_even_when_skipping(build, folder, write_csv, tmp_path, on_bad_image):
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.jpg")
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    csv = write_csv(["image", "score"], ["0.jpg", 0], ["1.jpg", 1], ["link.jpg", 2])
    with pytest.raises(ValueError, match="'link.jpg' leaves the folder"):
        build(csv, on_bad_image=on_bad_image)
    assert no_files(tmp_path / "data")


@pytest.mark.parametrize(("width", "height"), [(9500, 9500), (32_768, 1)])
def test_a_picture_too_large_is_refused_by_name(build, write_csv, folder, tmp_path, width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(99))), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n"
    for name, part in parts:
        data += struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))
    (folder / "large.png").write_bytes(data)
    csv = write_csv(["image", "score"], ["0.jpg", 0], ["1.jpg", 1], ["large.png", 2])
    with pytest.raises(ValueError, match=rf"large\.png .row 4.*too many pixels.*got {width}x{height}"):
        build(csv)
    assert no_files(tmp_path / "data")


@pytest.mark.parametrize("name", ["../../x.jpg", "/etc/x.jpg", "C:\\x.jpg"])
def test_a_path_out_of_the_folder_is_refused_by_name_in_parquet_too(build, tmp_path, name):
    pyarrow.parquet.write_table(pyarrow.table({"image": ["0.jpg", name], "score": [1, 2]}), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="row 2: picture path") as caught:
        build(tmp_path / "t.parquet", on_bad_image="skip")
    assert repr(name) in str(caught.value) and no_files(tmp_path / "data")


def test_pictures_are_not_kept_in_memory(build, tmp_path, write_csv):
    images = tmp_path / "many"
    images.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    Image.fromarray(noise).save(images / "0.jpg", quality=95)
    for number in range(1, 300):
        os.link(images / "0.jpg", images / f"{number}.jpg")
    size = (images / "0.jpg").stat().st_size
    peaks = []
    for count in (30, 30, 300):
        csv = write_csv(["image", "score"], *[[f"{number}.jpg", number] for number in range(count)])
        tracemalloc.start()
        build(csv, images=images, data_dir=f"data{len(peaks)}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # The first build imports and caches. Of each further picture a row of the table stays, a kilobyte at most.
    assert size > 15_000
    assert peaks[2] - peaks[1] < 270 * 1000


def test_missing_folder_and_bad_options_are_named(build, scores_csv, tmp_path):
    with pytest.raises(ValueError, match=f"no such folder of pictures: {tmp_path / 'gone'}"):
        build(scores_csv, images=tmp_path / "gone")
    with pytest.raises(ValueError, match="on_bad_image: got 'ignore', expected 'error' or 'skip'"):
        build(scores_csv, on_bad_image="ignore")


def test_further_scores_units_and_weights_are_stored(build, write_csv):
    rows = [[f"{n}.jpg", n, n / 2 if n else "", f"author {n % 2}", n + 1] for n in range(6)]
    csv = write_csv(["image", "likes", "rating", "author", "times"], *rows)
    builder = build(csv, score=("likes", "rating"), fold_by="author", weight="times")
    for name, record in read(builder).items():
        number = int(name.split(".")[0])
        assert record["score"] == number and record["weight"] == number + 1
        assert record["unit"].decode() == f"author {number % 2}"
        assert record["content"].decode() == pictures.content_hash(Image.fromarray(record["image"]))
        assert record["scores"]["rating"] == number / 2 or number == 0
    assert report(builder)["columns"]["score"] == ["likes", "rating"]
    data_dir = str(Path(builder.data_path).parents[2])
    loaded = dataset.load("image_scores/photos", data_dir, "all")
    assert loaded.weights[list(loaded.ids).index("3.jpg")] == 4
    assert sorted(map(len, make_folds(loaded, 2))) == [3, 3]
    ratings = dataset.load("image_scores/photos", data_dir, "all", score="rating")
    # Of the first there is no rating.
    assert sorted(zip(ratings.ids, ratings.scores, strict=True)) == [(f"{n}.jpg", n / 2) for n in range(1, 6)]
    assert ratings.picture(0).tolist() == loaded.picture(list(loaded.ids).index(ratings.ids[0])).tolist()
    named = dataset.load("image_scores/photos", data_dir, "all", score="likes")
    np.testing.assert_array_equal(named.scores, loaded.scores)
    with pytest.raises(ValueError, match="no score 'stars', expected one of score .likes., rating"):
        dataset.load("image_scores/photos", data_dir, "all", score="stars")


def test_rates_keep_the_likes_and_say_their_prior(build, write_csv):
    rows = [[f"{n}.jpg", n, 20 * n + 30] for n in range(6)]
    builder = build(write_csv(["image", "likes", "views"], *rows), score="likes", transform="rate", views="views")
    prior = report(builder)["priors"][""]
    assert prior["rate"] == pytest.approx(15 / 480)
    for record in read(builder).values():
        likes = float(record["scores"]["likes"])
        expected = (likes + prior["strength"] * prior["rate"]) / (20 * likes + 30 + prior["strength"])
        assert record["score"] == pytest.approx(expected, rel=1e-6)


@pytest.fixture
def twice(folder, write_csv):
    """A table in which the pixels of 0.jpg, in train, are in test too, in another format."""
    with Image.open(folder / "0.jpg") as picture:
        picture.save(folder / "copy.png")
    rows = [[f"{n}.jpg", n, "test" if n > 3 else "train"] for n in range(6)]
    return write_csv(["image", "score", "part"], *rows, ["copy.png", 9, "test"])


def test_a_picture_in_two_splits_stops_the_build(build, twice, tmp_path):
    with pytest.raises(ValueError, match="'0.jpg' .row 2. in train is equal to 'copy.png' .row 8. in test"):
        build(twice, split="part")
    assert no_files(tmp_path / "data")


def test_a_picture_in_two_splits_stays_in_the_test_split(build, twice):
    builder = build(twice, split="part", on_duplicate="skip")
    summary = report(builder)
    assert summary["duplicates_left_out"] == [{"id": "0.jpg", "row": 2, "equal_to": "copy.png"}]
    assert summary["counts"] == {"train": 3, "test": 3} and summary["rows"] == 7
    assert "0.jpg" not in read(builder) and set(read(builder, "test")) == {"4.jpg", "5.jpg", "copy.png"}
    assert not check.check(built_data(builder)).problems
    assert summary["fingerprint"] == builder.fingerprint()


def test_equal_pictures_are_in_one_fold(build, twice):
    builder = build(twice)
    assert report(builder)["duplicates_kept"] == 1
    loaded = dataset.load("image_scores/photos", str(Path(builder.data_path).parents[2]), "all")
    for seed in range(5):
        folds = [set(loaded.ids[part]) for part in make_folds(loaded, 3, seed)]
        assert sum({"0.jpg", "copy.png"} <= fold for fold in folds) == 1


def built_data(builder):
    return BuiltDataset("image_scores/photos", Path(builder.data_path).parents[2])


def no_duplicate_across_folds(builder, count=5):
    """Return the folds of a built dataset; check by pixels decoded here that they share no picture."""
    loaded = dataset.load("image_scores/photos", str(Path(builder.data_path).parents[2]), "all")
    folds = make_folds(loaded, count)
    contents = [{hashlib.sha256(loaded.picture(i).tobytes()).digest() for i in fold} for fold in folds]
    assert sum(map(len, contents)) == len(set().union(*contents))
    assert sum(map(len, folds)) == len(loaded)
    return loaded, folds


@pytest.mark.skipif(not SOPHOAPPEAL.is_dir(), reason="the real photographs are not here")
def test_real_photographs(build):
    builder = build(SOPHOAPPEAL / "scores.csv", images=SOPHOAPPEAL / "images", score="appeal_mos")
    summary = report(builder)
    assert summary["rows"] == 1061 and summary["counts"] == {"train": 1023} and not summary["bad_pictures"]
    loaded, folds = no_duplicate_across_folds(builder)
    assert len(loaded) == 1023 and 1.1 < loaded.scores.min() < loaded.scores.max() < 4.8
    assert {len(fold) for fold in folds} == {204, 205}
    assert not check.check(built_data(builder)).problems


@pytest.mark.skipif(not SOPHOAPPEAL.is_dir(), reason="the real photographs are not here")
@pytest.mark.parametrize("transform", ["raw", "rate", "percentile"])
def test_real_likes_within_their_sites(build, transform):
    options = {"views": "views"} if transform == "rate" else {}
    builder = build(
        SOPHOAPPEAL / "scores.csv",
        images=SOPHOAPPEAL / "images",
        score="likes",
        group="source",
        transform=transform,
        **options,
    )
    assert report(builder)["counts"] == {"train": 359}
    loaded, folds = no_duplicate_across_folds(builder)
    assert sorted(set(loaded.groups)) == ["500px_cc0", "pixabay_first50k"] and len(folds) == 5
    with (SOPHOAPPEAL / "scores.csv").open(newline="") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    likes, views = (np.array([float(rows[id][name]) for id in loaded.ids]) for name in ("likes", "views"))
    for group in set(loaded.groups):
        here = loaded.groups == group
        if transform == "rate":
            prior = report(builder)["priors"][group]
            assert prior["rate"] == pytest.approx(likes[here].sum() / views[here].sum())
            assert 1 < prior["strength"] < views[here].sum()
            raw = likes[here] / views[here]
            # Shrunk: never further from the group's rate than the raw rate is.
            assert np.all(np.abs(loaded.scores[here] - prior["rate"]) <= np.abs(raw - prior["rate"]) + 1e-6)
        else:
            assert stats.spearmanr(loaded.scores[here], likes[here]).statistic == pytest.approx(1)
        if transform == "percentile":
            assert loaded.scores[here].mean() == pytest.approx(0.5)


def test_nearly_equal_pictures_stay_together(build, write_csv, folder):
    for number in range(4):
        coarse = np.random.default_rng(number).integers(0, 256, (7, 9, 3), dtype=np.uint8)
        smooth = Image.fromarray(coarse).resize((120, 90), Image.Resampling.BICUBIC)
        smooth.save(folder / f"{number}.jpg", quality=95)
        smooth.resize((100, 75)).save(folder / f"copy_{number}.png")
    names = [f"{number}.jpg" for number in range(4)] + [f"copy_{number}.png" for number in range(4)]
    table = write_csv(
        ["image", "score", "part"], *[[name, n, "train" if n < 4 else "test"] for n, name in enumerate(names)]
    )
    builder = build(table)
    assert sorted(map(sorted, report(builder)["near_duplicates"])) == [[f"{n}.jpg", f"copy_{n}.png"] for n in range(4)]
    data_dir = str(Path(builder.data_path).parents[2])
    loaded = dataset.load("image_scores/photos", data_dir, "all")
    for part in make_folds(loaded, 2):
        numbers = [name[-5] for name in loaded.ids[part]]
        assert sorted(numbers) == sorted(2 * sorted(set(numbers)))
    with pytest.raises(
        ValueError, match="in train is nearly equal to 'copy_.*' .* in test: expected such pictures in one"
    ):
        build(table, "data_2", split="part")
    kept = build(table, "data_4", split="part", on_near_duplicate="keep")
    assert report(kept)["counts"] == {"train": 4, "test": 4} and report(kept)["near_duplicates"] == []
