"""Build the network that a file describes. The file may come from anyone."""

import dataclasses

from lena_jax.models import ranker
from lena_jax.runtime.untrusted import described


def build(config, preprocessing, licence, where):
    """Build the `Ranker` of a config that was read from a file.

    Args:
        config: `ConfigDict` with the values of the file.
        preprocessing: `Preprocessing` of the backbone's weights.
        licence: licence of the backbone's weights.
        where: the file, for the error message.

    Raises:
        ValueError: if it describes no network that can be built, with the reason in one line.
    """
    try:
        for name, value in dict(config.pooling_options.get(config.pooling, {})).items():
            # Programs have numbers of 32 bits.
            if isinstance(value, (int, float)) and not abs(value) < (2**31 if isinstance(value, int) else 3.4e38):
                raise ValueError(f"pooling option {name!r}: got {described(value)}, expected a number of 32 bits")
        model = dataclasses.replace(ranker.build(config), preprocessing=preprocessing, licence=licence)
        model.abstract_variables()
    # Modules raise various exceptions for options that they cannot take, and the file is from anyone.
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"{where} describes a network that cannot be built: {said or type(error).__name__}") from error
    return model
