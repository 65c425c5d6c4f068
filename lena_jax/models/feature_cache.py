"""The cache of a frozen backbone's feature maps: each view of each picture passes through the backbone only once."""

import hashlib
import math
import os

import jax
import jax.numpy as jnp
import numpy as np

from lena_jax.data.array_cache import TooLarge, cached_array, is_cached
from lena_jax.data.transforms import resize
from lena_jax.models.batching import in_batches, on_devices
from lena_jax.runtime.files import is_writable, user_cache


def feature_cache(ranker, variables, pictures, *, views, augmentation, seed, cache_dir, label, batch_size=32):
    """Compute the feature maps of some views of each picture of a source, or read them from the cache.

    View 0 is the whole picture; the others are random views. The cache holds all pictures of `pictures.source`, so that
    the folds of a cross-validation share it. It is a memory-mapped float16 file whose name is a digest of everything it
    depends on (pictures, weights, size, augmentation, seed). If a feature is too large for float16, the file is
    bfloat16, whose numbers have fewer digits. The size is printed before the file is made.

    Args:
        ranker, variables: `Ranker` and its variables; only the backbone is used.
        pictures: `ScoredPictures`, whose source has n pictures.
        views: number of views, >= 1.
        augmentation: `Augmentation` for the views after the first.
        seed: seed of the random views.
        cache_dir: folder for the files; created if missing.
        label: name of the pictures on the progress bar.
        batch_size: pictures, or frames of clips, per call of the backbone.

    Returns:
        [views, n, h, w, C] float16 or bfloat16, read-only; `maps[view, pictures.rows[i]]` belongs to picture i. For
        clips, [views, n, T, h, w, C].

    Raises:
        OSError: if the disk has no room for them.
        ValueError: if a feature is not finite.
    """
    backbone = {name: tree["backbone"] for name, tree in variables.items() if "backbone" in tree}
    weights = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(backbone):
        weights.update(jax.tree_util.keystr(path).encode() + np.asarray(leaf).tobytes())
    key = {
        "pictures": pictures.digest,
        "network": repr(ranker.network.backbone),
        "weights": weights.hexdigest(),
        "preprocessing": ranker.preprocessing.as_json(),
        "size": ranker.image_size,
        "views": views,
    }
    if ranker.resize != "squash":
        key["resize"] = ranker.resize
    if views > 1:
        key |= {"crop": augmentation.crop, "flip": augmentation.flip, "seed": seed}
    source = pictures.source

    def inputs():
        for number in range(views):
            for row in range(len(source)):
                picture = source[row]["image"]
                yield view_of(picture, ranker.image_size, number, row, augmentation, seed, ranker.resize)

    shape = (*pictures.time, *ranker.abstract_feature_map().shape[1:])
    batch_size = max(1, batch_size // math.prod(pictures.time))

    def cached(dtype, key):
        where = f"{len(source):,} pictures x {views} views of {' x '.join(map(str, shape))} {np.dtype(dtype).name}"
        if not is_cached(cache_dir, key):
            size = np.dtype(dtype).itemsize * views * len(source) * math.prod(shape)
            print(f"backbone features, {label}: {where} = {size / 1e6:,.0f} MB, in {cache_dir!r}")
        return cached_array(
            cache_dir,
            key,
            (views * len(source), *shape),
            dtype,
            lambda: in_batches(on_devices(ranker.feature_map, variables, batch_size), inputs(), batch_size),
            f"backbone features, {label}",
        )

    wider = key | {"dtype": "bfloat16"}
    try:
        rows = cached(jnp.bfloat16, wider) if is_cached(cache_dir, wider) else cached(np.float16, key)
    except TooLarge:
        print(f"backbone features, {label}: some are too large for float16, so bfloat16 is used")
        rows = cached(jnp.bfloat16, wider)
    return np.asarray(rows[:]).reshape(views, len(source), *shape)


def features_folder(config):
    """Return the folder of the cached feature maps of a run's dataset, see `cache_folder`."""
    return cache_folder(config, "features")


def cache_folder(config, name):
    """Return the folder of cached arrays of one kind.

    It is `config.data.cache_dir`, or else `name` in the folder of datasets, or a folder of the user's cache where that
    one cannot be written.
    """
    if config.data.cache_dir:
        return os.path.expanduser(config.data.cache_dir)
    own = os.path.join(os.path.expanduser(config.data.dir), name)
    return own if is_writable(own) else user_cache(name)


def view_of(picture, size, number, row, augmentation, seed, how="squash"):
    """Make one of the views that `feature_cache` holds, of a picture or of its objectness map.

    Args:
        picture: picture [H, W, 3] uint8, or map of the whole picture [H', W'] uint8.
        size: side of the result, in pixels.
        number: number of the view; 0 is the whole picture.
        row: row of the picture in its source.
        augmentation, seed: see `feature_cache`.
        how: how a picture becomes a square, see `transforms.resize`.

    Returns:
        [size, size, 3], [size, size, 4] with "pad", or [size, size], uint8.
    """
    if number == 0:
        return resize(picture, size, how=how)
    return augmentation.view(picture, size, np.random.default_rng([seed, number, row]), how)
