"""Read the photographs that the scikit-image wheel ships from its folder; nothing is downloaded."""

import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

FILES = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "hubble": "hubble_deep_field.jpg",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
}


def folder() -> Path:
    """Return the folder of pictures inside the installed `skimage` package.

    Raises:
        FileNotFoundError: scikit-image is not installed.
    """
    # find_spec instead of an import: importing skimage.data sets up a downloader.
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("scikit-image, whose wheel ships the photographs, is not installed")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def load(name: str) -> np.ndarray:
    """Return the photograph `name` (a key of `FILES`) as `[H, W, 3]` uint8; grey ones have equal channels.

    Raises:
        FileNotFoundError: the installed scikit-image does not ship the file.
    """
    path = folder() / FILES[name]
    if not path.is_file():
        raise FileNotFoundError(f"the installed scikit-image has no {path.name}: expected it at {path}")
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))
