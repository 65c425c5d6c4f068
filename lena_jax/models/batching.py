"""Run a function over many inputs: compile it once, for batches of one size, split over the local devices."""

import math

import jax
import numpy as np

from lena_jax.runtime import signals


def on_devices(function, variables, batch_size):
    """Compile `batch -> function(variables, batch)`, with the batch split over the local devices.

    Args:
        function: (variables, pytree of [batch_size, ...]) -> pytree of arrays with the same leading length.
        variables: pytree, copied to the devices once.
        batch_size: rows per batch; uses gcd(batch_size, number of local devices) devices.

    Returns:
        The compiled function of the batch.
    """
    devices = jax.local_devices()
    mesh = jax.sharding.Mesh(np.array(devices[: math.gcd(batch_size, len(devices))]), ("devices",))
    whole, split = (jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes)) for axes in ((), ("devices",)))
    variables = jax.device_put(variables, whole)
    compiled = jax.jit(function)
    return lambda batch: compiled(variables, jax.device_put(batch, split))


def in_batches(function, inputs, batch_size):
    """Apply a compiled function to inputs in batches of one fixed shape; pad the last batch.

    Args:
        function: pytree of arrays [batch_size, ...] -> pytree of arrays with the same leading length.
        inputs: iterable of rows; each is an array or a pytree of arrays, all of the same structure and shapes.
        batch_size: rows per call.

    Yields:
        The result for each batch as a pytree of NumPy arrays, without the padding.
    """
    rows = []

    def run(rows):
        return jax.tree.map(lambda a: np.asarray(a)[: len(rows)], function(stacked(rows, batch_size)))

    for row in inputs:
        signals.check()
        rows.append(row)
        if len(rows) == batch_size:
            yield run(rows)
            rows = []
    if rows:
        yield run(rows)


def stacked(rows, size):
    """Stack the pytrees of rows to one of `size` rows, repeating the last row as padding."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *rows, *[rows[-1]] * (size - len(rows)))
