"""Choose the pictures that a run trains, validates and tests on."""

import dataclasses
import hashlib

import numpy as np

from lena_jax.data import dataset, objectness
from lena_jax.data.units import kept_together, split_evenly, take_share


def open_pictures(config):
    """Open the pictures of a run.

    With `config.data.folds = 0`, use the dataset's own splits; "validation" may be missing. With `folds = k`, split all
    its pictures at random (seed `config.data.fold_seed`) into k folds: fold `config.data.fold` is the test split, and
    the other folds are the training split. If that leaves no validation split, set aside the share
    `config.data.validation` of the training pictures, the same ones each time. Equal pictures, and pictures of one
    unit, never end up in two splits. If the dataset stores several scores, `config.data.score` names the one to use.
    Unless `config.fusion` is "none", the pictures come with their objectness maps.

    Returns:
        {"train": ScoredPictures, "validation": ScoredPictures or None, "test": ScoredPictures}.

    Raises:
        ValueError: the dataset, a split or its objectness maps are missing, `fold` is not below `folds`, the share to
            set aside is outside [0, 1/2], or a fold of judged pairs has no pair.
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
                f"got fusion {config.fusion!r} for {data.name!r}, a dataset of clips, expected 'none': "
                "only pictures have objectness maps"
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
    if pictures.judged is not None:
        _check_pairs(pictures, parts)
    rest = np.sort(np.concatenate(parts[: data.fold] + parts[data.fold + 1 :]))
    return {"train": pictures.subset(rest), "validation": None, "test": pictures.subset(parts[data.fold])}


def _check_pairs(pictures, parts):
    """Refuse folds of judged pairs of which one has no pair of its own: pairs across folds are dropped."""
    fold_of = np.empty(len(pictures), np.int64)
    for number, part in enumerate(parts):
        fold_of[part] = number
    pairs = pictures.decided_pairs()
    within = fold_of[pairs[fold_of[pairs[:, 0]] == fold_of[pairs[:, 1]], 0]]
    counts = np.bincount(within, minlength=len(parts))
    if not counts.all():
        raise ValueError(
            f"fold {int(np.argmin(counts))} of {len(parts)} has no pair among its pictures: {len(within):,} of "
            f"{len(pairs):,} pairs are within one fold, the others are dropped. Use fewer folds (--folds=2), or add "
            "pairs"
        )


def make_folds(pictures, count, seed=0):
    """Split pictures into `count` random folds of (almost) equal size. Pictures of one unit stay together.

    Returns:
        A list of [m] index arrays that together hold every picture once.

    Raises:
        ValueError: unless 2 <= count <= number of units.
    """
    units = np.arange(len(pictures)) if pictures.units is None else kept_together(pictures.units.astype(str))
    return split_evenly(units, count, np.random.default_rng(seed))


def random_share(pictures, share, seed=0):
    """Return the sorted indices of a random share of pictures. Pictures of one unit stay together.

    Raises:
        ValueError: there are too few units, or too large ones, so that the share would have none of them or all.
    """
    units = np.arange(len(pictures)) if pictures.units is None else kept_together(pictures.units.astype(str))
    return take_share(units, share, np.random.default_rng(seed))


def fingerprint(parts):
    """Compute a digest of all data that a run's result depends on.

    It covers pictures, ids, scores, groups, weights, pairs and splits. If objectness maps are used, their digest
    follows after a "+".
    """
    digest, maps = hashlib.sha256(), hashlib.sha256()
    for name, part in sorted(parts.items()):
        digest.update(name.encode())
        if part is not None:
            for array in (part.ids, part.groups, part.scores, part.weights, part.rows, part.pairs):
                digest.update(repr(None if array is None else array.tolist()).encode())
            if part.judged is not None:
                digest.update(repr([part.judged.label.tolist(), part.judged.weight.tolist()]).encode())
            digest.update(part.digest.encode())
            if part.objectness is not None:
                maps.update(part.objectness.digest.encode())
    mapped = any(part is not None and part.objectness is not None for part in parts.values())
    return digest.hexdigest() + (f"+{maps.hexdigest()}" if mapped else "")


def without_maps(fingerprint):
    """Return the part of a fingerprint that does not depend on objectness maps."""
    return fingerprint.partition("+")[0]
