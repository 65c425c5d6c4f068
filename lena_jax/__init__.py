"""Learned top-N pooling (LENA) and siamese ranking of pictures in JAX.

Import what is needed from the submodule that holds it, for example
`from lena_jax.pooling import LENAPool`; importing the package alone touches no device and reads no file.
"""

__version__ = "0.1.0"
