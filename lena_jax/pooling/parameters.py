"""Find the learned parameters of poolings in a tree of parameters, for optimizers: labels, and a weight-decay mask."""

from typing import Any

import jax

from lena_jax.pooling.registry import POOLINGS


def label_pooling(params: Any, pooling: str = "pooling", rest: str = "rest") -> Any:
    """Label the parameters of poolings, for `optax.multi_transform`.

    A parameter belongs to a pooling if its own name is the `parameter` of a record in `POOLINGS`, at any depth of the
    tree.

    Args:
        params: nested dictionaries of parameters.
        pooling: the label of parameters of poolings.
        rest: the label of all other parameters.

    Returns:
        A tree of the same structure that holds labels.

    Example:
        >>> from lena_jax.pooling import label_pooling
        >>> label_pooling({"pool": {"eta": 0.0}, "head": {"kernel": 1.0}})
        {'head': {'kernel': 'rest'}, 'pool': {'eta': 'pooling'}}
        >>> import optax
        >>> optimizer = optax.multi_transform({"pooling": optax.sgd(1e-2), "rest": optax.adamw(1e-3)}, label_pooling)
    """
    return jax.tree_util.tree_map_with_path(lambda path, _: pooling if _is_pooling(path) else rest, params)


def decay_mask(params: Any) -> Any:
    """Mark with True the parameters that weight decay may change: all but those of poolings.

    Args:
        params: nested dictionaries of parameters.

    Returns:
        A tree of the same structure that holds booleans.

    Example:
        >>> from lena_jax.pooling import decay_mask
        >>> decay_mask({"pool": {"eta": 0.0}, "head": {"kernel": 1.0}})
        {'head': {'kernel': True}, 'pool': {'eta': False}}
        >>> import optax
        >>> optimizer = optax.adamw(1e-3, weight_decay=0.05, mask=decay_mask)
    """
    return jax.tree_util.tree_map_with_path(lambda path, _: not _is_pooling(path), params)


def _is_pooling(path: tuple[Any, ...]) -> bool:
    # The last dictionary key is the name. Boxes of metadata (nn.Partitioned) add keys of other kinds below it.
    names = [entry.key for entry in path if isinstance(entry, jax.tree_util.DictKey)]
    return bool(names) and names[-1] in {record.parameter for record in POOLINGS.values()}
