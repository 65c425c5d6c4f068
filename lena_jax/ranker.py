"""The whole model that a config describes: network, preprocessing, weights; pictures in, scores and maps out."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from lena_jax import backbones, localization, pooling
from lena_jax.nested import part_like
from lena_jax.siamese import SiameseRanker
from lena_jax.train_step import AXIS


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
        if not pretrained:
            return self.network.init(key, images)
        # Only the trunk's shapes are needed: what it would be initialised with is replaced, and slow to make.
        needed = jax.eval_shape(self.network.init, key, images)
        loaded = {name: {"backbone": tree} for name, tree in
                  backbones.load_pretrained(self.backbone.name, weights).items()}
        # A trunk that ends early has no use for the weights behind its end.
        trunk = {name: {"backbone": part_like(tree["backbone"], loaded[name]["backbone"])}
                 for name, tree in needed.items()}
        feature_map = jax.eval_shape(functools.partial(self.network.apply, method=SiameseRanker.feature_map),
                                     needed, images)
        head = self.network.init(key, jnp.zeros(feature_map.shape, feature_map.dtype), method=SiameseRanker.score)
        return {**trunk, "params": {**trunk["params"], **head["params"]}}

    def abstract_variables(self):
        """Shapes and types of the variables, without making them."""
        return jax.eval_shape(functools.partial(self.init, pretrained=False), 0)

    def feature_map(self, variables, pictures):
        """Runs the trunk: pictures [B, H, W, 3] in 0..255 -> feature map [B, h, w, C] in the trunk's dtype."""
        return self.network.apply(variables, backbones.normalize(pictures, self.preprocessing),
                                  method=SiameseRanker.feature_map)

    def score(self, variables, feature_map):
        """Scores feature maps [B, h, w, C] -> [B]."""
        return self.network.apply(variables, feature_map, method=SiameseRanker.score)

    def score_pictures(self, variables, pictures):
        """Scores pictures [B, H, W, 3] in 0..255 -> [B]."""
        return self.score(variables, self.feature_map(variables, pictures))

    def score_for_training(self, variables, pictures):
        """Scores pictures with BatchNorm by the statistics of the batch, those of all devices of a training step.

        Returns:
            (scores [B], {"batch_stats": the running statistics moved towards the batch's}).
        """
        return self.network.apply(variables, backbones.normalize(pictures, self.preprocessing), train=True,
                                  mutable=["batch_stats"])

    def explain(self, variables, pictures):
        """Scores and maps.

        Args:
            variables: as of `init`.
            pictures: [B, H, W, 3] in 0..255.

        Returns:
            (scores [B], contribution maps [B, h, w], virality maps [B, h, w]). A contribution map sums to the score
            without the bias for every pooling whose weights reproduce its value (`Pooling.reproduces`).
        """
        feature_map = self.feature_map(variables, pictures)
        weights = self.network.apply(variables, feature_map, method=SiameseRanker.cell_weights)
        kernel = variables["params"]["head"]["kernel"][:, 0]
        return (self.score(variables, feature_map), localization.contribution_map(feature_map, weights, kernel),
                localization.virality_map(feature_map, kernel))


def build(config) -> Ranker:
    """Builds the model that a config describes (its `image_size`, `dtype`, `backbone` and `pooling`).

    Raises:
        ValueError: for an unknown trunk, pooling or type, or a picture size or endpoint that the trunk cannot take.
    """
    backbone = backbones.get_backbone(config.backbone.name)
    if config.image_size < 64:
        raise ValueError(f"image_size must be at least 64 pixels, got {config.image_size}")
    trunk = {"endpoint": config.backbone.endpoint or backbone.endpoints[0], "dtype": _dtype(config.dtype),
             "output_stride": config.backbone.output_stride or backbone.stride,
             # The statistics of a batch are those of all devices.
             "axis_name": AXIS}
    if trunk["endpoint"] not in backbone.endpoints:
        raise ValueError(f"got backbone.endpoint {trunk['endpoint']!r}, expected one of {backbone.endpoints} for the "
                         f"trunk {backbone.name!r}")
    options = config.pooling_options.get(config.pooling, {})
    network = SiameseRanker(backbone=backbone.build(**trunk), pooling=pooling.make_pooling(config.pooling, **options))
    return Ranker(network, backbone, backbone.preprocessing, config.image_size)


def _dtype(name):
    if name not in ("float32", "bfloat16"):
        raise ValueError(f"got dtype {name!r}, expected 'float32' or 'bfloat16'")
    return jnp.dtype(name)


def on_devices(function, variables, batch_size):
    """Compiles `batch -> function(variables, batch)`, with the batch split over the local devices.

    Args:
        function: (variables, [batch_size, ...]) -> pytree of arrays with the same leading length.
        variables: pytree; copied to the devices once.
        batch_size: rows of a batch; as many devices are used as divide it.

    Returns:
        A function of the batch.
    """
    devices = jax.local_devices()
    mesh = jax.sharding.Mesh(np.array(devices[:math.gcd(batch_size, len(devices))]), ("devices",))
    whole, split = (jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes)) for axes in ((), ("devices",)))
    variables = jax.device_put(variables, whole)
    compiled = jax.jit(function)
    return lambda batch: compiled(variables, jax.device_put(batch, split))


def in_batches(function, inputs, batch_size):
    """Applies a compiled function to inputs in batches of one fixed shape, the last one padded.

    Args:
        function: [batch_size, ...] array -> pytree of arrays with the same leading length.
        inputs: iterable of equally shaped arrays.
        batch_size: rows a call.

    Yields:
        The pytree of each batch as NumPy arrays, the padding removed.
    """
    rows = []
    def run(rows):
        padded = np.stack(rows + [rows[-1]] * (batch_size - len(rows)))
        return jax.tree.map(lambda a: np.asarray(a)[:len(rows)], function(padded))
    for row in inputs:
        rows.append(row)
        if len(rows) == batch_size:
            yield run(rows)
            rows = []
    if rows:
        yield run(rows)
