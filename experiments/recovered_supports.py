"""Does LENA find the size of what carries the score? Two answers from known truth.

    python experiments/recovered_supports.py --workdirs=runs/seed_0,runs/seed_1
    python experiments/recovered_supports.py --channels_only

1. Planted channels. In random maps of 14x14 cells, channel c is raised by `s_c ~ U(0, 1)` on `n_c` cells at random
   places, with `n_c` from 1 to 196, under noise of 0.3 on every cell. The score is `sum_c w_c s_c`, with `w_c` +1 or
   -1. LENA and an inner product learn it from pairs. The result is Spearman's rho over the channels between `n_c` and
   the learned N.
2. The pictures of `planted`, with LENA on a frozen backbone (--workdirs: runs of experiments/train.py). The scene of
   each test picture is composed again to get the places of its objects and of the veil. A channel of the backbone
   carries the concept with which it correlates most over all cells of all pictures, if that correlation is at least
   --least. For each concept the table has its true area and the support of the channels that carry it, weighted by the
   size of their weight in the score. Three of the seven concepts do not enter the score; nothing tells LENA how large
   they are.

Prints Markdown tables.
"""

from absl import flags

from lena_jax.cli import scripts

_WORKDIRS = flags.DEFINE_list("workdirs", [], "Runs with LENA on `planted`, separated by commas.")
_CHANNELS_ONLY = flags.DEFINE_bool("channels_only", False, "Give only the first answer, which needs no run.")
_SEEDS = flags.DEFINE_integer("seeds", 5, "Number of seeds for the planted channels.", lower_bound=1)
_STEPS = flags.DEFINE_integer("steps", 600, "Training steps on planted channels.", lower_bound=1)
_LEAST = flags.DEFINE_float("least", 0.3, "Least correlation for a channel to carry a concept.", 0, 1)

SIDE, CHANNELS, NOISE, BATCH = 14, 32, 0.3, 64


def planted_channels(rng, sizes, weights, count):
    """Draw maps whose channels each carry part of the score on a known number of cells.

    Args:
        rng: `np.random.Generator`.
        sizes: [C], number of cells on which each channel is raised, 1 to SIDE * SIDE.
        weights: [C], weights of the channels in the score.
        count: number of maps, n.

    Returns:
        (maps [n, SIDE, SIDE, C] float32, scores [n]).
    """
    import numpy as np

    strengths = rng.uniform(0, 1, (count, len(sizes)))
    place = rng.random((count, SIDE * SIDE, len(sizes))).argsort(1).argsort(1)
    maps = np.where(place < sizes, strengths[:, None], 0) + rng.normal(0, NOISE, place.shape)
    return maps.reshape(count, SIDE, SIDE, -1).astype(np.float32), strengths @ weights


def learned_sizes(seed, steps):
    """Train LENA and an inner product on pairs of planted maps; return (planted n [C], learned N [C])."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    from lena_jax import pooling
    from lena_jax.config import default_config
    from lena_jax.data.pairs import pairs_within
    from lena_jax.train.loss import pairwise_logistic_loss
    from lena_jax.train.optimizer import make_optimizer

    rng = np.random.default_rng(seed)
    sizes = np.round(np.geomspace(1, SIDE * SIDE, CHANNELS)).astype(int)
    weights = rng.choice([-1.0, 1.0], CHANNELS)
    config = default_config()
    pool = pooling.make_pooling("lena", **config.pooling_options.lena)
    params = {
        "pooling": pool.init(jax.random.key(seed), jnp.zeros((1, SIDE, SIDE, CHANNELS)))["params"],
        "head": {"kernel": jnp.zeros((CHANNELS, 1))},
    }
    optimizer = make_optimizer(config.optimizer, steps, params)

    @jax.jit
    def step(params, state, maps, pairs, label):
        def loss(params):
            scores = (pool.apply({"params": params["pooling"]}, maps) @ params["head"]["kernel"])[:, 0]
            total, weight = pairwise_logistic_loss(scores, pairs, label, jnp.ones(len(label)))
            return total / weight

        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    state = optimizer.init(params)
    for _ in range(steps):
        maps, scores = planted_channels(rng, sizes, weights, BATCH)
        pairs, label, _ = pairs_within(scores)
        params, state = step(params, state, maps, pairs, label)
    return sizes, np.asarray(pooling.support_sizes(params["pooling"]["eta"], SIDE * SIDE))


def concept_maps(pictures, grid, names):
    """Map the concepts: [n, grid, grid, len(names)], the share of each cell that an object or the veil covers.

    Args:
        pictures: `ScoredPictures` of `planted`, built with the default seed.
        grid: cells per side.
        names: kinds of object, then "veil".

    Raises:
        ValueError: a picture differs from the one composed again, as with another seed.
    """
    import numpy as np
    from PIL import Image

    from data_prep.planted import scene

    found = np.zeros((len(pictures), grid, grid, len(names)), np.float32)
    for index, name in enumerate(pictures.ids):
        split, number = name.split("/")
        record = pictures.record(index)
        composed = scene.compose(0, split, int(number), record["image"].shape[0])
        if not np.array_equal(composed.mask, record["mask"][..., 0] > 0):
            raise ValueError(f"picture {name!r} was not built with seed 0, expected 'planted' as built by default")
        layers = {"veil": composed.veil > 0.5}
        layers |= {item.kind: composed.owner == place for place, item in enumerate(composed.objects)}
        for kind, layer in layers.items():
            cells = Image.fromarray(layer.astype(np.float32)).resize((grid, grid), Image.Resampling.BOX)
            found[index, ..., names.index(kind)] = np.asarray(cells)
    return found


def correlations(features, concepts):
    """Compute Pearson's r over all cells of all pictures: [n, g, g, C] and [n, g, g, K] -> [C, K]."""
    import numpy as np

    def standard(maps):
        flat = np.asarray(maps, np.float32).reshape(-1, maps.shape[-1])
        flat = flat - flat.mean(0)
        return flat / np.maximum(flat.std(0), 1e-6)

    return standard(features).T @ standard(concepts) / np.prod(features.shape[:3])


def carried_supports(correlation, shares, weights, least):
    """For each concept, count the channels that carry it and average their supports.

    Args:
        correlation: [C, K], correlation of each channel with each concept.
        shares: [C], eta.
        weights: [C], weights of the channels in the score. The average is weighted by their absolute values.
        least: least correlation for a channel to carry the concept with which it correlates most.

    Returns:
        (number of channels [K], weighted mean share [K]; NaN for a concept without channels).
    """
    import numpy as np

    concept, carries = correlation.argmax(1), correlation.max(1) >= least
    count, mean = [], []
    for number in range(correlation.shape[1]):
        chosen = carries & (concept == number)
        count.append(int(chosen.sum()))
        mean.append(np.average(shares[chosen], weights=np.abs(weights[chosen])) if chosen.any() else np.nan)
    return np.array(count), np.array(mean)


def _channels():
    import numpy as np
    from scipy import stats

    rhos, found = [], []
    for seed in range(_SEEDS.value):
        sizes, learned = learned_sizes(seed, _STEPS.value)
        rhos.append(stats.spearmanr(sizes, learned).statistic)
        found.append(learned)
    print(
        f"\nPlanted channels, {_SEEDS.value} seeds: Spearman's rho between planted and learned size: "
        f"{np.mean(rhos):.3f} ({min(rhos):.3f} to {max(rhos):.3f})\n\n"
        "| planted cells | learned N, mean over seeds |\n|---|---|"
    )
    for size, learned in list(zip(sizes, np.mean(found, 0), strict=True))[::3]:
        print(f"| {size} | {learned:.1f} |")


def _pictures(workdirs):
    import numpy as np
    from scipy import stats
    from tqdm import tqdm

    from data_prep.planted import score
    from lena_jax.data.splits import open_pictures
    from lena_jax.data.transforms import resize
    from lena_jax.models.batching import in_batches, on_devices
    from lena_jax.models.ranker import learned_shares
    from lena_jax.runs.load import load_ranker

    names = [*score.KINDS, "veil"]
    effects = {**score.EFFECTS, "veil": -score.VEIL_EFFECT}
    features, supports, rhos = None, [], []
    for workdir in workdirs:
        model, variables, config, _, _ = load_ranker(workdir)
        shares = learned_shares(config, variables)
        if shares is None or config.data.name != "planted" or not config.backbone.frozen:
            raise ValueError(
                f"{workdir!r}: got pooling {config.pooling!r} on {config.data.name!r}, expected LENA on "
                "'planted' with a frozen backbone"
            )
        if features is None:  # The frozen backbone is the same in all runs.
            pictures = open_pictures(config)["test"]
            run = on_devices(model.feature_map, variables, 32)
            inputs = (resize(pictures.picture(i), model.image_size) for i in tqdm(range(len(pictures)), "backbone"))
            features = np.concatenate(list(in_batches(run, inputs, 32)))
            concepts = concept_maps(pictures, features.shape[1], names)
            correlation = correlations(features, concepts)
            areas = [float(one.mean((1, 2))[one.any((1, 2))].mean()) for one in np.moveaxis(concepts, -1, 0)]
        weights = np.asarray(variables["params"]["head"]["kernel"])[:, 0]
        count, mean = carried_supports(correlation, shares, weights, _LEAST.value)
        supports.append(mean)
        scored = [i for i, name in enumerate(names) if effects[name] and count[i]]
        rhos.append(stats.spearmanr(np.array(areas)[scored], mean[scored]).statistic)
    print(
        f"Pictures of `planted`, {len(workdirs)} runs: rho between area and support over the {len(scored)} "
        f"concepts that enter the score: {np.mean(rhos):.2f} ({min(rhos):.2f} to {max(rhos):.2f})\n\n"
        "| concept | effect on the score | true area | channels | mean support over runs | range |\n"
        "|---|---|---|---|---|---|"
    )
    for i, name in enumerate(names):
        each = [mean[i] for mean in supports]
        print(
            f"| {name} | {effects[name]:+.1f} | {areas[i]:.3f} | {count[i]} | {np.mean(each):.3f} | "
            f"{min(each):.3f} to {max(each):.3f} |"
        )


def main():
    if not _WORKDIRS.value and not _CHANNELS_ONLY.value:
        raise ValueError("got no --workdirs, expected runs on `planted`, or use --channels_only")
    # The part that can fail early comes first.
    if not _CHANNELS_ONLY.value:
        _pictures(_WORKDIRS.value)
    _channels()


if __name__ == "__main__":
    scripts.run(main)
