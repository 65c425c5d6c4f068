"""What the scripts share: bad input ends with one line and exit code 2 instead of a traceback."""

import difflib
import importlib.util
import logging
import os
import sys
import traceback

from absl import app, flags
from absl import logging as absl_logging

from lena_jax.runtime import console, signals

flags.DEFINE_bool("debug", False, "Show the full traceback of an error instead of one line.")


def run(main):
    """Parses the flags and runs `main()`. A `ValueError`, or a mistyped flag or config key, exits with code 2."""
    signals.end_silently()
    with console.patient_output():
        argv = [sys.argv[0], *console.arguments()]
        try:
            with signals.stoppable(os.path.basename(argv[0])):
                app.run(lambda argv: _run(main, argv), argv=argv, flags_parser=_parse)
        except KeyboardInterrupt as error:
            sys.exit(explain(error))


def list_cells(study):
    """Prints the number and the name of each run of a study."""
    print("\n".join(f"{number} {name}" for number, name in enumerate(study.configs())))


def print_table(results, table, what="runs"):
    """Prints `table(results)`; where `results` is None, that others (of `what`) must finish first."""
    print(f"done; other {what} are still missing" if results is None else table(results))


def _parse(argv):
    try:
        if "config" in flags.FLAGS:
            _check_config(argv[1:])
        return flags.FLAGS(argv)
    except (flags.Error, ValueError, TypeError) as error:
        _fail(error)


def _check_config(arguments):
    """Suggests the nearest key for a mistyped `--config.key`; ml_collections does so for some keys only."""
    values = {}
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = argument.lstrip("-").partition("=")
        if argument.startswith("-") and name.partition(".")[0] == "config":
            values[name] = value if equals else following
    path, _, argument = values.pop("config", "").partition(":")
    if not path:
        return
    config = _load_config(path, argument)
    for name in values:
        node = config
        for key in name.split(".")[1:]:
            known = list(node.keys()) if hasattr(node, "keys") else []
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                raise ValueError(
                    f"no config key {name!r}"
                    + (f", did you mean {near[0]!r}?" if near else "")
                    + f" Known keys: {', '.join(sorted(known)) or 'nothing'}"
                )
            node = node[key]


def _load_config(path, argument):
    if not path.endswith(".py") or not os.path.isfile(path):
        raise ValueError(f"no config file {path!r}, expected a Python file such as those in experiments/configs/")
    spec = importlib.util.spec_from_file_location("config_to_check", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        return module.get_config(*([argument] if argument else []))
    except Exception as error:  # A config file is the user's own code and can raise anything.
        raise ValueError(f"config file {path!r}: {type(error).__name__}: {error}") from error


def _run(main, argv):
    # The libraries log every file that they write. What the user needs to see is printed.
    absl_logging.set_verbosity(absl_logging.FATAL)  # Errors are raised too, so nothing is lost.
    logging.getLogger("jax").setLevel(logging.ERROR)
    # Imported here so that --help and typos answer immediately.
    from lena_jax.runtime.compilation_cache import keep_compiled_programs

    keep_compiled_programs()
    try:
        if len(argv) > 1:
            raise ValueError(f"unexpected argument {argv[1]!r}: flags are written --name=value")
        main()
    except (ValueError, OSError, FloatingPointError) as error:
        if flags.FLAGS.debug:
            raise
        signals.check()  # An error that follows from a signal is that signal.
        sys.exit(explain(error))


def explain(error):
    """Reports an error that ends a script and returns the exit code."""
    if isinstance(error, SystemExit):
        return error.code or 0
    if isinstance(error, KeyboardInterrupt):
        stop = error if isinstance(error, signals.Interrupted) else signals.Interrupted(*error.args)
        what = str(stop) or "finished work is kept; run the same command again to continue"
        print(f"{stop.word}: {what}", file=sys.stderr)
        return stop.code
    known = isinstance(error, (ValueError, OSError, FloatingPointError))
    if flags.FLAGS.debug or not known:
        traceback.print_exception(error)
        return 1
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    # Code 1 is not the input's fault: a full disk, a folder that cannot be written, training that diverged.
    return 2 if isinstance(error, (ValueError, FileNotFoundError)) else 1


def _fail(error):
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(2)
