"""Blocks of pictures without Ray: their contents, files that are complete or absent, and folders of other jobs."""

import dataclasses
import json
import os
import re

import numpy as np
import pytest
from scored_run import KINDS

from lena_jax.scoring import Scorer, blocks
from lena_jax.scoring.block_inputs import slices

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def rows_of(folder):
    return parquet.read_table(folder).to_pylist()


def score_all(scorer, job, folder):
    blocks.enter(str(folder), job)
    for block in blocks.missing(str(folder), job):
        blocks.write_block(str(folder), block, scorer)
    return blocks.finish(str(folder), job)


def paths_of(slices):
    return [name for pictures in slices for name in pictures.names()]


def test_slices_are_the_sorted_paths_once_each_whatever_the_order(photos):
    files = sorted(map(str, photos.iterdir()))
    given = [files[3], str(photos), "gone.jpg", files[0]]
    for order in (given, given[::-1]):
        found = slices(order, "path", 10)
        assert paths_of(found) == sorted([*files, os.path.abspath("gone.jpg")])
        assert [len(one) for one in found] == [10, 10, 10, 5]
    one, other = (blocks.make_job(found, model) for model in "ab")
    assert one.manifest["input"] == other.manifest["input"] and one.manifest["pictures"] == 35
    assert not {block.file for block in one.blocks} & {block.file for block in other.blocks}
    assert one == blocks.make_job(slices(given, "path", 10), "a")
    with pytest.raises(ValueError, match="got no pictures"):
        slices([], "path", 10)


def test_paths_that_join_to_the_same_text_are_other_pictures():
    jobs = [blocks.make_job([blocks.Paths(paths)], "m") for paths in ((b"/a", b"/b"), (b"/a/b",), (b"/a\n/b",))]
    assert len({job.blocks[0].file for job in jobs}) == 3


def test_a_column_of_paths_is_those_paths(photos, tmp_path):
    files = sorted(map(str, photos.iterdir()))
    for name, part in (("x", files[:20]), ("y", files[15:])):
        parquet.write_table(pyarrow.table({"file": part[::-1]}), tmp_path / f"{name}.parquet")
    tables = [tmp_path / "y.parquet", tmp_path / "x.parquet"]
    assert slices(tables, "file", 7) == slices([photos], "path", 7)


def test_a_column_of_bytes_has_the_scores_of_the_files(scorer, photos, tmp_path):
    files = sorted(photos.iterdir())
    content = [path.read_bytes() for path in files] + [None, b"no picture"]
    parquet.write_table(
        pyarrow.table({"image": pyarrow.array(content, pyarrow.binary())}), tmp_path / "in.parquet", row_group_size=9
    )
    found = slices([tmp_path / "in.parquet"], "image", 7)
    assert [len(one) for one in found] == [7, 7, 7, 7, 7, 1]
    assert [bytes(one) for slice_ in found for one in slice_.pictures()] == [one or b"" for one in content]
    (tmp_path / "out").mkdir()
    assert score_all(scorer, blocks.make_job(found, "m"), tmp_path / "out") == 2
    rows = rows_of(tmp_path / "out")
    assert [row["name"] for row in rows] == [f"{tmp_path}/in.parquet#{number}" for number in range(36)]
    np.testing.assert_allclose(
        [row["score"] for row in rows[:34]], [one.score for one in scorer.score(files)], atol=1e-5
    )
    assert all(row["score"] is None and row["error"] for row in rows[34:])
    # The same rows of a rewritten file with a different picture in it count as different pictures.
    content[3] = content[3] + b"x"
    parquet.write_table(pyarrow.table({"image": content}), tmp_path / "in.parquet", row_group_size=9)
    assert slices([tmp_path / "in.parquet"], "image", 7)[0].digest != found[0].digest


@pytest.mark.parametrize(
    "columns, given, message",
    [
        ({"a": ["x"]}, ["T"], "has no column 'path', expected one of a"),
        ({"path": [1]}, ["T"], "of int64, expected text"),
        ({"path": ["x", None]}, ["T"], "no path in row 1"),
        ({"path": ["x"]}, ["T", "photo.jpg"], "together with"),
        ({"path": pyarrow.array([], pyarrow.string())}, ["T"], "got no pictures"),
        ({"path": ["x"]}, ["T", "gone.parquet"], "cannot read the Parquet file"),
    ],
)
def test_parquet_files_that_do_not_fit_are_refused(columns, given, message, tmp_path):
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=message):
        slices([str(tmp_path / "t.parquet") if one == "T" else one for one in given], "path", 5)


def test_a_block_is_whole_or_absent_and_what_is_there_is_left_alone(scorer, photos, tmp_path):
    job = blocks.make_job(slices([photos], "path", 10), scorer.digest())
    folder = str(tmp_path)
    blocks.enter(folder, job)
    assert blocks.missing(folder, job) == job.blocks and len(job.blocks) == 4

    class Breaks:
        def score(self, pictures):
            yield from scorer.score(list(pictures)[:3])
            assert blocks.attempts(folder, job.blocks[1]) == 1
            raise OSError("the disk is gone")

    blocks.write_block(folder, job.blocks[0], scorer)
    with pytest.raises(OSError, match="gone"):
        blocks.write_block(folder, job.blocks[1], Breaks())
    assert blocks.missing(folder, job) == job.blocks[1:] and blocks.attempts(folder, job.blocks[1]) == 0
    # A disk that lost power may have the name and not the content.
    (tmp_path / job.blocks[2].file).write_bytes(b"")
    (tmp_path / job.blocks[3].file).write_bytes((tmp_path / job.blocks[0].file).read_bytes())
    assert blocks.missing(folder, job) == job.blocks[1:]
    written = (tmp_path / job.blocks[0].file).stat().st_mtime_ns
    assert score_all(scorer, job, tmp_path) == 0 and not blocks.missing(folder, job)
    assert (tmp_path / job.blocks[0].file).stat().st_mtime_ns == written
    assert [row["name"] for row in rows_of(tmp_path)] == sorted(map(str, photos.iterdir()))
    assert json.loads((tmp_path / "_SUCCESS").read_text()) == {"pictures": 2 * len(KINDS), "unreadable": 0}


def test_the_folder_of_another_job_is_refused(photos, tmp_path):
    blocks_of = slices([photos], "path", 10)
    blocks.enter(str(tmp_path), blocks.make_job(blocks_of, "a"))
    blocks.enter(str(tmp_path), blocks.make_job(blocks_of, "a"))
    for job, message in (
        (blocks.make_job(blocks_of, "b"), "scores of another model ('a', got b)"),
        (blocks.make_job(blocks_of[1:], "a"), "another list of 34 pictures (got 24)"),
        (blocks.make_job(slices([photos], "path", 11), "a"), "another list of 34 pictures, or other blocks"),
        (blocks.make_job(slices([photos], "path", 5), "a"), "another block size, 4"),
    ):
        with pytest.raises(ValueError, match=re.escape(message) + ".*: use another folder"):
            blocks.enter(str(tmp_path), job)
    (tmp_path / "_manifest.json").write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        blocks.enter(str(tmp_path), blocks.make_job(blocks_of, "a"))
    (tmp_path / "_manifest.json").unlink()
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match="holds other files, such as 'letter.txt'"):
        blocks.enter(str(tmp_path), blocks.make_job(blocks_of, "a"))


def test_the_digest_is_that_of_the_model_and_of_nothing_else(run, scorer):
    again = Scorer.from_checkpoint(run)
    assert again.digest() == scorer.digest()
    again._variables["params"]["head"]["bias"] = again._variables["params"]["head"]["bias"] + 1e-3
    assert again.digest() != scorer.digest()
    network = dataclasses.replace(scorer._model, image_size=72)
    others = [Scorer(network, scorer._variables, scorer._scores), Scorer(scorer._model, scorer._variables)]
    assert len({one.digest() for one in [scorer, again, *others]}) == 4


def test_a_pickled_scorer_gives_the_same_scores_without_its_folder(run, scorer, photos, monkeypatch):
    cloudpickle = pytest.importorskip("cloudpickle")
    content = cloudpickle.dumps(scorer)
    monkeypatch.setattr("lena_jax.runs.load.load_ranker", None)
    copy = cloudpickle.loads(content)
    assert copy.digest() == scorer.digest()
    picture = photos / "test_photo.jpg"
    assert list(copy.score([picture, "gone.png"])) == list(scorer.score([picture, "gone.png"]))
