"""The parser of `lena-jax`: a mistake is answered in one line, with what was probably meant and what to type next."""

import argparse
import difflib
import os
import re
import shlex
import sys
from pathlib import Path

_CHOICE = re.compile(r"invalid choice: '?(?P<given>[^' ]*)'? \(choose from (?P<choices>.*)\)")
_MODELS = ("*/model.json", "*/*/model.json", "*/checkpoints", "*/*/checkpoints")


class Parser(argparse.ArgumentParser):
    """Parses arguments; a mistake is one line on standard error and exit code 2."""

    def parse_known_args(self, args=None, namespace=None):
        """Parses, and refuses what is unknown here, where the options are known."""
        self._given = list(sys.argv[1:] if args is None else args)
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {shlex.join(unknown)}{self._meant(unknown)}")
        return found, unknown

    def error(self, message):
        """Prints the mistake, and ends with code 2."""
        if (choice := _CHOICE.search(message)) is not None:
            near = difflib.get_close_matches(choice["given"], re.findall(r"[^', ]+", choice["choices"]), n=1)
            message += f"; did you mean {near[0]}?" if near else ""
        if message.startswith("the following arguments are required: "):
            message = self._missing(message.split(": ", 1)[1].split(", "))
        # Such a name is taken for an option.
        dashed = [
            one for one in getattr(self, "_given", ()) if one[:1] == "-" and len(one) > 1 and os.path.lexists(one)
        ]
        message += f"; the file {dashed[0]} is typed as {shlex.quote(f'./{dashed[0]}')}" if dashed else ""
        print(f"{self.prog}: error: {message.rstrip('.')}. {self._next()}", file=sys.stderr)
        sys.exit(2)

    def _meant(self, unknown):
        options = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        given = [one.split("=", 1)[0] for one in unknown if one.startswith("-")]
        # A name that is only begun, or that has - in the place of _.
        begun = [name for name in options if given and len(given[0]) > 3 and name.startswith(given[0])]
        near = begun or difflib.get_close_matches(given[0].replace("-", "_") if given else "", options, n=1)
        near = near or difflib.get_close_matches(given[0] if given else "", options, n=1)
        if near:
            return f"; did you mean {near[0]}?"
        return "" if given else " (a name with spaces needs quotes)"

    def _missing(self, names):
        if names == ["COMMAND"]:
            return "got no command. `lena-jax demo` shows everything without data, `lena-jax train FOLDER` starts"
        said = []
        for name in names:
            actions = (one for one in self._actions if name in ("/".join(one.option_strings), one.metavar, one.dest))
            about = next((one.help for one in actions if one.help), None)
            said.append(f"{name} ({about})" if about else name)
        there = there_are() if "--model" in names or "MODEL" in names else ""
        return f"missing: {', '.join(said)}{there}"

    def _next(self):
        # The examples, of which the first says most.
        examples = re.findall(rf"^  ({re.escape(self.prog)} \S.*)$", self.epilog or "", re.M)
        example = f"Example: `{examples[0]}`. " if examples and " " in self.prog else ""
        return f"{example}All options: `{self.prog} --help`"


def there_are():
    """Returns which models are in this folder and the folders in it, to name in a message; or an empty text."""
    found = sorted({path.parent.as_posix() for pattern in _MODELS for path in Path().glob(pattern)})
    # A run inside an unfinished `lena-jax train` is no model yet.
    found = [shlex.quote(one) for one in found if ".partial" not in one][:3]
    return f"; there is --model={' or --model='.join(found)}" if found else ""


def near(path):
    """Returns what a person could have meant by a path that is not there, to name in a message; or an empty text."""
    path = Path(path).expanduser()
    try:
        if path.exists():
            return ""
        names = [one.name for one in path.parent.iterdir()][:5000]
    except (OSError, ValueError):
        return ""
    folded = {name.casefold(): name for name in names}
    found = difflib.get_close_matches(path.name.casefold(), list(folded), n=1)
    return f"; did you mean {str(path.with_name(folded[found[0]]))!r}?" if found else ""
