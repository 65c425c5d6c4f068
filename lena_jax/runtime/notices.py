"""Warnings for the users of commands: one line each, without a code location."""

import contextlib
import sys
import warnings


class Notice(UserWarning):
    """A warning for the user of a command. The message needs no code location."""


@contextlib.contextmanager
def plain_notices():
    """Print each `Notice` as one line on stderr, and hide Pillow's warnings about damaged metadata."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("always", Notice)
        shown = warnings.showwarning

        def show(message, category, *place, **more):
            if issubclass(category, Notice):
                print(f"warning: {message}", file=sys.stderr)
            else:
                shown(message, category, *place, **more)

        warnings.showwarning = show
        yield
