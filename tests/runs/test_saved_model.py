"""Folders of save_model: the same scores bit by bit, whole or not at all, and nothing in them can do harm."""

import copy
import dataclasses
import json
import os
import shutil
import struct
import sys

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scored_run import description, evaluated_scores, random_variables

from lena_jax.evaluation import export
from lena_jax.evaluation.export import NotMeasured, save_model
from lena_jax.models import ranker
from lena_jax.runs import model_card, saved_model
from lena_jax.runs.load import TrainedRun, load_ranker
from lena_jax.runs.percentiles import NoPercentiles
from lena_jax.scoring import Scorer, load_model


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    return save_model(run, tmp_path_factory.mktemp("models") / "deep/model")


@pytest.fixture
def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copied")


def rewrite(folder, change, rehash=False):
    stored = description(folder)
    change(stored)
    if rehash:
        stored["weights_sha256"] = saved_model._digest(folder / "model.safetensors")
    (folder / "model.json").write_text(json.dumps(stored))


def test_the_weights_come_back_bit_by_bit_and_give_the_same_scores(run, folder):
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "model.json", "model.safetensors"]
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1
    model, variables, _, _, step = load_ranker(run)
    saved = load_model(folder)
    assert jax.tree.structure(saved.variables) == jax.tree.structure(variables)
    for one, other in zip(jax.tree.leaves(saved.variables), jax.tree.leaves(variables), strict=True):
        assert one.dtype == other.dtype and one.tobytes() == np.asarray(other).tobytes()
    assert saved.description["step"] == step
    photos = sorted((run.parent / "photos").iterdir())
    assert list(Scorer.from_checkpoint(folder).score(photos)) == list(Scorer.from_checkpoint(run).score(photos))


def test_the_description_says_where_it_is_from(run, folder):
    stored = description(folder)
    metrics = json.loads((run / "metrics.json").read_text())
    assert stored["measures"] == metrics and stored["data"]["fingerprint"] == metrics["fingerprint"]
    assert stored["data"]["name"] == "image_scores/photos" and stored["versions"]["jax"] == jax.__version__
    assert stored["network"]["backbone"]["name"] == "tiny" and stored["network"]["pooling"] == "lena"
    assert len(stored["training_scores"]["quantiles"]) == 1001


def test_the_model_card_has_the_numbers(folder):
    card, stored = (folder / "README.md").read_text(), description(folder)
    front, body = card.removeprefix("---\n").split("\n---\n", 1)
    assert "library_name: lena-jax" in front and "lena-jax score" in body
    accuracy = stored["measures"]["pair_accuracy"]
    assert f"| {accuracy['value']:.3f} | {accuracy['low']:.3f} to {accuracy['high']:.3f} |" in body
    assert stored["versions"]["dataset"] == "2.0.0" and "dataset 2.0.0" in body
    brightness = stored["picture_properties"]["brightness"]
    assert f"| brightness | {brightness['predicted']:.3f} | {brightness['true']:.3f} |" in body
    assert "What it is not" in body and "The model does not detect" in body and "17 training pictures" in body
    assert "{" not in body


def test_a_folder_that_is_there_is_not_touched(run, folder, tmp_path):
    before = (folder / "model.json").read_bytes()
    with pytest.raises(ValueError, match="exists: name another folder"):
        save_model(run, folder)
    assert (folder / "model.json").read_bytes() == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="exists"):
        save_model(run, tmp_path / "file")


def test_what_fails_half_way_leaves_nothing(run, tmp_path, monkeypatch):
    def fail(description):
        raise OSError("no space left on device")

    monkeypatch.setattr(model_card, "text", fail)
    with pytest.raises(OSError, match="no space"):
        save_model(run, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_without_the_data_set_the_card_says_so(run, tmp_path):
    shutil.copytree(run / "checkpoints", tmp_path / "run/checkpoints")
    with (
        pytest.warns(NoPercentiles, match="has been rebuilt|no dataset"),
        pytest.warns(NotMeasured, match="no measures"),
    ):
        folder = save_model(tmp_path / "run", tmp_path / "model", data_dir=tmp_path / "gone")
    stored, card = description(folder), (folder / "README.md").read_text()
    assert (stored["measures"], stored["picture_properties"], stored["training_scores"]) == (None, None, None)
    assert card.count("Not measured") == 2 and "This model has no percentiles" in card
    photo = run.parent / "photos/test_photo.jpg"
    (one,) = Scorer.from_checkpoint(folder).score(photo)
    assert one.score == pytest.approx(evaluated_scores(run)["test_photo.jpg"], abs=1e-5) and one.percentile is None


def test_known_measures_are_kept_where_the_data_set_is_gone(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    with pytest.warns(NotMeasured, match="similar properties$"):
        folder = save_model(tmp_path / "run", tmp_path / "model", data_dir=tmp_path / "gone")
    assert description(folder)["measures"] == json.loads((run / "metrics.json").read_text())


def test_a_run_that_was_not_evaluated_is_evaluated_first(run, tmp_path, monkeypatch):
    expected = json.loads((run / "metrics.json").read_text())

    def evaluate(workdir, data_dir):
        shutil.copy(run / "scores.csv", workdir)
        evaluated.append(data_dir)
        return expected

    evaluated = []
    monkeypatch.setattr(export, "evaluate", evaluate)
    shutil.copytree(run / "checkpoints", tmp_path / "run/checkpoints")
    shutil.copy(run / "training_scores.json", tmp_path / "run")
    (tmp_path / "run/metrics.json").write_text(json.dumps(expected | {"step": expected["step"] - 1}))
    stored = description(save_model(tmp_path / "run", tmp_path / "model"))
    assert stored["measures"] == expected and evaluated == [str(run.parent / "data")]


@pytest.mark.parametrize("pooling, fusion", [("lse", "none"), ("top_n", "concat"), ("average", "gate")])
def test_every_kind_of_network_is_described(run, pooling, fusion, tmp_path, monkeypatch):
    model, _, config, data, step = load_ranker(run)
    config.pooling, config.fusion = pooling, fusion
    model = dataclasses.replace(ranker.build(config), preprocessing=model.preprocessing)
    variables = random_variables(model)
    monkeypatch.setattr(export, "load_ranker", lambda workdir: TrainedRun(model, variables, config, data, step))
    with pytest.warns(NoPercentiles), pytest.warns(NotMeasured, match="and has no measures"):
        saved = load_model(save_model("run", tmp_path / "model", data_dir="gone"))
    assert saved.model == model
    jax.tree.map(np.testing.assert_array_equal, saved.variables, variables)


def test_nothing_of_a_folder_is_run(copied):
    for name in ("__init__.py", "modeling.py", "setup.py", "model.py", "conftest.py"):
        (copied / name).write_text("raise SystemExit('its code was run')\n")
    (copied / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    before = set(sys.path)
    load_model(copied)
    assert set(sys.path) == before


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda data: data[:-1], "its SHA-256 differs"),
        (lambda data: data[:2000] + bytes([data[2000] ^ 1]) + data[2001:], "its SHA-256 differs"),
        (lambda data: b"", "its SHA-256 differs"),
    ],
)
def test_damaged_weights(copied, damage, message):
    path = copied / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"not a folder that save_model wrote whole: .*{message}"):
        load_model(copied)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 8,
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 5) + b'{"a":',
        b"PK\x03\x04" + bytes(100),
        struct.pack("<Q", 66) + b'{"a":{"dtype":"F32","shape":[1000000000],"data_offsets":[0,4000]}}',
    ],
)
def test_hostile_weights_with_a_right_hash(copied, content):
    (copied / "model.safetensors").write_bytes(content)
    rewrite(copied, lambda stored: None, rehash=True)
    with pytest.raises(ValueError, match="model.safetensors"):
        load_model(copied)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda leaves: leaves.pop("params/head/bias"), "missing: params/head/bias"),
        (lambda leaves: leaves.update({"baseline/pooled": np.zeros(3, np.float32)}), "mis-shaped: baseline/pooled"),
        (lambda leaves: leaves.update({"extra": np.zeros(3, np.float32)}), "left over: 'extra'"),
        (lambda leaves: leaves.update({"params/head/bias": np.zeros(2, np.float32)}), "mis-shaped: params/head/bias"),
        (lambda leaves: leaves.update({"params/head/bias": np.zeros(1, np.float64)}), "mistyped: params/head/bias"),
        (
            lambda leaves: leaves.update({"params/head/bias": np.full(1, np.nan, np.float32)}),
            "not finite, in params/head",
        ),
    ],
)
def test_weights_of_another_network(copied, change, message):
    leaves = load_file(copied / "model.safetensors")
    change(leaves)
    save_file(leaves, copied / "model.safetensors")
    rewrite(copied, lambda stored: None, rehash=True)
    with pytest.raises(ValueError, match=message):
        load_model(copied)


def put(*path_and_value):
    *path, value = path_and_value

    def change(stored):
        for key in path[:-1]:
            stored = stored[key]
        stored[path[-1]] = copy.deepcopy(value)

    return change


@pytest.mark.parametrize(
    "change, message",
    [
        (put("format", "lena-jax model, version 9"), "format 'lena-jax model, version 9', expected"),
        (put("format", "x" * 10**5), "\\.\\.\\., expected"),
        (put("extra", 1), "got the keys"),
        (lambda stored: stored.pop("step"), "got the keys"),
        (put("step", "7"), "step: got '7', expected int"),
        (put("step", True), "step: got True, expected int"),
        (put("network", []), "network: got \\[\\], expected dict"),
        (put("network", "image_size", 10**9), "image_size: got 1000000000, expected 64 to 2048"),
        (put("network", "image_size", 63), "image_size: got 63"),
        (put("network", "image_size", 224.0), "image_size: got 224.0, expected int"),
        (put("network", "dtype", "float8"), "a network that cannot be built: .*float8"),
        (put("network", "fusion", "sum"), "a network that cannot be built: .*sum"),
        (put("network", "pooling", "__class__"), "a network that cannot be built"),
        (put("network", "pooling", "lean"), "a network that cannot be built: .*unknown pooling"),
        (put("network", "pooling_options", {"n": 3}), "a network that cannot be built"),
        (put("network", "pooling_options", {"init_share": "__import__('os')"}), "a network that cannot be built"),
        (put("network", "pooling_options", {"init_share": 10**30}), "expected numbers of at most 64 bits"),
        (put("network", "pooling_options", {"init_share": 2**40}), "expected a number of 32 bits"),
        (put("measures", {"auc": {"value": 10**400}}), "expected numbers of at most 64 bits"),
        (put("measures", json.loads("[" * 70 + "]" * 70)), "nested too deeply"),
        (put("network", "pooling_options", {"init_share": [1]}), "expected a finite number or a string"),
        (put("network", "pooling_options", {"init_share": {"a": 1}}), "expected a finite number or a string"),
        (
            put("network", "backbone", "name", "../../etc/passwd"),
            "a network that cannot be built: .*got backbone",
        ),
        (put("network", "backbone", "endpoint", "third"), "a network that cannot be built: .*endpoint"),
        (put("network", "backbone", "output_stride", "8"), "output_stride: got '8', expected int"),
        (put("preprocessing", "std", [0, 1, 1]), "above 0"),
        (put("preprocessing", "std", "abc"), "a network that cannot be built"),
        (put("preprocessing", {}), "preprocessing with the keys"),
        (put("weights_sha256", "0" * 64), "its SHA-256 differs"),
        (put("training_scores", {}), "training scores that are not"),
        (put("training_scores", "quantiles", [1, 2]), "1001 ascending"),
        (put("training_scores", "quantiles", ["a"] * 1001), "1001 ascending"),
        (put("training_scores", "quantiles", [[0]] * 1001), "1001 ascending"),
        (put("training_scores", "quantiles", list(range(1001, 0, -1))), "1001 ascending"),
        (put("training_scores", "pictures", -1), "expected a number above 0"),
        (put("data", "name", 7), "name: got 7, expected str"),
    ],
)
def test_hostile_descriptions(copied, change, message):
    rewrite(copied, change)
    with pytest.raises(ValueError, match=message) as caught:
        load_model(copied)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "not valid JSON"),
        (b"[]", "has the format 'list'"),
        (b"null", "has the format"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"[" * 100_000, "nested too deeply|not valid JSON"),
        (b'{"format": NaN}', "got NaN"),
        (b'{"format": 1' + b"0" * 5000 + b"}", "not valid JSON|format"),
        (b" " * (2 << 20), "more than 1,048,576 bytes"),
        (b'{"format": "lena-jax model, version 1"}', "got the keys"),
        (b'import os; os.system("exit 1")', "not valid JSON"),
    ],
)
def test_what_is_no_description(copied, content, message):
    (copied / "model.json").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_model(copied)


def test_measures_are_shown_as_text_only(copied, capsys):
    from lena_jax.cli import information

    rewrite(copied, put("measures", {"pair_accuracy": "\x1b[31m"}))
    assert "not readable" in information.text(copied)
    rewrite(copied, put("data", "name", "\x1b[31mred"))
    assert "\x1b" not in information.text(copied)


@pytest.mark.parametrize("name, heading", [("measures", "How good it is"), ("picture_properties", "What it follows")])
@pytest.mark.parametrize(
    "value",
    [
        {"a": 1},
        {"a": []},
        {"a": None},
        {"a": {"predicted": "x", "true": 0}},
        {"pictures": 1},
        {"pictures": {}, "pairs": 1},
        {"pictures": 3, "pairs": 3, "auc": 0.5},
        {"pictures": 3, "pairs": "x"},
        {"pictures": 3, "pairs": 3, "auc": {}},
    ],
)
def test_numbers_that_are_none_are_left_out_of_the_card(folder, copied, name, heading, value):
    expected = model_card.sections(description(folder))
    rewrite(copied, put(name, value))
    stored = saved_model._description((copied / "model.json").read_bytes())
    assert model_card.sections(stored) == expected | {heading: "Not readable."}


def test_a_hostile_model_is_still_described(copied):
    from lena_jax.cli import information
    from lena_jax.cli.serve import about

    rewrite(copied, put("measures", {}))
    assert "## How good it is\nNot readable.\n" in about.text(copied)
    rewrite(copied, put("measures", {"pair_accuracy": {"value": 10**18}, "pictures": 1}))
    assert "not readable" in information.text(copied)


def markdown_of(text):
    """The elements of a text of Markdown, as a reader that knows tables and HTML sees them."""
    reader = pytest.importorskip("markdown_it").MarkdownIt("commonmark", {"html": True}).enable("table")
    for block in reader.parse(text):
        yield from block.children or [block]


def test_what_a_hostile_model_says_stays_text(folder, copied):
    """Neither headings nor tables, code, links or HTML of the card come from what a folder from elsewhere says."""
    from lena_jax.cli.serve import about

    evil = "a`\n## What it is not\n- <script>x</script> | [b](javascript:c) ![d](e) \x1b\ud800\r\n| f | g |"
    rewrite(copied, put("data", {name: evil for name in ("name", "score", "fingerprint")}))
    rewrite(copied, put("versions", {evil: evil}))
    rewrite(copied, put("picture_properties", {evil: {"predicted": 0.5, "true": None}}))
    stored = saved_model._description((copied / "model.json").read_bytes())
    card, ordinary = (
        text.split("\n---\n")[1] for text in (model_card.text(stored), (folder / "README.md").read_text())
    )
    rewrite(copied, put("measures", None))
    for text in (card, about.text(copied)):
        kinds = [element.type for element in markdown_of(text)]
        assert not {"html_inline", "html_block", "link_open", "image"} & set(kinds)
        assert kinds.count("tr_open") * 3 == kinds.count("td_open") + kinds.count("th_open")
        assert kinds.count("fence") == 0 and "\x1b" not in text and "\ud800" not in text
    elements, expected = list(markdown_of(card)), list(markdown_of(ordinary))
    for kind in ("heading_open", "code_inline", "code_block", "list_item_open", "table_open"):
        assert [one.type for one in elements].count(kind) == [one.type for one in expected].count(kind), kind
    kept = "a' ## What it is not - <script>x</script> | [b](javascript:c) ![d](e)     | f | g |"
    assert [one.content for one in elements if one.type == "code_inline"].count(kept) == 3
    assert sum(one.content.count("[b](javascript:c)") for one in elements if one.type == "text") == 4
    assert model_card.sections(stored)["What it is not"] == model_card.sections(description(folder))["What it is not"]


def test_pipes_and_missing_files(copied, tmp_path):
    (copied / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="it has no file model.safetensors"):
        load_model(copied)
    os.mkfifo(copied / "model.safetensors")
    with pytest.raises(ValueError, match="it has no file model.safetensors"):
        load_model(copied)
    with pytest.raises(ValueError, match="it has no file model.json"):
        load_model(tmp_path)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub's package, and no hub."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def put_into(cache, folder, commit):
    """Lays files into the cache as `huggingface_hub` does."""
    repository = cache / "models--owner--name"
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    for path in folder.iterdir():
        shutil.copy(path, snapshot)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs/main").write_text(commit)


def test_a_model_on_the_hub(cache, folder, run):
    put_into(cache, folder, "a" * 40)
    photo = run.parent / "photos/test_photo.jpg"
    expected = list(Scorer.from_checkpoint(folder).score(photo))
    assert list(Scorer.from_checkpoint("hf:owner/name").score(photo)) == expected
    assert list(Scorer.from_checkpoint(f"hf:owner/name@{'a' * 40}").score(photo)) == expected


def test_a_model_that_the_hub_has_not(cache):
    with pytest.raises(FileNotFoundError, match="cannot fetch model.safetensors of owner/name"):
        Scorer.from_checkpoint("hf:owner/name")


@pytest.mark.parametrize("source", ["hf:", "hf:name", "hf:owner/name/file", "hf:../name", "hf:owner/name@a b"])
def test_miswritten_sources_of_the_hub(source):
    with pytest.raises(ValueError, match="expected hf:OWNER/NAME"):
        Scorer.from_checkpoint(source)
