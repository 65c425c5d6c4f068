"""`lena_jax.default_config` is `lena_jax.config` now; people's own config files import it."""

import warnings

from lena_jax.config import default_config, paper_config

__all__ = ["default_config", "paper_config"]

warnings.warn("import default_config from lena_jax.config", DeprecationWarning, stacklevel=2)
