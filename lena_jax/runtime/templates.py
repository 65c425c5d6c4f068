"""Fill in the Jinja2 templates that a package keeps in its folder `templates`.

The name of a template says how its values are kept from becoming markup:

*.html.j2: every value is escaped for HTML, unless it is `markupsafe.Markup`.
*.md.j2: every value is put on one line, and what Markdown would read as markup is escaped. The filter `code` makes a
    code span of a value.
*.css.j2: values are taken as they are.

A value that a template uses and nobody passed is an error.
"""

import functools
import re

# Would start markup anywhere in a line of Markdown; a bracket only does where a link's target follows it.
_MARKDOWN = re.compile(r"[\\`*<>|]|\](?=[(\[])")


def render(package, name, /, **values):
    """Fills a template in.

    Args:
        package: the package that owns the template, such as "lena_jax.report".
        name: file name of the template, such as "report.html.j2".
        **values: that the template names.

    Returns:
        The text.

    Raises:
        jinja2.UndefinedError: the template names a value that was not passed.
    """
    kind = name.removesuffix(".j2").rpartition(".")[2]
    return _environment(package, kind).get_template(name).render(values)


@functools.cache
def _environment(package, kind):
    # Imported here: commands that fill nothing in do not pay for it.
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
    """A value as Markdown in which it is text; what macros return is Markdown already."""
    from markupsafe import Markup

    return value if isinstance(value, Markup) else Markup(_MARKDOWN.sub(r"\\\g<0>", _one_line(value)))


def _as_code(value):
    """A value as a code span, which it cannot end."""
    from markupsafe import Markup

    return Markup(f"`{_one_line(value).replace('`', chr(39)) or ' '}`")


def _one_line(value):
    """Text without line breaks, control characters and lone surrogates."""
    return "".join(letter if letter.isprintable() else " " for letter in str(value))
