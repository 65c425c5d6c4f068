"""Weights fitted to a backbone: namings, misfits, and the folder of converted weights with its command."""

import json
import os

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
import two_layer_backbone
from safetensors.numpy import save_file

from lena_jax.backbones import BACKBONES, get_backbone, load_classifier, load_pretrained, save_pretrained
from lena_jax.backbones.command import main
from lena_jax.backbones.origin import UNKNOWN
from lena_jax.backbones.sources import find_file
from lena_jax.backbones.variables import convert_variables

TINY = two_layer_backbone.NAME


@pytest.fixture
def weights(monkeypatch, tmp_path):
    """A file of the tiny backbone's weights."""
    two_layer_backbone.register(monkeypatch)
    save_file(two_layer_backbone.state(), tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


@pytest.mark.parametrize("prefix", ["", "features.", "module.", "module.features."])
@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_all_namings_and_types_give_the_same_variables(weights, prefix, kind):
    state = {key: value.astype(kind) for key, value in two_layer_backbone.state(prefix).items()}
    counts = {prefix + "norm.num_batches_tracked": np.zeros((), np.int64)}
    save_file({**state, **counts}, weights)
    two_layer_backbone.check(load_pretrained(TINY, str(weights)))


def test_the_classifier_is_left_out_and_loads_apart(weights):
    kernel = np.arange(2000, dtype=np.float32).reshape(1000, 2)
    save_file({**two_layer_backbone.state(), "fc.weight": kernel, "fc.bias": kernel[:, 0].copy()}, weights)
    two_layer_backbone.check(load_pretrained(TINY, weights))
    got, bias = load_classifier(TINY, weights)
    np.testing.assert_array_equal(got, kernel.T)
    np.testing.assert_array_equal(bias, kernel[:, 0])


def test_a_backbone_without_a_source_wants_one(weights):
    with pytest.raises(ValueError, match="backbone 'tiny' has no source of weights of its own .*: name one"):
        load_pretrained(TINY)


def test_a_misfit_lists_all_keys_in_one_error():
    tensors = {
        "a.weight": np.zeros((4, 2, 3, 3)),
        "b.weight": np.zeros((7, 5)),
        "e": np.zeros(1, np.int8),
        "extra": np.zeros(2),
        "bn.num_batches_tracked": np.zeros(()),
    }
    shapes = {("a",): (3, 3, 2, 4), ("b",): (5, 6), ("c",): (1,), ("d",): (1,), ("e",): (1,)}
    keys = {("a",): "a.weight", ("b",): "b.weight", ("c",): "c.bias", ("d",): "d.bias", ("e",): "e"}
    with pytest.raises(ValueError) as caught:
        convert_variables(tensors, shapes, keys, "file.pth")
    assert str(caught.value) == (
        "file.pth does not fit the network; missing: c.bias, d.bias; left over: extra; "
        "mis-shaped: b.weight (got (5, 7), expected (5, 6)); mistyped: e (got int8, expected floating point)"
    )


def test_a_misfit_of_many_keys_stays_readable():
    names = [f"k{index:03}" for index in range(321)]
    with pytest.raises(ValueError) as caught:
        convert_variables({"x": np.zeros(1)}, {(name,): (1,) for name in names}, {(name,): name for name in names}, "f")
    assert str(caught.value) == (
        f"f does not fit the network; missing: {', '.join(names[:20])} and 301 more; left over: x"
    )


def test_weights_of_another_backbone_do_not_fit():
    with pytest.raises(ValueError, match="does not fit the network; missing: .*mis-shaped: ") as caught:
        load_pretrained("efficientnet_lite2", find_file(get_backbone("efficientnet_lite0").source))
    assert " more; mis-shaped: " in str(caught.value) and len(str(caught.value)) < 5000


# The folder of converted weights.


def test_a_saved_folder_gives_the_same_bits(weights, tmp_path):
    variables = load_pretrained(TINY, weights)
    # Numbers that a detour through another type or through text would change.
    rng = np.random.default_rng(0)
    bits = jax.tree.map(lambda leaf: rng.integers(0, 2**23, leaf.shape, np.uint32).view(np.float32), variables)
    for name, tree in (("a", variables), ("b", bits), ("c", jax.tree.map(jax.numpy.asarray, bits))):
        folder = save_pretrained(tmp_path / "made" / name, TINY, tree, origin=weights)
        assert folder == tmp_path / "made" / name
        got = load_pretrained(TINY, folder)
        assert jax.tree.structure(got) == jax.tree.structure(tree)
        for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(tree), strict=True):
            assert isinstance(one, np.ndarray) and one.dtype == np.float32
            np.testing.assert_array_equal(one.view(np.uint32), np.asarray(other).view(np.uint32))
    assert sorted(os.listdir(tmp_path / "made")) == ["a", "b", "c"]
    described = json.loads((folder / "weights.json").read_text())
    assert described["trunk"] == TINY and described["origin"] == str(weights)
    assert described["preprocessing"] == get_backbone(TINY).preprocessing.as_json()


def test_a_relative_path_and_an_empty_folder_will_do(weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    save_pretrained("empty", TINY, load_pretrained(TINY, weights))
    two_layer_backbone.check(load_pretrained(TINY, "empty"))


def test_nothing_is_overwritten(weights, tmp_path):
    variables = load_pretrained(TINY, weights)
    folder = save_pretrained(tmp_path / "saved", TINY, variables)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for taken in (folder, tmp_path / "other", weights, tmp_path / "link"):
        with pytest.raises(ValueError, match=r"exists: name another folder, or remove it first"):
            save_pretrained(taken, TINY, variables)
    assert (tmp_path / "other" / "thesis.tex").read_text() == "mine"
    two_layer_backbone.check(load_pretrained(TINY, folder))


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("disk full")])
@pytest.mark.parametrize("step", ["checkpoint", "description", "rename"])
def test_an_interrupted_save_leaves_nothing(weights, tmp_path, monkeypatch, error, step):
    def fail(*_, **__):
        raise error

    variables = load_pretrained(TINY, weights)
    before = sorted(os.listdir(tmp_path))
    target, name = {
        "checkpoint": (ocp.StandardCheckpointer, "save"),
        "description": (json, "dumps"),
        "rename": (os, "rename"),
    }[step]
    with monkeypatch.context() as patch:
        patch.setattr(target, name, fail)
        with pytest.raises(type(error) if isinstance(error, OSError) else error):
            save_pretrained(tmp_path / "saved", TINY, variables)
    assert sorted(os.listdir(tmp_path)) == before
    save_pretrained(tmp_path / "saved", TINY, variables)


def test_variables_that_are_not_the_backbones_are_not_saved(weights, tmp_path):
    variables = load_pretrained(TINY, weights)
    variables["params"]["conv"] = {"kernel": np.zeros((3, 5, 3, 1), np.float32), "extra": np.zeros(1)}
    variables["params"]["norm"]["bias"] = np.zeros(2)
    with pytest.raises(ValueError) as caught:
        save_pretrained(tmp_path / "saved", TINY, variables)
    assert str(caught.value) == (
        "what was given does not fit the network; missing: params/conv/bias; left over: params/conv/extra; mis-shaped: "
        "params/conv/kernel (got (3, 5, 3, 1), expected (3, 5, 3, 2)); mistyped: params/norm/bias (got float64, "
        "expected float32)"
    )
    assert not (tmp_path / "saved").exists()


@pytest.fixture
def saved(weights, tmp_path):
    return save_pretrained(tmp_path / "saved", TINY, load_pretrained(TINY, weights), origin="hf:o/n")


def rewrite(folder, **changes):
    path = folder / "weights.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_folder_of_another_backbone(saved):
    with pytest.raises(
        ValueError, match="saved holds the weights of backbone 'tiny', expected those of 'efficientnet_l"
    ):
        load_pretrained("efficientnet_lite0", saved)


def test_the_folder_has_no_classifier(saved):
    with pytest.raises(ValueError, match="got the folder .*saved, expected a file"):
        load_classifier(TINY, saved)


def test_another_preprocessing_is_not_ignored(saved):
    rewrite(saved, preprocessing={"mean": [0.5] * 3, "std": [0.2] * 3, "channel_order": "BGR"})
    with pytest.raises(
        ValueError,
        match=r"std=\(0.2, 0.2, 0.2\), channel_order='BGR'.* but backbone 'tiny' has .*"
        r"convert them again from 'hf:o/n'",
    ):
        load_pretrained(TINY, saved)


def remove_variables(folder):
    (folder / "variables").rename(folder.parent / "gone")


def exchange_variables(folder):
    remove_variables(folder)
    other = jax.tree.map(lambda leaf: leaf + 1, load_pretrained(TINY, folder.parent / "tiny.safetensors"))
    save_pretrained(folder.parent / "other", TINY, other)
    (folder.parent / "other" / "variables").rename(folder / "variables")


def cut_description(folder):
    path = folder / "weights.json"
    path.write_text(path.read_text()[:-20])


@pytest.mark.parametrize(
    "damage, message",
    [
        (
            lambda folder: (folder / "weights.json").unlink(),
            "is not a folder of weights that save_pretrained wrote whole",
        ),
        (cut_description, "is not a folder of weights"),
        (lambda folder: (folder / "weights.json").write_text("[]"), "is not a folder of weights"),
        (lambda folder: rewrite(folder, preprocessing={"mean": [0.5] * 3}), "is not a folder of weights"),
        (remove_variables, "is damaged, or of another version of backbone 'tiny'"),
        (exchange_variables, "is damaged: its numbers are not those that were written"),
    ],
)
def test_a_damaged_folder(saved, damage, message):
    damage(saved)
    with pytest.raises(ValueError, match=f"saved {message}"):
        load_pretrained(TINY, saved)


def test_a_folder_of_something_else(tmp_path):
    with pytest.raises(ValueError, match="is not a folder of weights that save_pretrained wrote whole"):
        load_pretrained("efficientnet_lite0", tmp_path)


# The command.


def test_the_command_converts_once(weights, tmp_path, capsys):
    assert main([TINY, f"--source={weights}", f"--output={tmp_path / 'out'}"]) == 0
    assert (
        capsys.readouterr().out == f"wrote {tmp_path / 'out'}: the weights of tiny from {weights}, licence {UNKNOWN}\n"
    )
    two_layer_backbone.check(load_pretrained(TINY, tmp_path / "out"))
    assert main([TINY, f"--source={tmp_path / 'out'}", f"--output={tmp_path / 'again'}"]) == 0
    two_layer_backbone.check(load_pretrained(TINY, tmp_path / "again"))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["tyni", "--output=out"], "did you mean 'tiny'"),
        ([TINY, "--output=out"], "backbone 'tiny' has no source of weights of its own"),
        ([TINY, "--source=nowhere.pth", "--output=out"], "no such file of weights: nowhere.pth"),
        ([TINY, "--source=hf:x", "--output=out"], "expected hf:OWNER/NAME"),
        ([TINY, "--source=tiny.safetensors", "--output=taken"], "exists: name another folder"),
        ([TINY, "--source=taken", "--output=out"], "is not a folder of weights"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(weights, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("lena_jax.backbones: error: ") and message in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert "hf:OWNER/NAME" in said and ".safetensors" in said and "examples:" in said
    assert all(f" {name} " in said and backbone.weights in said for name, backbone in BACKBONES.items())
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2


def test_the_list_shows_what_a_backbone_costs(capsys):
    assert main(["list"]) == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert set(lines) == {"name", *BACKBONES}
    assert lines["vit_base_patch16_dinov3"][1:] == ["85.6", "M", "14x14", "16", "dinov3-license", "343", "MB"]
    assert lines["alexnet"][3] == "13x13" and lines["alexnet"][-1] == "-"


def test_a_folder_must_be_named(capsys):
    assert main([TINY]) == 2
    assert "expected --output=FOLDER" in capsys.readouterr().err
