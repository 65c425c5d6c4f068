"""Check maps without masks, using only the score of the model: occlusion, insertion and deletion."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from lena_jax.data.transforms import resize
from lena_jax.localization import gradient_map, occlusion_map, to_grid, upsample
from lena_jax.metrics import bootstrap, insertion_deletion, map_agreement
from lena_jax.runtime.progress import counted

AREAS = ("insertion_area", "deletion_area", "gain")


def check_maps(model, variables, pictures, maps, count, batch_size=32, seed=0):
    """Measures how well each kind of map predicts the effect of covering and removing regions of the picture.

    For a model that fuses objectness, the objectness map stays that of the uncovered picture. The checks measure how
    the score depends on the pixels that the backbone sees, not what objectness adds to it.

    Each picture takes about one pass of the network per cell of the map, plus 80 per kind of map.

    Args:
        model, variables: the model and its variables, from `load_ranker`.
        pictures: `ScoredPictures`, n of them.
        maps: {kind: [n, h, w]}.
        count: number of pictures to check, drawn at random.
        batch_size: covered pictures per call of the network.
        seed: seed of the draw and of the bootstrap.

    Returns:
        {"pictures": number, "occlusion_agreement": {kind: result of `map_agreement`}, "insertion_deletion": {kind:
        {"insertion_area", "deletion_area", "gain": {"value", "low", "high"}}}}. The kinds are those of `maps`,
        "gradient_map" and, for insertion and deletion, "occlusion_map".
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(pictures))[:count])
    grid = next(iter(maps.values())).shape[1:]

    @jax.jit
    def score(variables, objectness, pictures):
        inputs = (
            pictures
            if objectness is None
            else {
                "pictures": pictures,
                "objectness": jnp.broadcast_to(objectness[None], (len(pictures), *objectness.shape)),
            }
        )
        return model.score_pictures(variables, inputs)

    @jax.jit
    def checks(variables, objectness, picture):
        score_of = functools.partial(score, variables, objectness)
        return (
            occlusion_map(score_of, picture, grid, batch_size=batch_size),
            to_grid(gradient_map(score_of, picture[None]), *grid)[0],
        )

    found = {"gradient_map": [], "occlusion_map": []}
    curves = {kind: [] for kind in (*maps, *found)}
    for index in counted(chosen, "checking maps"):
        picture = resize(pictures.picture(index), model.image_size, how=model.resize).astype(np.float32)
        objectness = None if model.fusion == "none" else pictures.objectness_map(index)
        occluded, gradient = (np.asarray(one) for one in checks(variables, objectness, picture))
        found["gradient_map"].append(gradient)
        found["occlusion_map"].append(occluded)
        of_picture = {kind: each[index] for kind, each in maps.items()}
        for kind, one in (of_picture | {"gradient_map": gradient, "occlusion_map": occluded}).items():
            full = np.asarray(upsample(one[None], model.image_size, model.image_size))[0]
            measures = insertion_deletion(functools.partial(score, variables, objectness), picture, full)
            curves[kind].append([measures[name] for name in AREAS])
    others = {kind: each[chosen] for kind, each in maps.items()} | {"gradient_map": np.array(found["gradient_map"])}
    return {
        "pictures": len(chosen),
        "occlusion_agreement": {
            kind: map_agreement(each, np.array(found["occlusion_map"]), seed=seed) for kind, each in others.items()
        },
        "insertion_deletion": {kind: _means(np.array(values), seed) for kind, values in curves.items()},
    }


def _means(values, seed):
    """Means over pictures with intervals. Pictures that score the same as the baseline have no areas."""

    def means(index):
        drawn = values[index]
        defined = ~np.isnan(drawn)
        return {
            name: float(drawn[defined[:, column], column].mean()) if defined[:, column].any() else np.nan
            for column, name in enumerate(AREAS)
        }

    return bootstrap(means, len(values), seed=seed)
