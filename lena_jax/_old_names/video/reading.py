"""`lena_jax.video.reading` is `lena_jax.data.video` now."""

import sys
import warnings

from lena_jax.data import video

warnings.warn("import lena_jax.data.video", DeprecationWarning, stacklevel=2)
sys.modules[__name__] = video
