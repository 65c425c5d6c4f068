"""`python -m data_prep`: the command that builds and inspects datasets."""

import sys

from data_prep.command import main

if __name__ == "__main__":
    sys.exit(main())
