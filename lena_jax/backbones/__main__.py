"""`python -m lena_jax.backbones`: convert pretrained weights once, into a folder that loads fast."""

import sys

from lena_jax.backbones.command import main

if __name__ == "__main__":
    sys.exit(main())
