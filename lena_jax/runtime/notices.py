"""Warnings that the user of a command is to read: one line each, without a place in the code."""

import contextlib
import sys
import warnings


class Notice(UserWarning):
    """A warning for the user of a command; the message says all there is to say."""


@contextlib.contextmanager
def plain_notices():
    """Within it a `Notice` is one line on stderr, and Pillow says nothing of damaged metadata."""
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
