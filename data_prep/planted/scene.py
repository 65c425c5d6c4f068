"""Compose a planted picture: a backdrop, a veil over parts of it, and recognisable objects in front."""

import dataclasses

import numpy as np

from data_prep.planted import backdrop, objects, score

SPLITS = ("train", "validation", "test")
# How much of the veil's strength reaches the objects: the veil may haze them but never hides them.
VEIL_ON_OBJECTS = 0.35
# How often to try to place an object clear of the others; the try that hides least of them wins.
PLACEMENTS = 40


@dataclasses.dataclass(frozen=True)
class PlacedObject:
    """A pasted object.

    Attributes:
        kind: a key of `score.EFFECTS`.
        effect: what it adds to the score.
        bbox: ymin, xmin, ymax, xmax as shares of the side.
    """

    kind: str
    effect: float
    bbox: tuple[float, float, float, float]


@dataclasses.dataclass(frozen=True)
class Scene:
    """One planted picture.

    Attributes:
        image: `[size, size, 3]` uint8.
        mask: `[size, size]` bool, the visible pixels of the objects that raise the score.
        objects: what was pasted, in the order of pasting.
        owner: `[size, size]` int8, the index in `objects` of what each pixel shows, -1 for the backdrop.
        veil: `[size, size]` float32 in [0, 1], above 1/2 where the veil is.
        veil_share: share of the picture that the veil covers.
        signal: the score before noise.
        score: the score.
    """

    image: np.ndarray
    mask: np.ndarray
    objects: tuple[PlacedObject, ...]
    owner: np.ndarray
    veil: np.ndarray
    veil_share: float
    signal: float
    score: float


def compose(seed: int, split: str, index: int, size: int, design: str = "sum") -> Scene:
    """Compose picture `index` of `split`; the same arguments give the same pixels in any process.

    Args:
        seed: seed of the dataset, >= 0.
        split: "train", "validation" or "test"; each crops its backdrops from its own part of the photographs.
        index: number of the picture in its split, >= 0.
        size: side of the picture in pixels.
        design: one of `options.DESIGNS`.
    """
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    content = score.draw(design, rng)
    pixels = backdrop.draw(size, split, rng)
    # A share of 0 is no veil: even its soft edge would be seen.
    veil = backdrop.veil(size, content.veil_share, rng) if content.veil_share else np.zeros((size, size), np.float32)
    # owner[y, x] is the index of the object that the pixel shows, -1 for the backdrop.
    owner = np.full((size, size), -1, np.int8)
    coverage = np.zeros((size, size), np.float32)
    placed = []
    for number, (kind, strength, effect) in enumerate(content.objects):
        colours, opacity, top, left = place(kind, owner, rng)
        window = np.s_[top : top + opacity.shape[0], left : left + opacity.shape[1]]
        pixels[window] += np.float32(strength) * opacity[..., None] * (colours - pixels[window])
        coverage[window] = np.maximum(coverage[window], opacity)
        owner[window][opacity > 0.5] = number
        bbox = (top / size, left / size, (top + opacity.shape[0]) / size, (left + opacity.shape[1]) / size)
        placed.append(PlacedObject(kind, effect, bbox))
    strength = backdrop.HAZE_STRENGTH * veil * (1 - (1 - VEIL_ON_OBJECTS) * coverage)
    pixels = backdrop.add_haze(pixels, strength)
    raising = [number for number, item in enumerate(placed) if item.effect > 0]
    return Scene(
        image=np.clip(np.round(pixels), 0, 255).astype(np.uint8),
        mask=np.isin(owner, raising),
        objects=tuple(placed),
        owner=owner,
        veil=veil,
        veil_share=content.veil_share,
        signal=content.signal,
        score=content.signal + score.NOISE_SIGMA[design] * float(rng.standard_normal()),
    )


def place(kind: str, owner: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Draw an instance of an object and a place inside the picture where it hides little of the other objects.

    Args:
        kind: a key of `objects.CUT_OUTS`.
        owner: `[size, size]`, not negative where another object shows.
        rng: the source of randomness.

    Returns:
        Colours `[h, w, 3]` and opacity `[h, w]` (see `objects.instance`), and the window's top and left.
    """
    size = owner.shape[0]
    shape = objects.CUT_OUTS[kind]
    best = None
    for _ in range(PLACEMENTS):
        look = (
            size * rng.uniform(shape.min_side, shape.max_side),
            bool(rng.random() < 0.5),
            rng.uniform(-15, 15),
            rng.uniform(0.8, 1.2),
        )
        # The rotated box is at most this large. Its exact size is known only after rendering, which is done once.
        reach = int(np.ceil(1.3 * look[0])) + 2
        top, left = (int(rng.integers(0, max(1, size - reach + 1))) for _ in range(2))
        hidden = np.count_nonzero(owner[top : top + reach, left : left + reach] >= 0)
        if best is None or hidden < best[0]:
            best = (hidden, look, top, left)
        if hidden == 0:
            break
    _, look, top, left = best
    colours, opacity = objects.instance(kind, *look)
    return colours, opacity, min(top, size - opacity.shape[0]), min(left, size - opacity.shape[1])
