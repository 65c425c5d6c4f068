"""The whole model that a config describes: network, preprocessing, weights; pictures in, scores and maps out.

If the model fuses objectness (`Ranker.fusion` is not "none"), its input is not an array of pictures [B, H, W, 3] but
{"pictures": [B, H, W, 3], "objectness": [B, S, S] uint8}, with the objectness map of each picture.

Clips [B, T, H, W, 3] may replace pictures everywhere: feature maps are then [B, T, h, w, C] and maps [B, T, h, w].
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from lena_jax import backbones, localization, pooling
from lena_jax.config import MOST_SIDE
from lena_jax.data.transforms import RESIZES, resize
from lena_jax.data.u2net import MAP_SIDE
from lena_jax.models.siamese import AXIS, CLIP_POOLINGS, FUSIONS, SiameseRanker, deviation
from lena_jax.runtime.trees import merge, part_like


@dataclasses.dataclass(frozen=True)
class Ranker:
    """A siamese ranker with the preprocessing of its backbone.

    Attributes:
        network: Flax module.
        backbone: the registry's entry for the backbone.
        preprocessing: how to normalize pixels for the backbone's weights; a checkpoint brings its own.
        image_size: side of the square that pictures are resized to, in pixels.
        resize: how a picture becomes that square, one of `data.transforms.RESIZES`. With "pad", pictures and feature
            maps have one more channel, see `SiameseRanker.padded`.
        licence: licence of the backbone's pretrained weights; "unknown" if their source names none, "" without
            pretrained weights and in older runs.
    """

    network: SiameseRanker
    backbone: backbones.Backbone
    preprocessing: backbones.Preprocessing
    image_size: int
    licence: str = ""
    resize: str = "squash"

    @property
    def image_shape(self):
        """Shape of one picture as the network sees it, [S, S, 3 or 4]."""
        return (self.image_size, self.image_size, 4 if self.resize == "pad" else 3)

    @property
    def fusion(self):
        """How the model uses objectness maps, one of `siamese.FUSIONS`; "none": not at all."""
        return self.network.fusion

    @property
    def has_exact_maps(self):
        """Whether contribution maps sum to the score without the bias; otherwise only virality maps are shown."""
        return self.network.pooling.reproduces

    def init(self, seed, pretrained=True, weights=None):
        """Make the initial variables {"params": {"backbone", "pooling", "head"}, "batch_stats", "spread"}.

        "batch_stats" is there if the backbone has BatchNorm, "spread" if the head equalizes spreads. Trained models may
        have "baseline" too, see `with_baseline`.

        Args:
            seed: seed of the random parameters.
            pretrained: whether to load the backbone's ImageNet weights.
            weights: source of these weights, see `backbones.load_pretrained`; None for the backbone's default.

        Raises:
            ValueError, FileNotFoundError: see `backbones.load_pretrained`.
        """
        key = jax.random.key(seed)
        objectness = jnp.zeros((1, MAP_SIDE, MAP_SIDE), jnp.uint8)
        inputs = self._joined("pictures", jnp.ones((1, *self.image_shape)), objectness)
        if not pretrained:
            return self.network.init(key, inputs)
        # Only compute the backbone's shapes: its initial values would be replaced, and are slow to make.
        needed = self.abstract_variables()
        loaded = {
            name: {"backbone": tree} for name, tree in backbones.load_pretrained(self.backbone.name, weights).items()
        }
        # If the endpoint is not the last layer, drop the weights of the layers after it.
        backbone = {
            name: {"backbone": part_like(tree["backbone"], loaded[name]["backbone"])}
            for name, tree in needed.items()
            if "backbone" in tree
        }
        feature_map = self.abstract_feature_map()
        features = self._joined("feature_map", jnp.ones(feature_map.shape, feature_map.dtype), objectness)
        head = self.network.init(key, features, method=SiameseRanker.score)
        return merge(backbone, head)

    def abstract_variables(self):
        """Return shapes and types of the variables, without making them."""
        # Copy the cached tree, because the caller may change it.
        return jax.tree.map(lambda leaf: leaf, _shapes(self)[0])

    def abstract_feature_map(self):
        """Return shape and type of the feature map of one picture, [1, h, w, C]."""
        return _shapes(self)[1]

    def feature_map(self, variables, pictures):
        """Run the backbone: pictures [B, H, W, 3] in 0..255 -> feature map [B, h, w, C] in the backbone's dtype."""
        return self.network.apply(variables, self._normal(pictures), method=SiameseRanker.feature_map)

    def features(self, variables, inputs):
        """Make the input of `score`: pictures [B, H, W, 3] in 0..255 -> feature map, both with objectness if fused."""
        pictures, objectness = self._split(inputs)
        return self._joined("feature_map", self.feature_map(variables, pictures), objectness)

    def score(self, variables, features):
        """Score feature maps [B, h, w, C] -> [B]; if objectness is fused, {"feature_map", "objectness"} -> [B]."""
        return self.network.apply(variables, features, method=SiameseRanker.score)

    def fused(self, variables, features):
        """Return the maps that the pooling sees, from the output of `features`: [B, h, w, C] or [B, T, h, w, C]."""
        return self.network.apply(variables, features, method=SiameseRanker.fused)

    def pooled(self, variables, features):
        """Pool the output of `features` -> [B, C] float32."""
        return self.network.apply(variables, features, method=SiameseRanker.pooled)

    def score_and_pool(self, variables, features):
        """Score and pool the output of `features` -> (scores [B], [B, C] float32)."""
        return self.network.apply(variables, features, method=SiameseRanker.score_and_pool)

    def score_pictures(self, variables, inputs):
        """Score pictures [B, H, W, 3] in 0..255, with objectness if fused -> [B]."""
        return self.score(variables, self.features(variables, inputs))

    def score_with_features(self, variables, inputs):
        """Score pictures, and average their feature maps over the cells -> (scores [B], [B, C] float32)."""
        features = self.features(variables, inputs)
        maps = features if self.fusion == "none" else features["feature_map"]
        return self.score(variables, features), jnp.mean(maps.astype(jnp.float32), (1, 2))

    def score_for_training(self, variables, inputs, batch_norm=True):
        """Score pictures with the statistics of the batch, taken over all devices of a training step.

        Args:
            variables: variables of the model, see `init`.
            inputs: pictures [B, H, W, 3] in 0..255, with objectness if fused.
            batch_norm: whether BatchNorm uses them too, besides `EqualSpread`.

        Returns:
            (scores [B], {collection: the running statistics moved towards the batch's}).
        """
        pictures, objectness = self._split(inputs)
        normal = self._joined("pictures", self._normal(pictures), objectness)
        moved = [*(["batch_stats"] if batch_norm else []), "spread"]
        return self.network.apply(variables, normal, batch_norm=batch_norm, train=True, mutable=moved)

    def score_features_for_training(self, variables, features):
        """Return what `score_for_training` returns, from the output of `features`, which BatchNorm is not part of."""
        return self.network.apply(variables, features, train=True, mutable=["spread"], method=SiameseRanker.score)

    def head_weights(self, variables):
        """Return the weight of each pooled map in the score, [C]: the head's, divided by the spread if it is equalized.

        `score = sum_c weight_c * pooled_c + bias`, or `pooled_c - baseline_c` with a baseline.
        """
        kernel = variables["params"]["head"]["kernel"][:, 0]
        return kernel / deviation(variables["spread"]["spread"]["variance"]) if self.network.equal_spread else kernel

    def with_baseline(self, variables, pooled):
        """Measure pooled features from a baseline; the scores stay the same, up to rounding.

        `score = bias + sum_c weight_c * (pooled_c - baseline_c)`: the bias becomes the score of the baseline. With the
        mean of the training pictures as baseline, it is their mean score, and contributions say what sets a picture
        apart from them.

        Args:
            variables: variables of the model, see `init`; with or without a baseline.
            pooled: [C], such as `runs.percentiles.TrainingScores.pooled`; None for no baseline.

        Returns:
            Variables with the collection "baseline" and another bias; without that collection if `pooled` is None.

        Raises:
            ValueError: if `pooled` has another length.
        """
        if pooled is None and "baseline" not in variables:
            return variables
        weights = np.asarray(self.head_weights(variables), np.float64)
        if pooled is not None and np.shape(pooled) != weights.shape:
            raise ValueError(f"got a baseline of shape {np.shape(pooled)}, expected {weights.shape}")
        before = variables.get("baseline", {}).get("pooled", 0.0)
        moved = weights @ np.broadcast_to(np.float64(0.0 if pooled is None else pooled) - before, weights.shape)
        head = variables["params"]["head"]
        with np.errstate(over="ignore"):  # Weights that are too large are named where pictures are scored.
            head = head | {"bias": (head["bias"] + moved).astype(np.float32)}
        others = {name: tree for name, tree in variables.items() if name != "baseline"}
        others["params"] = variables["params"] | {"head": head}
        return others if pooled is None else {**others, "baseline": {"pooled": np.asarray(pooled, np.float32)}}

    def folded(self, variables):
        """Fold equal spread into the head: return a `Ranker` without it, and variables that give the same scores."""
        if not self.network.equal_spread:
            return self, variables
        head = variables["params"]["head"] | {"kernel": self.head_weights(variables)[:, None]}
        folded = {name: tree for name, tree in variables.items() if name != "spread"}
        folded["params"] = {**variables["params"], "head": head}
        return dataclasses.replace(self, network=self.network.clone(equal_spread=False)), folded

    def explain(self, variables, inputs):
        """Score pictures and map where the scores come from.

        Args:
            variables: variables of the model, see `init`.
            inputs: pictures [B, H, W, 3] in 0..255, with objectness if fused.

        Returns:
            (scores [B], contribution maps [B, h, w], virality maps [B, h, w]). The maps include what the objectness map
            contributes to each cell (see `SiameseRanker.fused`). If the weights of the pooling reproduce its value
            (`Pooling.reproduces`), a contribution map sums to the score minus the bias, which is the score of
            the baseline (`with_baseline`).
        """
        return self.explain_features(variables, self.features(variables, inputs))

    def explain_features(self, variables, features):
        """Return what `explain` returns, from the output of `features`."""
        fused, weights = (
            self.network.apply(variables, features, method=method)
            for method in (SiameseRanker.fused, SiameseRanker.cell_weights)
        )
        kernel = self.head_weights(variables)
        virality = localization.virality_map(fused, kernel)
        inside = self.network.apply(variables, features, method=SiameseRanker.inside)
        return (
            self.score(variables, features),
            localization.contribution_map(fused, weights, kernel, variables.get("baseline", {}).get("pooled")),
            virality if inside is None else jnp.where(inside[..., 0], virality, 0),
        )

    def whole(self, pictures, index):
        """Make the model's input for one whole picture, without a batch axis.

        Args:
            pictures: `ScoredPictures`.
            index: index of the picture.

        Raises:
            ValueError: if the model needs objectness maps and the pictures have none.
        """
        picture = resize(pictures.picture(index), self.image_size, how=self.resize)
        return self._joined("pictures", picture, None if self.fusion == "none" else pictures.objectness_map(index))

    def _normal(self, pictures):
        if self.resize != "pad":
            return backbones.normalize(pictures, self.preprocessing)
        normal = backbones.normalize(pictures[..., :3], self.preprocessing)
        return jnp.concatenate([normal, jnp.asarray(pictures[..., 3:], normal.dtype) / 255], -1)

    def _joined(self, name, images, objectness):
        return images if self.fusion == "none" else {name: images, "objectness": objectness}

    def _split(self, inputs):
        return (inputs, None) if self.fusion == "none" else (inputs["pictures"], inputs["objectness"])


@functools.lru_cache(maxsize=64)  # Tracing a backbone takes a second, and a run asks several times.
def _shapes(model):
    variables = jax.eval_shape(functools.partial(model.init, pretrained=False), 0)
    image = jax.ShapeDtypeStruct((1, *model.image_shape), jnp.uint8)
    return variables, jax.eval_shape(model.feature_map, variables, image)


def build(config) -> Ranker:
    """Build the model that a config describes.

    It reads `image_size`, `resize`, `dtype`, `backbone`, `fusion`, `pooling`, `pooling_options`, `clip_pooling` and
    `head.equal_spread`.

    Raises:
        ValueError: if the backbone, fusion, pooling, `clip_pooling` or `dtype` is unknown, or the backbone cannot take
            the picture size or endpoint; or if `resize` is unknown or does not go with the fusion.
    """
    backbone = backbones.get_backbone(config.backbone.name)
    if config.dtype not in ("float32", "bfloat16"):
        raise ValueError(f"got dtype {config.dtype!r}, expected 'float32' or 'bfloat16'")
    if not 64 <= config.image_size <= MOST_SIDE:
        raise ValueError(f"image_size must be from 64 to {MOST_SIDE} pixels, got {config.image_size}")
    options = {
        "endpoint": config.backbone.endpoint or backbone.endpoints[0],
        "dtype": jnp.dtype(config.dtype),
        "output_stride": config.backbone.output_stride or backbone.stride,
        # BatchNorm's batch statistics are taken over all devices.
        "axis_name": AXIS,
    }
    if config.backbone.remat:
        if not backbone.remat:
            raise ValueError(f"got backbone.remat=True for the backbone {backbone.name!r}, which has no blocks for it")
        options["remat"] = True
    if options["endpoint"] not in backbone.endpoints:
        raise ValueError(
            f"got backbone.endpoint {options['endpoint']!r}, expected one of {backbone.endpoints} for the "
            f"backbone {backbone.name!r}"
        )
    if config.fusion not in FUSIONS:
        raise ValueError(f"got fusion {config.fusion!r}, expected one of {FUSIONS}")
    known = RESIZES if config.fusion == "none" else ("squash",)  # Objectness maps are of squashed pictures.
    if config.resize not in known:
        raise ValueError(f"got resize {config.resize!r} with fusion {config.fusion!r}, expected one of {known}")
    if config.clip_pooling not in CLIP_POOLINGS:
        raise ValueError(f"got clip_pooling {config.clip_pooling!r}, expected one of {CLIP_POOLINGS}")
    pooling_options = config.pooling_options.get(config.pooling, {})
    network = SiameseRanker(
        backbone=backbone.build(**options),
        pooling=pooling.make_pooling(config.pooling, **pooling_options),
        fusion=config.fusion,
        clip_pooling=config.clip_pooling,
        equal_spread=config.head.equal_spread,
        padded=config.resize == "pad",
    )
    return Ranker(network, backbone, backbone.preprocessing, config.image_size, resize=config.resize)
