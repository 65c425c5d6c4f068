"""Draw what is behind the objects: a crop of a texture photograph, and a veil of haze over parts of it."""

import colorsys
import functools

import numpy as np
from PIL import Image
from scipy import ndimage

from data_prep import photographs

# Each split crops from its own rows, as shares of the photograph's height: no split sees another's backdrop.
BANDS = {"train": (0.0, 0.5), "validation": (0.5, 0.75), "test": (0.75, 1.0)}

# The part of each photograph to use: left, top, right, bottom (the retina is a disc on black).
REGIONS = {
    "brick": (0, 0, 512, 512),
    "grass": (0, 0, 512, 512),
    "gravel": (0, 0, 512, 512),
    "hubble": (0, 0, 1000, 872),
    "retina": (420, 180, 1000, 1230),
}
NAMES = tuple(REGIONS)
GREY = frozenset({"brick", "grass", "gravel"})

# Sides of a crop as shares of the narrowest band; the same for all splits, so that textures have the same scale.
MIN_CROP, MAX_CROP = 0.6, 1.0

HAZE = np.array([196.0, 203.0, 214.0], np.float32)
HAZE_STRENGTH = 0.72
# Correlation length of the veil as a share of the picture's side, and softness of its edge in standard deviations.
VEIL_SMOOTHNESS = 0.13
VEIL_EDGE = 0.12


@functools.cache
def _region(name: str) -> Image.Image:
    left, top, right, bottom = REGIONS[name]
    return Image.fromarray(photographs.load(name)[top:bottom, left:right].copy())


def crop_box(name: str, split: str, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Draw a square inside the rows of `split`; return left, top, right, bottom in the region's pixels."""
    width, height = _region(name).size
    low, high = (int(height * share) for share in BANDS[split])
    narrowest = int(height * min(end - start for start, end in BANDS.values()))
    side = int(narrowest * rng.uniform(MIN_CROP, MAX_CROP))
    left = int(rng.integers(0, width - side + 1))
    top = int(rng.integers(low, high - side + 1))
    return left, top, left + side, top + side


def draw(size: int, split: str, rng: np.random.Generator) -> np.ndarray:
    """Draw a backdrop `[size, size, 3]`, float32 in 0..255: a random photograph, crop, flip, tint and brightness."""
    name = NAMES[rng.integers(len(NAMES))]
    crop = _region(name).resize((size, size), Image.Resampling.BICUBIC, box=crop_box(name, split, rng))
    pixels = np.asarray(crop, np.float32)
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    if rng.random() < 0.5:
        pixels = pixels[::-1]
    # Grey textures get a colour, and none is as bright as the haze: only the veil washes colours out.
    hue, saturation = rng.uniform(0, 1), rng.uniform(0.35, 0.65)
    if name in GREY:
        pixels = pixels * np.asarray(colorsys.hsv_to_rgb(hue, saturation, 1.0), np.float32)
    return np.clip(pixels * np.float32(rng.uniform(0.65, 1.0)), 0, 255)


def veil(size: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a patchy veil `[size, size]`, float32 in [0, 1], above 1/2 on `share` of the pixels."""
    # The field is smooth enough to draw it on a quarter of the grid and enlarge it.
    coarse = max(8, size // 4)
    field = ndimage.gaussian_filter(rng.standard_normal((coarse, coarse)), VEIL_SMOOTHNESS * coarse, mode="wrap")
    field = np.asarray(Image.fromarray(field.astype(np.float32)).resize((size, size), Image.Resampling.BICUBIC))
    field = field / field.std()
    level = np.quantile(field, 1 - share)
    return (1 / (1 + np.exp(-(field - level) / VEIL_EDGE))).astype(np.float32)


def add_haze(pixels: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Blend `pixels: [H, W, 3]` into grey haze by `strength: [H, W]` in [0, 1]."""
    strength = strength[..., None]
    grey = pixels.mean(axis=-1, keepdims=True)
    return (1 - strength) * pixels + strength * (0.25 * grey + 0.75 * HAZE)
