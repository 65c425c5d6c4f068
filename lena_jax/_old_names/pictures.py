"""`lena_jax.pictures` is `lena_jax.data.pictures` now."""

import sys
import warnings

from lena_jax.data import pictures

warnings.warn("import pictures from lena_jax.data", DeprecationWarning, stacklevel=2)
# The same module, so that setting one of its limits by the old name has the effect that it had.
sys.modules[__name__] = pictures
