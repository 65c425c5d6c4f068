"""Learned top-N (LENA) pooling and its relatives, as functions and as Flax modules.

    from lena_jax.pooling import LENAPool, lena_pool, lena_weights, make_pooling

Each pooling has a file of its own with its functions, its module and its `PoolingRecord`; `POOLINGS` lists the records.
This package imports nothing of the rest of `lena_jax`.
"""

from lena_jax.pooling.average import AveragePool, average_pool, average_weights
from lena_jax.pooling.base import Pooling, PoolingRecord
from lena_jax.pooling.gem import GeMPool, gem_pool, gem_weights
from lena_jax.pooling.layout import caffe_padding, lay_out
from lena_jax.pooling.lena import LENAPool, lena_pool, lena_weights
from lena_jax.pooling.lse import LSEPool, lse_pool, lse_weights
from lena_jax.pooling.maximum import MaxPool, max_pool, max_weights
from lena_jax.pooling.parameters import decay_mask, label_pooling
from lena_jax.pooling.registry import POOLINGS, make_pooling
from lena_jax.pooling.softmax import SoftmaxPool, softmax_pool, softmax_weights
from lena_jax.pooling.support import eta_from_parameter, parameter_from_eta, support_sizes
from lena_jax.pooling.top_n import TopNPool, top_n_pool, top_n_weights
from lena_jax.pooling.weldon import WeldonPool, weldon_pool, weldon_weights

__all__ = [
    "POOLINGS",
    "AveragePool",
    "GeMPool",
    "LENAPool",
    "LSEPool",
    "MaxPool",
    "Pooling",
    "PoolingRecord",
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
