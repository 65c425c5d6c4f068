"""Fill in the Jinja2 templates in a package's folder `templates`.

The ending of a template's name decides how its values are escaped:

*.html.j2: every value is escaped for HTML, unless it is `markupsafe.Markup`.
*.md.j2: every value is put on one line, and its Markdown characters are escaped. The filter `code` turns a value into a
    code span.
*.css.j2, *.js.j2, *.svg.j2: values are inserted unchanged.

A value that a template uses but nobody passed is an error.
"""

import functools
import re

# Characters that start markup anywhere in a line of Markdown. A bracket does so only before a link's target.
_MARKDOWN = re.compile(r"[\\`*<>|]|\](?=[(\[])")


def render(package, name, /, **values):
    """Fill in a template.

    Args:
        package: the package that owns the template, such as "lena_jax.report".
        name: file name of the template, such as "report.html.j2".
        **values: the values that the template uses.

    Returns:
        The filled-in text.

    Raises:
        jinja2.UndefinedError: the template uses a value that was not passed.
    """
    kind = name.removesuffix(".j2").rpartition(".")[2]
    return _environment(package, kind).get_template(name).render(values)


@functools.cache
def _environment(package, kind):
    # Imported late, so that commands without templates do not pay for it.
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=kind in ("html", "md"),
        finalize=_as_markdown if kind == "md" else None,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    if kind == "md":
        environment.filters["code"] = _as_code
    return environment


def _as_markdown(value):
    """Escape a value for Markdown, unless it is `Markup`, as what macros return."""
    from markupsafe import Markup

    return value if isinstance(value, Markup) else Markup(_MARKDOWN.sub(r"\\\g<0>", _one_line(value)))


def _as_code(value):
    """Turn a value into a code span that the value itself cannot end."""
    from markupsafe import Markup

    return Markup(f"`{_one_line(value).replace('`', chr(39)) or ' '}`")


def _one_line(value):
    """Replace line breaks, control characters and lone surrogates by spaces."""
    return "".join(letter if letter.isprintable() else " " for letter in str(value))
