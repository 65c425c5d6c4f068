"""The mesh of an input: programs that know it, and maps that lie whole on one device of it."""

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jax.typing import ArrayLike

_Function = TypeVar("_Function", bound=Callable[..., Any])


def on_its_mesh(x: jax.Array) -> contextlib.AbstractContextManager:
    """Return a context in which JAX knows the mesh of `x`, as under `jax.set_mesh`.

    From JAX 0.12 on, an explicit mesh that is not set does not reach all operations under jit: `full_like` drops its
    axes, and gradients of indices raise. What is traced in this context remembers the mesh, and so does its gradient.

    Raises:
        ValueError: if `x` is differentiated or mapped by vmap outside of jit, on an explicit mesh that is not set. JAX
            itself cannot differentiate a plain sum there.
    """
    mesh = jax.typeof(x).sharding.mesh
    is_known = AxisType.Explicit not in mesh.axis_types or not jax.sharding.get_abstract_mesh().empty
    if is_known or not traced(x):  # Outside of jit, arrays bring their devices along.
        return contextlib.nullcontext()
    if not traced(jnp.zeros(())):  # In jit even a constant is traced.
        raise ValueError(
            "gradients and vmap outside of jit need the mesh of their input: got an input on an explicit mesh that is "
            f"not set, {mesh}, expected jax.jit or `with jax.set_mesh(mesh):` around the call"
        )
    return jax.sharding.use_abstract_mesh(mesh)


def compiled(*static: str) -> Callable[[_Function], _Function]:
    """Return a decorator: `jax.jit`, which traces its function on the mesh of the first argument, see `on_its_mesh`.

    Args:
        *static: the names of the static arguments.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        @functools.wraps(function)
        def on_mesh(cells: jax.Array, *others: Any, **named: Any) -> Any:
            with on_its_mesh(cells):
                return function(cells, *others, **named)

        return jax.jit(on_mesh, static_argnames=static)

    return decorate


def whole_maps(x: jax.Array, axes: Sequence[int]) -> jax.Array:
    """Gather the cells of every map on one device, where a mesh of explicit axes shards them."""
    sharding = jax.typeof(x).sharding
    if all(sharding.spec[a] is None for a in axes):
        return x
    spec = PartitionSpec(*(None if a in axes else name for a, name in enumerate(sharding.spec)))
    return jax.sharding.reshard(x, NamedSharding(sharding.mesh, spec))


def traced(array: ArrayLike) -> bool:
    """Return whether JAX follows `array` through a transformation, so that its values are not known."""
    return isinstance(array, jax.core.Tracer)
