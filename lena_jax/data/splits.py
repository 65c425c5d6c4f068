"""Which pictures a run trains, validates and tests on, as its config says."""

import dataclasses
import hashlib

import numpy as np

from lena_jax.data import dataset, objectness
from lena_jax.data.units import kept_together, split_evenly, take_share


def open_pictures(config):
    """Opens the pictures of a run.

    With `config.data.folds = 0` the data set's own splits are used, "validation" only if there is one. With
    `folds = k` all its pictures are parted at random (by `config.data.fold_seed`) into k folds; fold
    `config.data.fold` is the test part and the rest trains. Where there are no validation pictures that way,
    `config.data.validation` of the training pictures are set aside for it, the same ones each time. Equal pictures,
    and those of one unit, are never on two sides. Where the data set stores several scores, `config.data.score` names
    the one to use. Unless `config.fusion` is "none", the pictures come with their objectness maps.

    Returns:
        {"train": ScoredPictures, "validation": ScoredPictures or None, "test": ScoredPictures}.

    Raises:
        ValueError: if the data set, a split or its objectness maps are absent, the fold is not one of the folds, or the
            share set aside is outside [0, 1/2].
    """
    data = config.data
    if not 0 <= data.validation <= 0.5:
        raise ValueError(f"data.validation must be a share in [0, 0.5], got {data.validation}")
    parts = _parts(config)
    if parts["validation"] is None and data.validation:
        held_out = random_share(parts["train"], data.validation, data.fold_seed)
        rest = np.setdiff1d(np.arange(len(parts["train"])), held_out)
        parts |= {"train": parts["train"].subset(rest), "validation": parts["train"].subset(held_out)}
    return parts


def _parts(config):
    data = config.data

    def load(split):
        pictures = dataset.load(data.name, data.dir, split, data.score)
        if pictures.time and config.fusion != "none":
            raise ValueError(
                f"got fusion {config.fusion!r} for {data.name!r}, a data set of clips, expected 'none': "
                "objectness maps are of pictures"
            )
        return (
            pictures
            if config.fusion == "none"
            else dataclasses.replace(pictures, objectness=objectness.load(data.name, data.dir, split))
        )

    if not data.folds:
        if data.fold:
            raise ValueError(f"got data.fold={data.fold} without data.folds: expected both or neither")
        splits = dataset.split_names(data.name, data.dir)
        return {
            part: load(part) if part == "train" or part in splits else None for part in ("train", "validation", "test")
        }
    pictures = load("all")
    parts = make_folds(pictures, data.folds, data.fold_seed)
    if not 0 <= data.fold < data.folds:
        raise ValueError(f"data.fold must be in [0, {data.folds}), got {data.fold}")
    rest = np.sort(np.concatenate(parts[: data.fold] + parts[data.fold + 1 :]))
    return {"train": pictures.subset(rest), "validation": None, "test": pictures.subset(parts[data.fold])}


def make_folds(pictures, count, seed=0):
    """Splits pictures into `count` random parts of (almost) equal size; those of one unit stay together.

    Returns:
        A list of [m] index arrays that together hold every picture once.

    Raises:
        ValueError: unless 2 <= count <= number of units.
    """
    units = np.arange(len(pictures)) if pictures.units is None else kept_together(pictures.units.astype(str))
    return split_evenly(units, count, np.random.default_rng(seed))


def random_share(pictures, share, seed=0):
    """The indices of a random share of pictures, sorted; those of one unit stay together.

    Raises:
        ValueError: if the units are so few or so large that the share has none of them, or all.
    """
    units = np.arange(len(pictures)) if pictures.units is None else kept_together(pictures.units.astype(str))
    return take_share(units, share, np.random.default_rng(seed))


def fingerprint(parts):
    """A digest of all that a run's result depends on in its data.

    That is pictures, ids, scores, groups, weights and parts; where objectness maps are used, a digest of theirs stands
    behind it, after a "+".
    """
    digest, maps = hashlib.sha256(), hashlib.sha256()
    for name, part in sorted(parts.items()):
        digest.update(name.encode())
        if part is not None:
            for array in (part.ids, part.groups, part.scores, part.weights, part.rows, part.pairs):
                digest.update(repr(None if array is None else array.tolist()).encode())
            digest.update(part.digest.encode())
            if part.objectness is not None:
                maps.update(part.objectness.digest.encode())
    mapped = any(part is not None and part.objectness is not None for part in parts.values())
    return digest.hexdigest() + (f"+{maps.hexdigest()}" if mapped else "")


def without_maps(fingerprint):
    """The part of a fingerprint that is the same whether objectness maps are used or not."""
    return fingerprint.partition("+")[0]
