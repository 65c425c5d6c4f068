"""`python -m lena_jax`: the console command `lena-jax`."""

import sys

from lena_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
