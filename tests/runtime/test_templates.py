"""Templates of a package made here: how values are escaped in HTML and Markdown, and what is refused."""

import configparser
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest
from markupsafe import Markup

from lena_jax.runtime import templates

EVIL = "<img src=x onerror=alert(1)>\"'&amp;"


@pytest.fixture
def fill_in(tmp_path, monkeypatch):
    """A function that fills in a template with a given text."""
    (tmp_path / "owner/templates").mkdir(parents=True)
    (tmp_path / "owner/__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    def fill(name, text, /, **values):
        (tmp_path / "owner/templates" / name).write_text(text)
        return templates.render("owner", name, **values)

    yield fill
    sys.modules.pop("owner", None)
    templates._environment.cache_clear()


def test_values_in_html_are_text(fill_in):
    text = fill_in("a.html.j2", '<p title="{{ value }}">{{ value }}</p>\n', value=EVIL)
    escaped = "&lt;img src=x onerror=alert(1)&gt;&#34;&#39;&amp;amp;"
    assert text == f'<p title="{escaped}">{escaped}</p>\n'
    assert fill_in("b.html.j2", "{{ inner }}", inner=Markup("<p>")) == "<p>"


@pytest.mark.parametrize(
    "value, expected",
    [
        ("image_scores/photos", "image_scores/photos"),
        ("0.712 [0.700, 0.724]", "0.712 [0.700, 0.724]"),
        (7, "7"),
        ("a\n## b\r\nc\x1b\u2028d\ud800", "a ## b  c  d "),
        ("a | b", "a \\| b"),
        ("<script>", "\\<script\\>"),
        ("[a](b) [c][d]", "[a\\](b) [c\\][d]"),
        ("`*a*` \\", "\\`\\*a\\*\\` \\\\"),
    ],
)
def test_values_in_markdown_are_text_on_one_line(fill_in, value, expected):
    assert fill_in("a.md.j2", "# {{ value }}\n", value=value) == f"# {expected}\n"


@pytest.mark.parametrize("value, expected", [("a_b/c", "`a_b/c`"), ("a` <b>\n`", "`a' <b> '`"), ("", "` `")])
def test_a_value_cannot_end_its_code_span(fill_in, value, expected):
    assert fill_in("a.md.j2", "{{ value | code }}", value=value) == expected


def test_what_a_macro_writes_is_markdown_already(fill_in):
    text = "{% macro row(one) %}\n| {{ one }} |\n{% endmacro %}\n{{ row(value) }}"
    assert fill_in("a.md.j2", text, value="a|b") == "| a\\|b |\n"


@pytest.mark.parametrize("name", ["a.html.j2", "a.md.j2", "a.css.j2"])
def test_a_value_that_nobody_passed_is_an_error(fill_in, name):
    with pytest.raises(jinja2.UndefinedError, match="'other' is undefined"):
        fill_in(name, "{{ other }}", value=1)


def test_every_name_can_be_a_value(fill_in):
    assert fill_in("a.html.j2", "{{ package }} {{ name }} {{ values }}", package=1, name=2, values=3) == "1 2 3"


def test_a_style_is_taken_as_it_is(fill_in):
    assert fill_in("a.css.j2", "{{ value }} { }", value="a > b") == "a > b { }"


def test_all_templates_are_installed_with_the_package():
    root = Path(__file__).resolve().parents[2]
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg")
    shipped = {name for name, files in config["options.package_data"].items() if "templates/*" in files}
    folders = {path.parent.relative_to(root) for path in (root / "lena_jax").rglob("*.j2")}
    assert {".".join(folder.parent.parts) for folder in folders} == shipped and len(shipped) >= 4
    assert all(folder.name == "templates" for folder in folders)


def test_jinja_is_imported_when_something_is_filled_in():
    code = "import sys, lena_jax.runtime.templates, lena_jax.cli.main; assert 'jinja2' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
