"""`python -m lena_jax.backbones`: convert pretrained weights once, into a folder that loads fast."""

import sys

from lena_jax.runtime.signals import end_silently


def main() -> int:
    """Run the command and return its exit code."""
    end_silently()
    # Imported here, where Ctrl-C has no traceback.
    from lena_jax.backbones.command import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
