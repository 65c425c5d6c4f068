"""What the scripts share: bad input is one line and exit code 2, not a traceback."""

import difflib
import importlib.util
import logging
import os
import sys

from absl import app, flags
from absl import logging as absl_logging

flags.DEFINE_bool("debug", False, "Show the traceback of an error that is otherwise one line.")


def run(main):
    """Parses the flags and runs `main(argv)`; a `ValueError`, a mistyped flag or config key ends with exit code 2."""
    app.run(lambda argv: _run(main, argv), flags_parser=_parse)


def _parse(argv):
    try:
        if "config" in flags.FLAGS:
            _check_config([argument for argument in argv[1:] if argument.lstrip("-").startswith("config")])
        return flags.FLAGS(argv)
    except (flags.Error, ValueError, TypeError) as error:
        _fail(error)


def _check_config(arguments):
    """Names the nearest key of a mistyped `--config.key`, which ml_collections does for some keys only."""
    values = dict(argument.lstrip("-").partition("=")[::2] for argument in arguments)
    path, _, argument = values.pop("config", "").partition(":")
    if not path:
        return
    if not os.path.isfile(path):
        raise ValueError(f"no config file {path!r}, see experiments/configs/")
    spec = importlib.util.spec_from_file_location("config_to_check", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config(argument) if argument else module.get_config()
    for name in values:
        node = config
        for key in name.split(".")[1:]:
            known = list(node.keys()) if hasattr(node, "keys") else []
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                raise ValueError(f"no config key {name!r}" + (f", did you mean {near[0]!r}?" if near else "")
                                 + f" Known here: {', '.join(sorted(known)) or 'nothing'}")
            node = node[key]


def _run(main, argv):
    # The libraries below report every file that they write; what the user needs to see is printed.
    absl_logging.set_verbosity(absl_logging.ERROR)
    logging.getLogger("jax").setLevel(logging.ERROR)
    try:
        main(argv)
    except ValueError as error:
        if flags.FLAGS.debug:
            raise
        _fail(error)
    except OSError as error:
        # The machine's fault, not the input's: a full disk, a folder that cannot be written.
        if flags.FLAGS.debug:
            raise
        _fail(error, code=1)
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept, the same command goes on from there", file=sys.stderr)
        sys.exit(130)


def _fail(error, code=2):
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(code)
