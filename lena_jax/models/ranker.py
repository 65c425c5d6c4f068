"""The whole model that a config describes: network, preprocessing, weights; pictures in, scores and maps out.

Where the model fuses objectness (`Ranker.fusion` is not "none"), its input is not an array of pictures [B, H, W, 3] but
{"pictures": [B, H, W, 3], "objectness": [B, S, S] uint8}, each map of what its picture shows.

Clips [B, T, H, W, 3] are taken wherever pictures are: feature maps are then [B, T, h, w, C] and maps [B, T, h, w].
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from lena_jax import backbones, localization, pooling
from lena_jax.data.transforms import resize
from lena_jax.data.u2net import MAP_SIDE
from lena_jax.models.siamese import AXIS, CLIP_POOLINGS, FUSIONS, SiameseRanker
from lena_jax.runtime.trees import part_like


@dataclasses.dataclass(frozen=True)
class Ranker:
    """A siamese ranker with the preprocessing that belongs to its trunk.

    Attributes:
        network: the Flax module.
        backbone: the trunk's entry of the registry.
        preprocessing: what the trunk's weights expect of pixels; a checkpoint brings its own.
        image_size: side of the square that pictures are resized to, in pixels.
    """

    network: SiameseRanker
    backbone: backbones.Backbone
    preprocessing: backbones.Preprocessing
    image_size: int

    @property
    def fusion(self):
        """What becomes of objectness maps, one of `siamese.FUSIONS`; "none": the model needs none."""
        return self.network.fusion

    def init(self, seed, pretrained=True, weights=None):
        """Variables {"params": {"backbone", "pooling", "head"}, "batch_stats"}.

        Args:
            seed: of what is random.
            pretrained: whether the trunk has its ImageNet weights.
            weights: where those come from, see `backbones.load_pretrained`; None for the trunk's own source.

        Raises:
            ValueError, FileNotFoundError: as of `backbones.load_pretrained`.
        """
        key = jax.random.key(seed)
        images = jnp.zeros((1, self.image_size, self.image_size, 3))
        inputs = self._joined("pictures", images, jnp.zeros((1, MAP_SIDE, MAP_SIDE), jnp.uint8))
        if not pretrained:
            return self.network.init(key, inputs)
        # Only the trunk's shapes are needed: what it would be initialised with is replaced, and slow to make.
        needed = self.abstract_variables()
        loaded = {
            name: {"backbone": tree} for name, tree in backbones.load_pretrained(self.backbone.name, weights).items()
        }
        # A trunk that ends early has no use for the weights behind its end.
        trunk = {
            name: {"backbone": part_like(tree["backbone"], loaded[name]["backbone"])} for name, tree in needed.items()
        }
        feature_map = self.abstract_feature_map()
        features = self._joined(
            "feature_map",
            jnp.zeros(feature_map.shape, feature_map.dtype),
            jnp.zeros((1, MAP_SIDE, MAP_SIDE), jnp.uint8),
        )
        head = self.network.init(key, features, method=SiameseRanker.score)
        return {**trunk, "params": {**trunk["params"], **head["params"]}}

    def abstract_variables(self):
        """Shapes and types of the variables, without making them."""
        # Not the tree itself, which the caller may change.
        return jax.tree.map(lambda leaf: leaf, _shapes(self)[0])

    def abstract_feature_map(self):
        """Shape and type of the feature map of one picture, [1, h, w, C]."""
        return _shapes(self)[1]

    def feature_map(self, variables, pictures):
        """Runs the trunk: pictures [B, H, W, 3] in 0..255 -> feature map [B, h, w, C] in the trunk's dtype."""
        return self.network.apply(
            variables, backbones.normalize(pictures, self.preprocessing), method=SiameseRanker.feature_map
        )

    def features(self, variables, inputs):
        """The input of `score`: pictures [B, H, W, 3] in 0..255, with objectness -> feature map, with objectness."""
        pictures, objectness = self._parted(inputs)
        return self._joined("feature_map", self.feature_map(variables, pictures), objectness)

    def score(self, variables, features):
        """Scores feature maps [B, h, w, C] -> [B]; with objectness, {"feature_map", "objectness"} -> [B]."""
        return self.network.apply(variables, features, method=SiameseRanker.score)

    def score_pictures(self, variables, inputs):
        """Scores pictures [B, H, W, 3] in 0..255, with objectness -> [B]."""
        return self.score(variables, self.features(variables, inputs))

    def score_for_training(self, variables, inputs):
        """Scores pictures with BatchNorm by the statistics of the batch, those of all devices of a training step.

        Returns:
            (scores [B], {"batch_stats": the running statistics moved towards the batch's}).
        """
        pictures, objectness = self._parted(inputs)
        normal = self._joined("pictures", backbones.normalize(pictures, self.preprocessing), objectness)
        return self.network.apply(variables, normal, train=True, mutable=["batch_stats"])

    def explain(self, variables, inputs):
        """Scores and maps.

        Args:
            variables: as of `init`.
            inputs: pictures [B, H, W, 3] in 0..255, with objectness.

        Returns:
            (scores [B], contribution maps [B, h, w], virality maps [B, h, w]), of the maps that are pooled
            (`SiameseRanker.fused`): what an objectness map adds to the score belongs to its cells. A contribution map
            sums to the score without the bias for every pooling whose weights reproduce its value
            (`Pooling.reproduces`).
        """
        return self.explain_features(variables, self.features(variables, inputs))

    def explain_features(self, variables, features):
        """`explain` behind the trunk: of what `features` returns."""
        fused, weights = (
            self.network.apply(variables, features, method=method)
            for method in (SiameseRanker.fused, SiameseRanker.cell_weights)
        )
        kernel = variables["params"]["head"]["kernel"][:, 0]
        return (
            self.score(variables, features),
            localization.contribution_map(fused, weights, kernel),
            localization.virality_map(fused, kernel),
        )

    def whole(self, pictures, index):
        """The input that shows the whole of one picture, without the axis of the batch.

        Args:
            pictures: `ScoredPictures`.
            index: of the picture.

        Raises:
            ValueError: if the model needs objectness maps and the pictures came without.
        """
        picture = resize(pictures.picture(index), self.image_size)
        return self._joined("pictures", picture, None if self.fusion == "none" else pictures.objectness_map(index))

    def _joined(self, name, images, objectness):
        return images if self.fusion == "none" else {name: images, "objectness": objectness}

    def _parted(self, inputs):
        return (inputs, None) if self.fusion == "none" else (inputs["pictures"], inputs["objectness"])


@functools.lru_cache(maxsize=64)  # Going through a whole trunk takes a second, and a run asks several times.
def _shapes(model):
    variables = jax.eval_shape(functools.partial(model.init, pretrained=False), 0)
    image = jax.ShapeDtypeStruct((1, model.image_size, model.image_size, 3), jnp.uint8)
    return variables, jax.eval_shape(model.feature_map, variables, image)


def build(config) -> Ranker:
    """Builds the model that a config describes.

    Read are its `image_size`, `dtype`, `backbone`, `fusion`, `pooling`, `pooling_options` and `clip_pooling`.

    Raises:
        ValueError: for an unknown trunk, fusion, pooling, pooling of clips or type, or a picture size or endpoint
            that the trunk cannot take.
    """
    backbone = backbones.get_backbone(config.backbone.name)
    if config.image_size < 64:
        raise ValueError(f"image_size must be at least 64 pixels, got {config.image_size}")
    trunk = {
        "endpoint": config.backbone.endpoint or backbone.endpoints[0],
        "dtype": _dtype(config.dtype),
        "output_stride": config.backbone.output_stride or backbone.stride,
        # The statistics of a batch are those of all devices.
        "axis_name": AXIS,
    }
    if trunk["endpoint"] not in backbone.endpoints:
        raise ValueError(
            f"got backbone.endpoint {trunk['endpoint']!r}, expected one of {backbone.endpoints} for the "
            f"trunk {backbone.name!r}"
        )
    if config.fusion not in FUSIONS:
        raise ValueError(f"got fusion {config.fusion!r}, expected one of {FUSIONS}")
    if config.clip_pooling not in CLIP_POOLINGS:
        raise ValueError(f"got clip_pooling {config.clip_pooling!r}, expected one of {CLIP_POOLINGS}")
    options = config.pooling_options.get(config.pooling, {})
    network = SiameseRanker(
        backbone=backbone.build(**trunk),
        pooling=pooling.make_pooling(config.pooling, **options),
        fusion=config.fusion,
        clip_pooling=config.clip_pooling,
    )
    return Ranker(network, backbone, backbone.preprocessing, config.image_size)


def _dtype(name):
    if name not in ("float32", "bfloat16"):
        raise ValueError(f"got dtype {name!r}, expected 'float32' or 'bfloat16'")
    return jnp.dtype(name)


def learns_shares(config):
    """Whether the pooling learns eta, the share of each map to average."""
    record = pooling.POOLINGS.get(config.pooling)
    return record is not None and record.parameter == "eta"


def learned_shares(config, variables):
    """The learned eta of each map that is pooled, [C] in [0, 1]; None where the pooling has none."""
    if not learns_shares(config):
        return None
    options = _share_options(config, "parameterization")
    return np.asarray(pooling.eta_from_parameter(variables["params"]["pooling"]["eta"], **options))


def eta_distribution(config, variables, cells):
    """How large the learned supports are: quantiles over channels of eta and of N, and a histogram of eta.

    Returns:
        None where the pooling has no eta.
    """
    eta = learned_shares(config, variables)
    if eta is None:
        return None
    options = _share_options(config, "parameterization", "rounding")
    sizes = np.asarray(pooling.support_sizes(variables["params"]["pooling"]["eta"], cells, **options))
    quantiles = (5, 25, 50, 75, 95)
    counts, edges = np.histogram(eta, bins=20, range=(0, 1))
    return {
        "cells": cells,
        "share": {str(q): float(np.percentile(eta, q)) for q in quantiles},
        "support_size": {str(q): float(np.percentile(sizes, q)) for q in quantiles},
        "histogram": {"edges": edges.tolist(), "channels": counts.tolist()},
    }


def _share_options(config, *names):
    options = config.pooling_options.get(config.pooling, {})
    return {name: options[name] for name in names if name in options}
