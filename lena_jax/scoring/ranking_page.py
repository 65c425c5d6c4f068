"""A page of ranked pictures: thumbnails, scores and maps in one HTML file that needs nothing else.

More than `PAGE` pictures are divided between linked files: ranking.html, ranking-2.html, ranking-3.html, ...
"""

import dataclasses
import io
import os
import re
import tempfile
import urllib.parse
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image

from lena_jax.localization import overlays
from lena_jax.runtime import pages
from lena_jax.runtime.files import write_whole
from lena_jax.runtime.templates import render
from lena_jax.scoring.result_files import printable
from lena_jax.scoring.results import PictureScore, ahead, percent
from lena_jax.scoring.thumbnails import Thumbnail, map_png

PAGE = 1000  # Most pictures in a file.
MOST_UNREADABLE = 1000  # Most unreadable pictures that are listed by name.
_SCALED = 1000  # Most maps that decide on the colour scale.
# How a file begins that this module wrote. Another file is never replaced or removed by a further page.
_OURS = (
    b'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    b'<meta name="generator" content="lena-jax score">'
)


@dataclasses.dataclass(frozen=True)
class _Entry:
    """A scored picture, and where in the temporary file its thumbnail and its map are."""

    result: PictureScore
    place: int
    jpeg: int
    size: tuple[int, int]
    map_shape: tuple[int, ...]


class RankingPage:
    """Collects scored pictures and writes the page when all are there.

    Thumbnails and maps wait in a temporary file beside the page, so memory grows only by the names and the scores.

    Example:
        with RankingPage("ranking.html", "runs/mine", exact=True) as page:
            for one in scorer.score_with_maps(paths, thumbnails.thumbnail):
                page.add(*one)
            page.write()

    Args:
        path: path of the first file. It is replaced if it is there; so are further pages of an earlier ranking.
        model: name of the model to show.
        exact: whether the maps sum to the score, see `Explanation.exact`.
        resize: how pictures became the squares that the network saw, see `localization.on_picture`.

    Raises:
        ValueError: the name does not end in .html, is a folder, its folder does not exist, or the name of a further
            page belongs to a file that this class did not write.
        OSError: the folder cannot be written.
    """

    def __init__(self, path: str | os.PathLike, model: str, exact: bool, resize: str = "squash") -> None:
        path = os.fspath(path)
        if not path.lower().endswith(".html"):
            raise ValueError(f"got the page {path!r}, expected a name that ends in .html")
        if os.path.isdir(path):
            raise ValueError(f"got the page {path!r}, which is a folder, expected a file or an unused name")
        folder = os.path.dirname(path) or "."
        if not os.path.isdir(folder):
            raise ValueError(f"got the page {path!r}, but there is no folder {folder!r}")
        self._path, self._model, self._exact, self._resize = path, model, exact, resize
        for other in self._further():
            with open(other, "rb") as file:
                if file.read(len(_OURS)) != _OURS:
                    raise ValueError(f"{other!r} is in the way of a further page: move it, or use another name")
        self._entries: list[_Entry] = []
        self._bad: list[PictureScore] = []
        try:
            self._file = tempfile.TemporaryFile(dir=folder)
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, result: PictureScore, signed_map: np.ndarray | None, small: Thumbnail | None) -> None:
        """Adds a picture, as `Scorer.score_with_maps` yields it."""
        if signed_map is None or small is None:
            self._bad.append(result)
            return
        place = self._file.seek(0, io.SEEK_END)
        self._file.write(small.jpeg + np.asarray(signed_map, np.float32).tobytes())
        self._entries.append(_Entry(result, place, len(small.jpeg), (small.width, small.height), signed_map.shape))

    def write(self, note: str = "") -> list[str]:
        """Writes all files, highest score first; equal scores keep their order.

        The first file is written last, and one from before is removed first: if it is there, all are.

        Args:
            note: a sentence on these pictures, shown above them.

        Returns:
            Paths of the files.
        """
        ranked = sorted(self._entries, key=lambda one: -one.result.score)  # type: ignore[operator]
        count = max(1, -(-len(ranked) // PAGE))
        shown = _Shown(
            [one.result for one in ranked],
            self._bad,
            _common_folder([one.result.name for one in ranked]),
            self._model,
            self._exact,
            [self._name(number) for number in range(count)],
            note,
        )
        stride = max(1, -(-len(ranked) // _SCALED))
        scale = overlays.common_scale([self._map(one) for one in ranked[::stride]]) if ranked else 1.0
        if count > 1 and os.path.exists(self._path):
            os.remove(self._path)
        paths = [os.path.join(os.path.dirname(self._path), name) for name in shown.files]
        for number in reversed(range(count)):
            first = number * PAGE
            pictures = [self._pictures(one, scale) for one in ranked[first : first + PAGE]]
            text = _page(shown, number, pictures, scale)
            write_whole(paths[number], lambda file, text=text: file.write(text))
        for other in self._further():
            if other not in paths:
                os.remove(other)
        return paths

    def _name(self, number):
        stem, ending = os.path.splitext(os.path.basename(self._path))
        return f"{stem}-{number + 1}{ending}" if number else f"{stem}{ending}"

    def _further(self):
        """Lists the files that have names of further pages."""
        folder = os.path.dirname(self._path)
        stem, ending = os.path.splitext(os.path.basename(self._path))
        pattern = re.compile(re.escape(stem) + r"-([2-9]|[1-9][0-9]+)" + re.escape(ending))
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder or ".")) if pattern.fullmatch(name)]

    def _map(self, entry):
        self._file.seek(entry.place + entry.jpeg)
        length = 4 * int(np.prod(entry.map_shape))
        return np.frombuffer(self._file.read(length), np.float32).reshape(entry.map_shape)

    def _pictures(self, entry, scale):
        """Encodes the thumbnail and the map of a picture for the template."""
        signed, (width, height) = self._map(entry), entry.size
        self._file.seek(entry.place)
        # A browser loads an `img` when it comes near the window, an `image` in the page at once. The drawing around
        # the map has the shape of the picture, so that both fill the same part of a card.
        png = pages.data_url(map_png(signed, scale, width, height, self._resize), "image/png")
        drawing = render(__package__, "map.svg.j2", png=png, width=width, height=height)
        return {
            "src": pages.data_url(self._file.read(entry.jpeg), "image/jpeg"),
            "width": width,
            "height": height,
            "map": "data:image/svg+xml," + urllib.parse.quote(drawing, safe="/:=;,+ "),
            "adds": f"{signed[signed > 0].sum():+.2f} and {signed[signed < 0].sum():+.2f}",
        }


@dataclasses.dataclass(frozen=True)
class _Shown:
    """What all pages of a ranking share."""

    results: Sequence[PictureScore]
    bad: Sequence[PictureScore]
    folder: str
    model: str
    exact: bool
    files: Sequence[str]
    note: str


def _page(shown, number, pictures, scale):
    """Fills in page `number`, from 0."""
    first = number * PAGE
    results = [*shown.results[first : first + PAGE + 1], None][: len(pictures) + 1]
    cards = [
        picture
        | {
            "rank": f"{first + place + 1:,}",
            "next": f"{first + place + 2:,}",
            "name": printable(one.name.removeprefix(shown.folder)),
            "whole_name": printable(one.name),
            "score": f"{one.score:+.2f}",
            "percentile": None if one.percentile is None else f"{one.percentile:.0f}",
            "ahead": None if following is None else percent(ahead(one.score, following.score)),
        }
        for place, (picture, one, following) in enumerate(zip(pictures, results, results[1:], strict=False))
    ]
    listed = shown.bad[:MOST_UNREADABLE] if number == 0 else []
    style, script = (
        render(__package__, "ranking.css.j2", opacity=overlays.OPACITY),
        render(__package__, "ranking.js.j2"),
    )
    return render(
        __package__,
        "ranking.html.j2",
        style=style,
        script=script,
        policy=pages.policy(style, script),
        count=len(shown.results),
        first=first + 1,
        last=first + len(cards),
        cards=cards,
        folder=printable(shown.folder),
        model=printable(shown.model),
        legend=_legend(scale, shown.exact),
        exact=shown.exact,
        note=shown.note[:1].upper() + shown.note[1:],
        page=number + 1,
        pages=[_link(name) for name in shown.files],
        unreadable=len(shown.bad),
        bad=[(printable(one.name), printable(one.error)) for one in listed],
    )


def _common_folder(names: Sequence[str]) -> str:
    """Finds the folder, with its separator, with which all names begin; "" if there is none."""
    folder = os.path.commonprefix([os.path.join(os.path.dirname(name), "") for name in names])
    return folder[: folder.rfind(os.sep) + 1]


def _link(name):
    """Quotes a file name as a relative link. "./" keeps a colon in it from being read as a scheme."""
    return "./" + urllib.parse.quote(os.fsencode(name))


def _legend(scale: float, exact: bool) -> dict[str, Any]:
    """Describes the colour bar: the colours of the maps as they look over medium grey, and their meaning."""
    buffer = io.BytesIO()
    Image.fromarray(overlays.colours_over_grey(256)[None]).save(buffer, "PNG")
    return {
        "bar": pages.data_url(buffer.getvalue(), "image/png"),
        "what": "what each cell of a picture adds to the score" if exact else "virality map",
        "scale": f"{scale:.2g}",
    }
