"""Compose a planted clip: a planted picture in which each object shows only in a run of frames."""

import dataclasses

import numpy as np

from data_prep.planted import backdrop, scene, score

# Keeps the clips apart from the pictures of `planted` with the same seed.
_STREAM = 1


@dataclasses.dataclass(frozen=True)
class PassingObject(scene.PlacedObject):
    """A pasted object, which does not move, and when it shows.

    Attributes:
        first: number of the first frame that shows it, from 0.
        shown: how many frames show it, 1 to T.
    """

    first: int
    shown: int


@dataclasses.dataclass(frozen=True)
class PlantedClip:
    """One planted clip.

    Attributes:
        frames: `[T, size, size, 3]` uint8.
        objects: what was pasted, in the order of pasting.
        veil_share: share of every frame that the veil covers.
        signal: the score before noise: that of a picture with all the objects, however long each shows.
        score: the score.
    """

    frames: np.ndarray
    objects: tuple[PassingObject, ...]
    veil_share: float
    signal: float
    score: float


def compose(seed: int, split: str, index: int, size: int, frames: int) -> PlantedClip:
    """Compose clip `index` of `split`; the same arguments give the same pixels in any process.

    The length of an object's run is uniform on 1..T, and its start uniform on the frames that fit. The run tells
    nothing about the score.

    Args:
        seed: seed of the dataset, >= 0.
        split: "train", "validation" or "test"; each crops its backdrops from its own part of the photographs.
        index: number of the clip in its split, >= 0.
        size: side of a frame in pixels.
        frames: T, >= 1.
    """
    rng = np.random.default_rng([seed, _STREAM, scene.SPLITS.index(split), index])
    kinds, veil_share = score.draw_content(rng)
    behind = backdrop.draw(size, split, rng)
    veil = backdrop.veil(size, veil_share, rng)
    pixels = np.repeat(behind[None], frames, 0)
    coverage = np.zeros((frames, size, size), np.float32)
    owner = np.full((size, size), -1, np.int8)
    placed = []
    for number, kind in enumerate(kinds):
        colours, opacity, top, left = scene.place(kind, owner, rng)
        bottom, right = top + opacity.shape[0], left + opacity.shape[1]
        owner[top:bottom, left:right][opacity > 0.5] = number
        shown = int(rng.integers(1, frames + 1))
        first = int(rng.integers(0, frames - shown + 1))
        window = np.s_[first : first + shown, top:bottom, left:right]
        pixels[window] += opacity[..., None] * (colours - pixels[window])
        coverage[window] = np.maximum(coverage[window], opacity)
        bbox = (top / size, left / size, bottom / size, right / size)
        placed.append(PassingObject(kind, score.EFFECTS[kind], bbox, first, shown))
    strength = backdrop.HAZE_STRENGTH * veil * (1 - (1 - scene.VEIL_ON_OBJECTS) * coverage)
    hazed = np.stack([backdrop.add_haze(*frame) for frame in zip(pixels, strength, strict=True)])
    signal = score.signal(kinds, veil_share)
    return PlantedClip(
        frames=np.clip(np.round(hazed), 0, 255).astype(np.uint8),
        objects=tuple(placed),
        veil_share=veil_share,
        signal=signal,
        score=signal + score.NOISE_SIGMA["sum"] * float(rng.standard_normal()),
    )
