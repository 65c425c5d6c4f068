"""`python -m data_prep`: the command that builds and inspects datasets."""

import sys

from lena_jax.runtime.signals import end_silently


def main() -> int:
    """Run the command and return its exit code."""
    end_silently()
    # Imported here, where Ctrl-C has no traceback.
    from data_prep.command import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
