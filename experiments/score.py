"""Score new pictures with a trained ranker, and rank them: `lena-jax score` as a script.

    python experiments/score.py --model=runs/mine holiday/ other.jpg --output=scores.csv --maps=maps --html=ranking.html

It takes the flags of `lena-jax score` (--help lists them); --workdir and --csv are the old names of --model and
--output.
"""

from lena_jax.runtime import signals

if __name__ == "__main__":
    signals.end_silently()  # Before what takes longer to import.

import sys

from lena_jax.cli.main import main

_OLD = {"--workdir": "--model", "--csv": "--output"}


def renamed(argument):
    """Replace the old name of a flag by the new one."""
    name, equals, value = argument.partition("=")
    return _OLD.get(name, name) + equals + value


if __name__ == "__main__":
    sys.exit(main(["score", *map(renamed, sys.argv[1:])]))
