"""Run a function over many inputs: compiled once, in batches of one size, split over the local devices."""

import math

import jax
import numpy as np


def on_devices(function, variables, batch_size):
    """Compiles `batch -> function(variables, batch)`, with the batch split over the local devices.

    Args:
        function: (variables, pytree of [batch_size, ...]) -> pytree of arrays with the same leading length.
        variables: pytree; copied to the devices once.
        batch_size: rows of a batch; as many devices are used as divide it.

    Returns:
        A function of the batch.
    """
    devices = jax.local_devices()
    mesh = jax.sharding.Mesh(np.array(devices[: math.gcd(batch_size, len(devices))]), ("devices",))
    whole, split = (jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes)) for axes in ((), ("devices",)))
    variables = jax.device_put(variables, whole)
    compiled = jax.jit(function)
    return lambda batch: compiled(variables, jax.device_put(batch, split))


def in_batches(function, inputs, batch_size):
    """Applies a compiled function to inputs in batches of one fixed shape, the last one padded.

    Args:
        function: pytree of arrays [batch_size, ...] -> pytree of arrays with the same leading length.
        inputs: iterable of pytrees of the same structure and shapes, of one row each; one array is one too.
        batch_size: rows a call.

    Yields:
        The pytree of each batch as NumPy arrays, the padding removed.
    """
    rows = []

    def run(rows):
        return jax.tree.map(lambda a: np.asarray(a)[: len(rows)], function(stacked(rows, batch_size)))

    for row in inputs:
        rows.append(row)
        if len(rows) == batch_size:
            yield run(rows)
            rows = []
    if rows:
        yield run(rows)


def stacked(rows, size):
    """Stacks pytrees of one row each to one of `size` rows; the last row fills it up."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *rows, *[rows[-1]] * (size - len(rows)))
