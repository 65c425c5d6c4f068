"""Does LENA find the size of what carries the score? Two answers from known truth.

    python experiments/recover_supports.py --config=experiments/configs/quickstart.py
    python experiments/recover_supports.py --workdirs=runs/seed_0,runs/seed_1

1. Scores made from real maps (--config: the dataset, backbone and endpoint). --channels of all channels are drawn, each
   with a share u^2, u uniform, and a normal weight. The score of a picture is the weighted sum of these channels,
   pooled with these shares, at equal spread, plus noise of --noise standard deviations. Heads are then solved on all
   pairs of the training pictures, with every channel as a feature. The table has the pair accuracy on the test
   pictures, and Spearman's rho between true and learned share over the true channels, and over the half of them with
   larger weights.
2. The pictures of `planted`, with LENA on a frozen backbone (--workdirs: runs of experiments/train.py). The scene of
   each test picture is composed again to get the places of its objects and of the veil. A channel of the backbone
   carries the concept with which it correlates most over all cells of all pictures, if that correlation is at least
   --least. For each concept the table has its true area and the support of the channels that carry it, weighted by the
   size of their weight in the score. Three of the seven concepts do not enter the score; nothing tells LENA how large
   they are.

Prints Markdown tables.
"""

from lena_jax.runtime import signals

if __name__ == "__main__":
    signals.end_silently()  # Before what takes longer to import.

from absl import flags
from ml_collections import config_flags

from lena_jax.cli import scripts

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config file of the maps to make scores from.")
_CHANNELS = flags.DEFINE_integer("channels", 50, "Channels that carry the score.", lower_bound=2)
_NOISE = flags.DEFINE_float("noise", 0.3, "Noise on the score, in standard deviations of it.", 0)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of channels, shares, weights and noise.")
_STARTS = flags.DEFINE_list("starts", ["0.1", "0.5", "0.9"], "Shares from which supports start.")
_FREEDOM = flags.DEFINE_float("freedom", 1000.0, "How freely supports move.", 0)
_WORKDIRS = flags.DEFINE_list("workdirs", [], "Runs with LENA on `planted`, separated by commas.")
_LEAST = flags.DEFINE_float("least", 0.3, "Least correlation for a channel to carry a concept.", 0, 1)

_FIXED = (1.0, 0.5, 0.2, 0.08, 0.0)
_SPARSE = (3, 10, 30)  # Ridges of a sparse penalty to choose from, as factors on the best even one.


def draw_truth(rng, channels, count):
    """Draw which channels carry the score, their shares and their weights: three arrays [count]."""
    return rng.choice(channels, count, replace=False), rng.random(count) ** 2, rng.normal(size=count)


def _tables(config):
    """Return the sorted maps of training and test pictures, without channels that are always the same."""
    import numpy as np

    from lena_jax.data.splits import open_pictures
    from lena_jax.data.transforms import Augmentation
    from lena_jax.models import ranker
    from lena_jax.models.feature_cache import feature_cache, features_folder
    from lena_jax.pooling.running_means import running_means

    model, pictures = ranker.build(config), open_pictures(config)
    variables = model.init(config.seed, config.backbone.pretrained, config.backbone.weights or None)
    options = dict(views=1, augmentation=Augmentation(1.0, False), seed=0, cache_dir=features_folder(config))
    maps = {
        name: feature_cache(model, variables, pictures[name], label=name, **options)[0, pictures[name].rows]
        for name in ("train", "test")
    }
    alive = maps["train"].reshape(-1, maps["train"].shape[-1]).astype(np.float32).std(0) > 1e-3
    return [running_means(one.reshape(len(one), -1, one.shape[-1])[..., alive]) for one in maps.values()]


def _made_scores(config):
    import jax.numpy as jnp
    import numpy as np
    from scipy import stats

    from lena_jax.models.siamese import deviation
    from lena_jax.pooling.running_means import pool_running
    from lena_jax.train import inner_validation, pair_matrix, supports

    train, test = _tables(config)
    channels, cells, n = train.shape
    rng = np.random.default_rng(_SEED.value)
    true, shares, weights = draw_truth(rng, channels, min(_CHANNELS.value, channels))
    strong = np.abs(weights) > np.median(np.abs(weights))

    def pooled(sizes, chosen=slice(None)):
        """Pool both sets at the spread of the training pictures."""
        features, mean, variance = supports.equal_spread(pool_running(train[chosen], sizes[chosen]))
        other = pool_running(test[chosen], sizes[chosen])
        return features, (other - mean[:, None]) / deviation(variance)[:, None]

    sizes = np.full(channels, 1 + 0.2 * (cells - 1), np.float32)
    sizes[true] = 1 + shares * (cells - 1)
    clean = [weights @ np.asarray(part)[true] for part in pooled(sizes)]
    scores = [part / clean[0].std() + _NOISE.value * rng.normal(size=len(part)) for part in clean]
    pairs, counted = (_pairs(part) for part in scores)
    table = supports.Table.of(train)
    held_out = np.arange(n) % 5 == 0
    parts = [(pair_matrix.only(pairs, ~held_out), pair_matrix.only(pairs, held_out))]

    def row(name, learned, sizes, chosen=slice(None)):
        accuracy = pair_matrix.accuracy(jnp.asarray(learned.kernel) @ pooled(sizes, chosen)[1], counted)
        found = (np.asarray(sizes)[true] - 1) / (cells - 1)
        rho = ["", ""]
        if "LENA" in name:
            rho = [f"{stats.spearmanr(found[half], shares[half])[0]:.3f}" for half in (slice(None), strong)]
        print(f"| {name} | {accuracy:.4f} | {learned.objective:.4f} | {rho[0]} | {rho[1]} |", flush=True)

    print(
        f"\n{min(_CHANNELS.value, channels)} of {channels} channels, {cells} cells, {n} training pictures. The noise "
        f"limits pair accuracy to {float(pair_matrix.accuracy(clean[1], counted)):.4f}.\n\n"
        "| supports | pair accuracy | objective | rho, all | rho, stronger half |\n|---|---|---|---|---|"
    )
    half = pooled(np.full(channels, 1 + 0.5 * (cells - 1), np.float32))[0]
    tried = inner_validation.ridge_path(half, parts, (0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4))
    ridge = max(tried, key=tried.get)
    for share in _FIXED:
        fixed = np.full(channels, 1 + share * (cells - 1), np.float32)
        row(f"share {share:g}", supports.learn(pooled(fixed)[0], pairs, ridge), fixed)
    sparse = {
        factor: inner_validation.held_out_accuracy(
            parts, lambda pairs, factor=factor: supports.learn(half, pairs, factor * ridge, "sparse")
        )
        for factor in _SPARSE
    }
    for penalty, factor in (("even", 1), ("sparse", max(sparse, key=sparse.get))):
        row(f"true shares, {penalty}", supports.learn(pooled(sizes)[0], pairs, factor * ridge, penalty), sizes)
        for start in map(float, _STARTS.value):
            begun = jnp.full(channels, round(1 + start * (cells - 1)), jnp.int32)
            features = supports.features_at(table.means, begun.astype(jnp.float32))
            price = supports.prices(cells, start, _FREEDOM.value)
            learned = supports.learn(features, pairs, factor * ridge, penalty, table, begun, price)
            row(f"LENA from {start:g}, {penalty}", learned, np.asarray(learned.sizes, np.float32))
    # What limits recovery: with the channels known, only their supports are to be found.
    alone = supports.Table.of(train[true])
    begun = jnp.full(len(true), round(1 + 0.5 * (cells - 1)), jnp.int32)
    features = supports.features_at(alone.means, begun.astype(jnp.float32))
    price = supports.prices(cells, 0.5, _FREEDOM.value)
    learned = supports.learn(features, pairs, ridge, "even", alone, begun, price)
    known = sizes.copy()
    known[true] = learned.sizes
    row("LENA from 0.5, channels known", learned, known, true)
    row("true shares, channels known", supports.learn(pooled(sizes, true)[0], pairs, ridge), sizes, true)


def _pairs(scores):
    import numpy as np

    from lena_jax.train.pair_matrix import PairMatrix

    won = (scores[:, None] > scores[None]).astype(np.float32)
    weight = won + won.T
    return PairMatrix(2 * weight / weight.sum(), np.where(weight > 0, won, 0.5).astype(np.float32))


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


def _pictures(workdirs):
    import numpy as np
    from scipy import stats

    from data_prep.planted import score
    from lena_jax.data.splits import open_pictures
    from lena_jax.data.transforms import resize
    from lena_jax.models.batching import in_batches, on_devices
    from lena_jax.models.shares import learned_shares
    from lena_jax.runs.load import load_ranker
    from lena_jax.runtime.progress import counted

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
            inputs = (resize(pictures.picture(i), model.image_size) for i in counted(range(len(pictures)), "backbone"))
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
    if not _WORKDIRS.value and _CONFIG.value is None:
        raise ValueError("got neither --config nor --workdirs, expected one of them")
    if _WORKDIRS.value:
        _pictures(_WORKDIRS.value)
    if _CONFIG.value is not None:
        _made_scores(_CONFIG.value)


if __name__ == "__main__":
    scripts.run(main)
