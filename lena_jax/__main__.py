"""The console command `lena-jax`, and `python -m lena_jax`."""

import sys

from lena_jax.runtime.signals import end_silently


def main() -> int:
    """Run the command and return its exit code."""
    end_silently()
    # Imported here, where Ctrl-C has no traceback.
    from lena_jax.cli.main import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
