"""Two tiny datasets, one with groups and one without, with a tiny backbone with and without BatchNorm."""

import csv
import json

import numpy as np
import pytest
import tiny_trunk
from PIL import Image

from lena_jax.data.splits import open_pictures
from lena_jax.metrics import holm, pairs_to_compare
from lena_jax.studies import cross_dataset

DATA = ("image_scores/plain", "image_scores/cast")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """`plain`, with groups, and `cast`, the same kind of pictures in other colours, without groups."""
    from data_prep import command

    folder = tmp_path_factory.mktemp("cross")
    rng = np.random.default_rng(0)
    for name, gain, offset, groups in (("plain", 1.0, (0, 0, 0), ["--group=group"]), ("cast", 0.4, (140, 20, 90), [])):
        (folder / name).mkdir()
        with open(folder / f"{name}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "score", "group"])
            for number in range(24):
                score = rng.normal()
                picture = [110 + 30 * score, 110, 110 - 30 * score] + rng.normal(size=(64, 64, 3)) * 20
                Image.fromarray(np.clip(picture * gain + offset, 0, 255).astype(np.uint8)).save(
                    folder / name / f"{number}.png"
                )
                writer.writerow([f"{number}.png", score, f"g{number % 2}"])
        assert (
            command.main(
                [
                    "build",
                    "image_scores",
                    f"--images={folder / name}",
                    f"--csv={folder / name}.csv",
                    "--image_column=image",
                    "--score=score",
                    f"--name={name}",
                    f"--data_dir={folder}/data",
                    *groups,
                ]
            )
            == 0
        )
    return folder / "data"


def small(data_dir):
    config = tiny_trunk.get_config()
    config.backbone.name, config.backbone.frozen, config.pooling = "tiny_norm", True, "average"
    config.data.dir, config.data.folds = str(data_dir), 2
    config.steps = config.eval_every = config.log_every = 4
    config.batch_size = 8
    return config


def test_the_table_across_two_datasets(data_dir, tiny_trunks, tmp_path):
    study = cross_dataset.Study(small(data_dir), DATA)
    assert list(study.configs()) == [
        "cells/image_scores_plain/across_groups/seed_0",
        "cells/image_scores_plain/within_groups/seed_0",
        "cells/image_scores_cast/across_groups/seed_0",
    ]
    # The groups of the other config are forgotten in training only.
    assert [config.pairs.across_groups for config in study.configs().values()] == [True, False, True]
    assert cross_dataset.run(study, str(tmp_path), only=1) is None
    table = cross_dataset.run(study, str(tmp_path))
    rows = {(row["source"][13:], row["target"][13:], row["remedy"]): row for row in table["rows"]}
    assert len(rows) == len(table["rows"]) == 2 * (2 + 4)
    assert {key for key, row in rows.items() if row["note"] == "no groups"} == {
        ("cast", "cast", "within groups"),
        ("cast", "plain", "within groups"),
        ("cast", "plain", "within groups, AdaBN"),
    }
    tests = open_pictures(study.config_of(DATA[1]))["test"]
    pairs = pairs_to_compare(tests.scores, tests.groups)

    def accuracy(run, kind):
        stored = json.loads((tmp_path / f"cells/image_scores_{run}/seed_0/on_image_scores_cast.json").read_text())
        assert stored["ids"] == tests.ids.tolist()
        return np.mean([stored[kind][high] > stored[kind][low] for high, low in pairs])

    own, away, adapted = (
        accuracy(run, kind)
        for run, kind in (
            ("cast/across_groups", "plain"),
            ("plain/across_groups", "plain"),
            ("plain/across_groups", "adapted"),
        )
    )
    assert rows["cast", "cast", "none"]["pair_accuracy"] == pytest.approx(own)
    assert rows["plain", "cast", "none"]["drop"]["difference"] == pytest.approx(own - away)
    assert rows["plain", "cast", "none"]["gain"] is None
    assert rows["plain", "cast", "AdaBN"]["gain"]["difference"] == pytest.approx(adapted - away)
    gains = [row["gain"] for row in table["rows"] if row["gain"]]
    assert len(gains) == 1 + 3 + 1
    assert [gain["p_holm"] for gain in gains] == pytest.approx(holm([gain["p_value"] for gain in gains]))
    text = (tmp_path / "table.md").read_text()
    assert text.count("no groups") == 3 and "image_scores_plain | image_scores_cast | AdaBN" in text
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG" and "on_TARGET.json" in (
        tmp_path / "README.md"
    ).read_text()
    assert json.loads((tmp_path / "table.json").read_text()) == table
    stored_scores_are_of_the_same_pictures_and_checkpoint(study, tmp_path)


def stored_scores_are_of_the_same_pictures_and_checkpoint(study, tmp_path):
    """In the folder of a finished study."""
    cell, config = tmp_path / "cells/image_scores_cast/across_groups/seed_0", study.config_of(DATA[1])
    file, parts = cell / "on_image_scores_cast.json", open_pictures(config)
    whole = json.loads(file.read_text())
    assert whole["checkpoint"] is not None

    def scores_of(**changed):
        """The scores where the file has other ones, 0, and says that they are of something else."""
        other = whole | {"plain": [0.0] * len(whole["plain"])} | changed
        file.write_text(json.dumps({key: value for key, value in other.items() if value is not None}))
        return cross_dataset._tested(str(cell), config, parts, whole["fingerprint"], "image_scores_cast")["plain"]

    assert not any(scores_of()) and not any(scores_of(checkpoint=None))
    for changed in ({"step": whole["step"] - 1}, {"fingerprint": "other"}, {"checkpoint": "0" * 64}):
        assert scores_of(**changed) == pytest.approx(whole["plain"])
        assert json.loads(file.read_text()) == whole


def test_a_backbone_without_batch_norm_leaves_its_rows_empty(data_dir):
    study = cross_dataset.Study(small(data_dir), DATA)
    tests = {data: open_pictures(study.config_of(data))["test"] for data in DATA}
    scores = {
        (folder, data): {"plain": tests[data].scores, "adapted": None} for folder in study.configs() for data in DATA
    }
    table = cross_dataset.table_of(study, tests, scores)
    notes = {
        (row["source"][13:], row["remedy"]): row["note"] for row in table["rows"] if row["source"] != row["target"]
    }
    assert notes["plain", "AdaBN"] == notes["cast", "AdaBN"] == notes["plain", "within groups, AdaBN"] == "no BatchNorm"
    assert notes["cast", "within groups"] == "no groups" and notes["plain", "within groups"] == ""
    assert all(row["pair_accuracy"] == 1 for row in table["rows"] if not row["note"])


def test_what_cannot_be_studied(data_dir, tmp_path):
    config = small(data_dir)
    for data in (("planted",), ("planted", "planted"), ("planted@a/b", "planted@c/b")):
        with pytest.raises(ValueError, match="at least two datasets with different names"):
            cross_dataset.Study(config, data)
    with pytest.raises(ValueError, match="seeds must be at least 1, got 0"):
        cross_dataset.Study(config, DATA, 0)
    study = cross_dataset.Study(config, ("planted", "planted@other/b"))
    assert (
        study.config_of("planted@other/b").data.dir == "other/b"
        and cross_dataset.label_of("planted@other/b/") == "planted_b"
    )
    (tmp_path / "study.json").write_text(json.dumps({"kind": "poolings"}))
    with pytest.raises(ValueError, match="holds a study of another config"):
        cross_dataset.run(cross_dataset.Study(config, DATA), str(tmp_path))
