"""Serves the page of two pictures until it is interrupted."""

import functools
import hashlib
import importlib.util
import io
import os
import re
import shlex

from PIL import Image

from lena_jax.cli.judge.choices_file import ChoicesFile
from lena_jax.cli.judge.session import Session
from lena_jax.cli.serve.gate import Gate
from lena_jax.cli.serve.limits import Limits
from lena_jax.cli.serve.listening import listen, run
from lena_jax.data import pictures
from lena_jax.runtime import signals
from lena_jax.runtime.templates import render
from lena_jax.scoring import picture_paths

# Longest side of a picture on the page, in pixels, and how many of them are kept in memory: 30 MB.
SIDE, _KEPT = 1280, 128
_READ = re.compile(r"/(|judge\.css|judge\.js|favicon\.ico|picture/[0-9a-f]{16})")
_WRITE = re.compile(r"/(next|upcoming|choose|undo)")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
# What a judge may be called. No name is a formula for a spreadsheet program.
_JUDGE = re.compile(r"\w[\w .@'-]{0,39}")


def names_of(folder):
    """Returns the paths of all pictures in a folder and its subfolders, relative to it, with `/`.

    Raises:
        ValueError: there are fewer than two.
    """
    passed_over = picture_paths.PassedOver()
    found = [os.path.relpath(path, folder).replace(os.sep, "/") for path in picture_paths.find([folder], passed_over)]
    # No name is a formula for a spreadsheet program. `./` means the same file.
    names = [f"./{name}" if name[0] in "=+-@" else name for name in found if name.isprintable()]
    if len(names) < 2:
        raise ValueError(
            f"got {len(names)} pictures in {str(folder)!r}, expected at least two"
            + (f"; {passed_over.text()}" if passed_over.text() else "")
        )
    return names


class Shown:
    """The pictures of a folder as JPEGs of at most `SIDE` pixels a side; the last ones shown stay in memory.

    Attributes:
        keys: for each picture, what its address ends in. It depends on folder and name, so a browser never shows a
            picture that it remembers in the place of another.
        numbers: {key: number of the picture}.
    """

    def __init__(self, folder, names):
        self._folder, self._names = folder, names
        place = os.path.abspath(folder)
        self.keys = [hashlib.sha256(f"{place}\0{name}".encode(errors="replace")).hexdigest()[:16] for name in names]
        self.numbers = {key: number for number, key in enumerate(self.keys)}
        self.jpeg = functools.lru_cache(maxsize=_KEPT)(self._jpeg)

    def is_good(self, number):
        """Whether a picture can be read."""
        return self.jpeg(number) is not None

    def _jpeg(self, number):
        """Returns the bytes of a picture, or None."""
        try:
            data = pictures.read(os.path.join(self._folder, self._names[number]))
            picture = pictures.stored_pixels(_reduced(data) or data)
        except pictures.BadPicture:
            return None
        picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=88)
        return buffer.getvalue()


def _reduced(data):
    """Opens a large JPEG so that it is decoded at half its size or less, which is four times as fast; else None."""
    if not data.startswith(b"\xff\xd8") or pictures.header(data) is None:
        return None
    try:
        picture = Image.open(io.BytesIO(data), formats=["JPEG"])
    except (OSError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None  # `stored_pixels` says what is wrong.
    return picture if min(picture.size) >= 2 * SIDE and picture.draft("RGB", (SIDE, SIDE)) else None


def build(session, shown):
    """Builds the application: the page, its pictures, and the three requests that it makes."""
    import fastapi
    from fastapi.responses import HTMLResponse, Response

    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    def sides(pair):
        return None if pair is None else [f"picture/{shown.keys[one]}" for one in (pair.left, pair.right)]

    def state(judge, failed=""):
        now = session.pairs(judge)[0]
        return {"pair": sides(now), "key": now.key if now else None, "failed": failed, **session.progress(judge)}

    def judge_of(body):
        judge = body.get("judge") if isinstance(body, dict) else None
        if not isinstance(judge, str) or not _JUDGE.fullmatch(judge):
            raise fastapi.HTTPException(422, "a judge's name has 1 to 40 letters, digits, spaces and . @ ' - _")
        return judge

    @app.get("/", response_class=HTMLResponse)
    def page():
        return render(__package__, "judge.html.j2")

    @app.get("/judge.css")
    def style():
        return Response(render(__package__, "judge.css.j2"), media_type="text/css")

    @app.get("/judge.js")
    def script():
        return Response(render(__package__, "judge.js.j2"), media_type="text/javascript")

    @app.get("/favicon.ico")
    def icon():
        return Response(status_code=204)

    @app.get("/picture/{key}")
    def picture(key: str):
        jpeg = shown.jpeg(shown.numbers[key]) if key in shown.numbers else None
        if jpeg is None:
            raise fastapi.HTTPException(404, "no such picture")
        return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})

    @app.post("/next")
    def following(body: dict):
        return state(judge_of(body))

    @app.post("/upcoming")
    def upcoming(body: dict):
        return {"upcoming": sides(session.pairs(judge_of(body), ahead=True)[1])}

    @app.post("/choose")
    def choose(body: dict):
        judge = judge_of(body)
        try:
            session.answer(judge, body.get("key"), body.get("winner"))
        except ValueError as error:
            raise fastapi.HTTPException(422, str(error)) from None
        except OSError as error:
            return state(judge, f"The choice was not stored: {error.strerror or 'the disk is full'}. Try again.")
        return state(judge)

    @app.post("/undo")
    def undo(body: dict):
        judge = judge_of(body)
        try:
            session.undo(judge)
        except OSError as error:
            return state(judge, f"It was not taken back: {error.strerror or 'the disk is full'}. Try again.")
        return state(judge)

    return app


def serve(folder, names, output, share, mean, host, port, password=None):
    """Serves the page until Ctrl-C, SIGTERM or SIGHUP.

    Args:
        folder: folder of pictures.
        names: [n] paths in it.
        output: the file of choices.
        share: share of random pairs.
        mean: [n] strengths to start from, or None.
        host, port, password: see `cli.serve.server.serve`.

    Raises:
        ValueError: the packages of the page are not installed, or the file holds something else.
        OSError: the address is not available, or the file cannot be written.
        runtime.signals.Interrupted: the server was stopped.
    """
    if importlib.util.find_spec("fastapi") is None or importlib.util.find_spec("uvicorn") is None:
        raise ValueError("the page needs its packages: pip install 'lena-jax[page]'")
    shown, file = Shown(folder, names), ChoicesFile(output)
    session = Session(names, file, shown.is_good, share, mean)
    print(f"{len(names):,} pictures, {session.belief.choices:,} choices in {output}", flush=True)
    if session.unknown:
        print(f"{session.unknown:,} choices are of pictures that are not in {folder}", flush=True)
    app = build(session, shown)
    with listen(host, port) as listening:
        try:
            run(
                lambda hosts, door: Gate(app, None, Limits(), hosts, door, _READ, _WRITE, _POLICY),
                listening,
                host,
                password,
            )
        except signals.Interrupted as stop:
            then = f"lena-jax train {shlex.quote(os.fspath(folder))} --pairs={shlex.quote(output)}"
            said = f"{session.belief.choices:,} choices are in {output}; the same command goes on. Enough? {then}"
            raise type(stop)(said) from None
