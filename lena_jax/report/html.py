"""A web page in one file: markup in which text cannot become markup, the style, and the page around it."""

import base64
import hashlib
import html
import string


class Html(str):
    """Text that is markup already; every other text is escaped."""


def tag(name, *children, **attributes):
    """An element: children that are not `Html` are text; `class_` and `aria_label` become `class` and `aria-label`."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in ("img", "meta", "line", "rect", "circle", "polyline", "path", "stop"):
        return Html(f"<{name}{written}>" if name in ("img", "meta") else f"<{name}{written}/>")
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def join(parts):
    """Several pieces as one, those that are not `Html` escaped."""
    return Html("".join(part if isinstance(part, Html) else html.escape(str(part)) for part in parts))


def section(title, *children):
    """A part of the page under its heading; nothing where all its children are empty."""
    body = join(child for child in children if child)
    return tag("section", tag("h2", title), body) if body else Html()


def table(header, rows, caption=None):
    """A table whose first column names the rows."""
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in header)))
    body = tag(
        "tbody",
        *(tag("tr", tag("th", first, scope="row"), *(tag("td", cell) for cell in rest)) for first, *rest in rows),
    )
    return tag("div", tag("table", tag("caption", caption) if caption else Html(), head, body), class_="scroll")


def facts(pairs):
    """A list of names and values; pairs whose value is None are left out."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs if value is not None))


def page(title, subtitle, body):
    """The whole document. It forbids itself scripts and everything that is not in it."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return _PAGE.substitute(
        policy=html.escape(policy, quote=False),
        style=_STYLE,
        title=html.escape(title),
        heading=tag("h1", title),
        subtitle=tag("p", subtitle, class_="subtitle"),
        body=body,
    )


_PAGE = string.Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header>$heading
$subtitle</header>
<main>
$body
</main>
</body>
</html>
""")

_STYLE = """
:root { color-scheme: light dark; --ground: #fbfbf9; --card: #fff; --text: #1d2327; --quiet: #5b656d; --rule: #dfe2e4;
  --grid: #eceeef; --one: #2563a8; --two: #b8500f; --three: #1f7a4d; --right: #1f7a4d; --wrong: #b3261e;
  --notice: #fff4dc; --notice-rule: #d99a1c; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171a; --card: #1c2024; --text: #e6e9eb; --quiet: #9aa5ad; --rule: #333a40; --grid: #272d32;
    --one: #6aaef2; --two: #f0975a; --three: #5cc48f; --right: #5cc48f; --wrong: #ff8a80; --notice: #33290f;
    --notice-rule: #a9781a; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 2.5rem 1.25rem 4rem; background: var(--ground); color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  -webkit-text-size-adjust: 100%; }
h1 { font-size: clamp(1.5rem, 4.5vw, 2.1rem); line-height: 1.2; margin: 0; letter-spacing: -.015em;
  overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 3rem 0 .25rem; letter-spacing: -.01em; }
h3 { font-size: 1rem; margin: 1.75rem 0 .6rem; }
p { margin: .25rem 0 1rem; max-width: 50rem; }
.subtitle, .quiet, figcaption p, dt, caption, .note { color: var(--quiet); }
.subtitle { margin: .4rem 0 0; }
.quiet { font-size: .9rem; }
figure { margin: 0; }
.tiles, .charts, .pairs { display: grid; gap: 1rem; margin-top: 1rem; }
.tiles { grid-template-columns: repeat(auto-fit, minmax(min(15rem, 100%), 1fr)); }
.charts { grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); }
.pairs { grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); }
.tile, .chart, .pair { background: var(--card); border: 1px solid var(--rule); border-radius: .6rem; padding: 1rem;
  min-width: 0; }
.tile .name { font-size: .9rem; color: var(--quiet); }
.tile .value { font-size: 2.1rem; line-height: 1.25; font-weight: 600; font-variant-numeric: tabular-nums;
  letter-spacing: -.02em; }
.tile .range { font-size: .9rem; font-variant-numeric: tabular-nums; color: var(--quiet); }
.tile svg { margin-top: .5rem; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font: 11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: var(--quiet); }
.chart figcaption { font-weight: 600; }
.chart figcaption p { font-weight: 400; font-size: .85rem; margin: 0 0 .5rem; }
.grid { stroke: var(--grid); } .base { stroke: var(--rule); }
.line { fill: none; stroke-width: 1.75; stroke-linejoin: round; stroke-linecap: round; }
.one { stroke: var(--one); } .two { stroke: var(--two); } .three { stroke: var(--three); }
.dot.one, .bar.one, .span.one, .key.one { fill: var(--one); } .dot.two, .key.two { fill: var(--two); }
.key.three { fill: var(--three); }
.dot, .bar, .key { stroke: none; } .bar { opacity: .75; }
.mark { stroke: var(--quiet); stroke-dasharray: 3 3; }
.track { stroke: var(--rule); stroke-width: 3; stroke-linecap: round; }
.span { stroke: var(--one); stroke-width: 5; stroke-linecap: round; opacity: .5; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .15rem 1rem; margin: .4rem 0 0; padding: 0;
  font-size: .85rem; }
.legend svg { display: inline-block; width: .8em; height: .8em; margin-right: .4em; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem .75rem; break-inside: avoid; align-content: start; }
.pair > p { grid-column: 1 / -1; margin: 0; font-size: .95rem; }
.chart table { margin: 0; width: 100%; }
.chart caption { color: inherit; font-weight: 600; font-size: 1rem; padding-bottom: .25rem; }
.pair figure { min-width: 0; }
.pair img { display: block; width: 100%; height: auto; aspect-ratio: 1; object-fit: contain; background: var(--grid);
  border-radius: .3rem; margin-bottom: .4rem; }
.pair figcaption { font-size: .85rem; line-height: 1.4; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.pair figcaption b { display: block; }
.right { color: var(--right); } .wrong { color: var(--wrong); }
.scale { max-width: 26rem; margin: .5rem 0 0; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr)); gap: .75rem 1.5rem;
  margin: 1rem 0 0; }
dt { font-size: .85rem; } dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0 0; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .4rem; }
th, td { text-align: left; font-weight: 400; padding: .35rem 1.5rem .35rem 0; border-bottom: 1px solid var(--rule);
  vertical-align: top; }
td { overflow-wrap: anywhere; }
thead th { color: var(--quiet); font-size: .85rem; }
details { margin-top: 1.25rem; } summary { cursor: pointer; }
.notice { background: var(--notice); border-left: 4px solid var(--notice-rule); border-radius: .3rem;
  padding: .75rem 1rem; margin: 1.25rem 0 0; }
.notice ul { margin: .25rem 0 0; padding-left: 1.2rem; }
@media print {
  :root { --ground: #fff; --card: #fff; --text: #000; --quiet: #444; --rule: #bbb; --grid: #e5e5e5; --one: #2563a8;
    --two: #b8500f; --three: #1f7a4d; --right: #1f7a4d; --wrong: #b3261e; --notice: #fff; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .tile, .chart, tr, .notice { break-inside: avoid; } h2, h3 { break-after: avoid; }
  .tiles { grid-template-columns: repeat(3, 1fr); } .charts, .pairs { grid-template-columns: 1fr 1fr; }
  img, .bar, .span { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
