"""The variables of a backbone, and how to convert a PyTorch state dictionary to them, checked as a whole."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from lena_jax.backbones.base import Backbone

_NAMES_SHOWN = 20


def variable_shapes(backbone: Backbone) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Return path -> shape of each variable of a backbone, without computing anything."""
    pictures = jax.ShapeDtypeStruct((1, 64, 64, 3), np.float32)
    variables = jax.eval_shape(backbone.build().init, jax.random.key(0), pictures)
    return {path: leaf.shape for path, leaf in flax.traverse_util.flatten_dict(variables).items()}


def convert_variables(
    tensors: Mapping[str, np.ndarray],
    shapes: Mapping[tuple[str, ...], tuple[int, ...]],
    keys: Mapping[tuple[str, ...], str],
    origin: str | Path,
) -> dict[str, Any]:
    """Arrange the tensors of a PyTorch file as Flax variables.

    Args:
        tensors: name -> array, in PyTorch's layouts (convolution `[out, in, kh, kw]`, linear `[out, in]`, tokens
            `[1, T, D]`).
        shapes: path -> expected shape, in Flax's layouts (`[kh, kw, in, out]`, `[in, out]`, `[T, D]`).
        keys: path -> name in `tensors`.
        origin: where the tensors come from, for the message.

    Returns:
        The nested dictionary of float32 arrays.

    Raises:
        ValueError: if names are missing, left over, mis-shaped or mistyped; it lists the first 20 of each.
    """
    if set(shapes) != set(keys):
        raise ValueError(f"got names for variables that differ from the module's: {set(shapes) ^ set(keys)}")
    # Only PyTorch's own training reads the counts of batches.
    left_over = {name for name in tensors if not name.endswith(".num_batches_tracked")} - set(keys.values())
    missing, mis_shaped, mistyped, leaves = [], [], [], {}
    for path, shape in shapes.items():
        name = keys[path]
        if name not in tensors:
            missing.append(name)
            continue
        value = _to_flax_layout(tensors[name])
        if value.shape != shape:
            mis_shaped.append(f"{name} (got {value.shape}, expected {shape})")
        # Whole numbers are the codes of a quantised network.
        if not jnp.issubdtype(value.dtype, jnp.floating):
            mistyped.append(f"{name} (got {value.dtype}, expected floating point)")
        leaves[path] = np.asarray(value, np.float32, order="C")
    raise_misfit(
        origin, {"missing": missing, "left over": sorted(left_over), "mis-shaped": mis_shaped, "mistyped": mistyped}
    )
    return flax.traverse_util.unflatten_dict(leaves)


def raise_misfit(origin: str | Path, problems: Mapping[str, Iterable[str]]) -> None:
    """Raise a `ValueError` that lists the names under each kind of problem, if there are any."""
    parts = []
    for kind, names in problems.items():
        names = list(names)
        more = f" and {len(names) - _NAMES_SHOWN} more" * (len(names) > _NAMES_SHOWN)
        parts += [f"{kind}: {', '.join(names[:_NAMES_SHOWN])}{more}"] if names else []
    if parts:
        raise ValueError(f"{origin} does not fit the network; {'; '.join(parts)}")


def _to_flax_layout(tensor: np.ndarray) -> np.ndarray:
    if tensor.ndim == 4:
        return tensor.transpose(2, 3, 1, 0)
    if tensor.ndim == 3 and tensor.shape[0] == 1:
        return tensor[0]
    return tensor.T
