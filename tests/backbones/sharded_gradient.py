"""The gradient of a convolution's kernel on each shard of a batch, inside `shard_map` with its check of axes."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec as P


def check_each_shard(convolution, x, kernel):
    """Assert that each of two shards, `x: [2, H, W, C]`, has the gradient that it has alone."""
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))

    def gradient(x, kernel):
        return jax.grad(lambda kernel: jnp.square(convolution(x, kernel)).sum())(kernel)

    def of_shard(x, kernel):
        return gradient(x, jax.lax.pcast(kernel, "batch", to="varying"))[None]

    got = jax.jit(jax.shard_map(of_shard, mesh=mesh, in_specs=(P("batch"), P()), out_specs=P("batch")))(x, kernel)
    np.testing.assert_allclose(got, [gradient(part[None], kernel) for part in x], rtol=1e-4, atol=1e-4)
