"""Learned top-N pooling (LENA) and siamese ranking of pictures in JAX.

Import what you need from the room that holds it, for example `from lena_jax.pooling import LENAPool`. Importing the
package alone touches no device and reads no file.
"""

import os

__version__ = "0.1.0"

# Where imports of before version 0.2 are found, with a warning.
__path__.append(os.path.join(os.path.dirname(__file__), "_old_names"))
