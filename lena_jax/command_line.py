"""What the scripts share: bad input is one line and exit code 2, not a traceback."""

import logging
import sys

from absl import app, flags
from absl import logging as absl_logging

flags.DEFINE_bool("debug", False, "Show the traceback of an error that is otherwise one line.")


def run(main):
    """Parses the flags and runs `main(argv)`; a `ValueError` or a mistyped flag or key ends with exit code 2."""
    app.run(lambda argv: _run(main, argv), flags_parser=_parse)


def _parse(argv):
    try:
        return flags.FLAGS(argv, known_only=False)
    except (flags.Error, KeyError, AttributeError, TypeError, ValueError, OSError) as error:
        # ml_collections answers a mistyped config key with the nearest name, but as a KeyError or AttributeError.
        text = error.args[0] if error.args else error
        _fail(" ".join(str(text).replace("\\'", "'").replace("\\n", " ").strip("'\" ").split()))


def _run(main, argv):
    # The libraries below report every file that they write; what the user needs to see is printed.
    absl_logging.set_verbosity(absl_logging.ERROR)
    logging.getLogger("jax").setLevel(logging.ERROR)
    try:
        main(argv)
    except ValueError as error:
        if flags.FLAGS.debug:
            raise
        _fail(str(error))


def _fail(message):
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)
