"""The cache of a frozen trunk's feature maps: each view of each picture runs through the trunk once, ever."""

import hashlib
import json
import os
import shutil
import time

import jax
import numpy as np
from tqdm import tqdm

from lena_jax.input_pipeline import resize
from lena_jax.ranker import in_batches


def feature_cache(ranker, variables, pictures, *, views, augmentation, seed, cache_dir, label, batch_size=32):
    """Feature maps of some views of each picture of a source, computed now or read from an earlier run.

    View 0 is the whole picture; the others are random views of it. All pictures of `pictures.source` are held, so
    that the folds of a cross-validation share one cache: float16 in a memory-mapped file whose name is a digest
    of everything that it depends on (pictures, weights, size, augmentation, seed).

    Args:
        ranker, variables: the model; only its trunk is used.
        pictures: `ScoredPictures`, whose source has n pictures.
        views: number of views, >= 1.
        augmentation: `Augmentation` of the views after the first.
        seed: of the random views.
        cache_dir: folder for the files; made if absent.
        label: what to call the pictures on the progress bar.
        batch_size: pictures a call of the trunk.

    Returns:
        [views, n, h, w, C] float16, read-only; `maps[view, pictures.rows[i]]` belongs to picture i.

    Raises:
        OSError: if the disk has no room for them.
        ValueError: if a feature is beyond what float16 holds.
    """
    trunk = {name: tree["backbone"] for name, tree in variables.items()}
    weights = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(trunk):
        weights.update(jax.tree_util.keystr(path).encode() + np.asarray(leaf).tobytes())
    key = {"pictures": pictures.digest, "network": repr(ranker.network.backbone), "weights": weights.hexdigest(),
           "preprocessing": ranker.preprocessing.as_json(), "size": ranker.image_size, "views": views}
    if views > 1:
        key |= {"crop": augmentation.crop, "flip": augmentation.flip, "seed": seed}
    path = os.path.join(cache_dir, hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32] + ".npy")
    if not os.path.exists(path):
        os.makedirs(cache_dir, exist_ok=True)
        _forget_abandoned(cache_dir)
        unfinished = f"{path}.{os.getpid()}.unfinished"  # Too large to write through a file object.
        try:
            _compute(ranker, variables, pictures.source, views, augmentation, seed, unfinished, label, batch_size)
            os.replace(unfinished, path)
        finally:
            if os.path.exists(unfinished):
                os.remove(unfinished)
    return np.load(path, mmap_mode="r")


def _forget_abandoned(folder, seconds=86400):
    """Removes what a killed process left unfinished, once it is a day old and surely nobody's work."""
    for entry in os.scandir(folder):
        if entry.name.endswith(".unfinished") and time.time() - entry.stat().st_mtime > seconds:
            os.remove(entry.path)


def _compute(ranker, variables, source, views, augmentation, seed, path, label, batch_size):
    def inputs():
        for view in range(views):
            for index in range(len(source)):
                picture = source[index]["image"]
                yield (resize(picture, ranker.image_size) if view == 0 else
                       augmentation.view(picture, ranker.image_size, np.random.default_rng([seed, view, index])))

    trunk = jax.jit(ranker.feature_map)
    shape = jax.eval_shape(trunk, variables, jax.ShapeDtypeStruct(
        (1, ranker.image_size, ranker.image_size, 3), np.uint8)).shape[1:]
    # A mapped file has holes: on a full disk, writing into one kills the process.
    needed, free = 2 * views * len(source) * int(np.prod(shape)), shutil.disk_usage(os.path.dirname(path)).free
    if needed > free:
        raise OSError(f"{needed / 1e9:.1f} GB of trunk features do not fit into {os.path.dirname(path)!r}, which has "
                      f"{free / 1e9:.1f} GB free: use fewer augmentation.views, a smaller image_size, another data.dir")
    held = np.lib.format.open_memmap(path, "w+", np.float16, (views, len(source), *shape))
    rows, done = held.reshape(-1, *shape), 0
    with tqdm(total=len(rows), desc=f"trunk features, {label}", unit="picture") as bar:
        for maps in in_batches(lambda batch: trunk(variables, batch), inputs(), batch_size):
            with np.errstate(over="ignore"):
                rows[done:done + len(maps)] = maps
            if not np.isfinite(rows[done:done + len(maps)]).all():
                raise ValueError(f"the trunk's features reach {np.abs(maps).max()}, expected at most 65504, the "
                                 "largest float16: do the weights belong to this trunk and its preprocessing?")
            done += len(maps)
            bar.update(len(maps))
    held.flush()
