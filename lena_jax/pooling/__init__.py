"""Learned top-N (LENA) pooling and its relatives, as functions and as Flax modules.

    from lena_jax.pooling import LENAPool, lena_pool, lena_weights, make_pooling

This package imports nothing of the rest of `lena_jax`.
"""

from lena_jax.pooling.fixed import (
    average_pool,
    average_weights,
    max_pool,
    max_weights,
    top_n_pool,
    top_n_weights,
)
from lena_jax.pooling.layout import caffe_padding, lay_out
from lena_jax.pooling.lena import lena_pool, lena_weights
from lena_jax.pooling.modules import (
    AveragePool,
    GeMPool,
    LENAPool,
    LSEPool,
    MaxPool,
    Pooling,
    SoftmaxPool,
    TopNPool,
    WeldonPool,
)
from lena_jax.pooling.parameters import (
    decay_mask,
    eta_from_parameter,
    label_pooling,
    parameter_from_eta,
    support_sizes,
)
from lena_jax.pooling.registry import POOLINGS, make_pooling
from lena_jax.pooling.relatives import (
    gem_pool,
    gem_weights,
    lse_pool,
    lse_weights,
    softmax_pool,
    softmax_weights,
    weldon_pool,
    weldon_weights,
)

__all__ = [
    "POOLINGS",
    "AveragePool",
    "GeMPool",
    "LENAPool",
    "LSEPool",
    "MaxPool",
    "Pooling",
    "SoftmaxPool",
    "TopNPool",
    "WeldonPool",
    "average_pool",
    "average_weights",
    "caffe_padding",
    "decay_mask",
    "eta_from_parameter",
    "gem_pool",
    "gem_weights",
    "label_pooling",
    "lay_out",
    "lena_pool",
    "lena_weights",
    "lse_pool",
    "lse_weights",
    "make_pooling",
    "max_pool",
    "max_weights",
    "parameter_from_eta",
    "softmax_pool",
    "softmax_weights",
    "support_sizes",
    "top_n_pool",
    "top_n_weights",
    "weldon_pool",
    "weldon_weights",
]
