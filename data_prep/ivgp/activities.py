"""Read Google+ activities from JSON lines or a flat CSV: counts, author, time and picture of each post."""

import csv
import dataclasses
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_prep.picture_folder import check_name
from lena_jax.runtime.untrusted import described, parse_json

COUNTS = ("plusoners", "replies", "resharers")
# Names of the columns of a CSV: our own name, or the path in an activity's JSON.
COLUMNS = {
    "id": ("id",),
    **{name: (name, f"object.{name}.totalItems") for name in COUNTS},
    "published": ("published",),
    "author": ("author", "actor.id"),
    "verb": ("verb",),
    "image": ("image",),
    "url": (
        "object.attachments[].fullImage.url",
        "object.attachments[].image.url",
        "fullImage.url",
        "image.url",
    ),
}
REQUIRED = ("id", *COUNTS)
# In seconds since 1970: the years 1970 to 2100.
_TIMES = tuple(datetime.datetime(year, 1, 1, tzinfo=datetime.UTC).timestamp() for year in (1970, 2101))


@dataclasses.dataclass(frozen=True, slots=True)
class Activity:
    """One post.

    Attributes:
        id: the post's id.
        plusoners: how many gave it a plus-one.
        replies: how many replied.
        resharers: how many reshared it.
        published: seconds since 1970 (UTC), in the years 1970 to 2100; or None.
        author: id of its author, or empty.
        image: the picture's path in the folder, if a column says so. Otherwise empty: the file is `<id>.<ending>`.
        url: original address of its picture, or empty.
        has_picture: False if the file names pictures but none for this post.
    """

    id: str
    plusoners: int
    replies: int
    resharers: int
    published: float | None = None
    author: str = ""
    image: str = ""
    url: str = ""
    has_picture: bool = True


@dataclasses.dataclass(frozen=True)
class Activities:
    """The posts of a file, in its order, and how many activities were reshares of another post."""

    posts: tuple[Activity, ...]
    reshares: int


def read(path: Path) -> Activities:
    """Read a file of activities: `.csv` is a CSV with a header row, anything else is JSON, one activity per line.

    Activities with the verb "share" are counted and left out: their picture belongs to another post.

    Args:
        path: the file.

    Raises:
        ValueError: no such file, not UTF-8, a line that is not an activity, a count that is not a whole number >= 0,
            a time that is invalid or outside the years 1970 to 2100, a path that leaves the folder of pictures, or an
            id that is there twice.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no such file of activities: {path}")
    posts, seen, reshares = [], {}, 0
    lines = _from_csv(path) if path.suffix.lower() == ".csv" else _from_json(path)
    try:
        for where, fields in lines:
            if fields.pop("verb", "") == "share":
                reshares += 1
                continue
            post = _activity(where, fields)
            if post.id in seen:
                raise ValueError(f"{where}: got id {post.id!r} twice, expected once; first in {seen[post.id]}")
            seen[post.id] = where.rpartition(", ")[2]
            posts.append(post)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8 text, got {error}") from error
    return Activities(tuple(posts), reshares)


def _from_json(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place and the fields of each activity."""
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            try:
                record = parse_json(line)
            except ValueError as error:
                raise ValueError(f"{where}: expected one activity in JSON, got {line[:60]!r}: {error}") from error
            if not isinstance(record, dict):
                raise ValueError(f"{where}: expected one activity in JSON, got {line[:60]!r}")
            body = _object(record, "object")
            fields = {name: _object(body, name).get("totalItems") for name in COUNTS}
            fields |= {"id": record.get("id"), "author": _object(record, "actor").get("id")}
            fields |= {"verb": record.get("verb"), "published": record.get("published")}
            url = _attached_url(body.get("attachments"))
            yield where, fields | {"url": url, "has_picture": bool(url)}


def _object(record: dict, name: str) -> dict:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _attached_url(attachments) -> str:
    """Return the address of the first attached picture, in full size if there is one."""
    for attachment in attachments if isinstance(attachments, list) else []:
        for size in ("fullImage", "image"):
            if isinstance(attachment, dict) and (url := _object(attachment, size).get("url")):
                return str(url)
    return ""


def _from_csv(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place and the fields of each row."""
    number = 1
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = [name.strip() for name in next(reader, [])]
            position = _positions(path, header)
            says_pictures = bool({"image", "url"} & position.keys())
            for number, values in enumerate(reader, start=2):
                where = f"{path}, row {number}"
                if not values:
                    continue
                if len(values) != len(header):
                    raise ValueError(f"{where}: got {len(values)} values, expected {len(header)} as in the header")
                fields = {name: values[index].strip() for name, index in position.items()}
                has_picture = bool(fields.get("image") or fields.get("url")) or not says_pictures
                yield where, fields | {"has_picture": has_picture}
        except csv.Error as error:
            raise ValueError(f"{path}, after row {number}: not a CSV: {error}") from error


def _positions(path: Path, header: list[str]) -> dict[str, int]:
    """Return the column of each field."""
    position = {}
    for name, spellings in COLUMNS.items():
        # Where there are several columns of addresses, take the first: it has the largest picture.
        there = [spelling for spelling in spellings if spelling in header]
        if sum(header.count(spelling) for spelling in there) > 1 and name != "url":
            raise ValueError(f"{path}: got {' and '.join(there)} in several columns, expected one")
        if there:
            position[name] = header.index(there[0])
        elif name in REQUIRED:
            got = ", ".join(header) or "(the file is empty)"
            raise ValueError(f"{path}: got columns {got}, expected one named {' or '.join(spellings)}")
    return position


def _activity(where: str, fields: dict[str, Any]) -> Activity:
    id = fields["id"]
    if not isinstance(id, str) or not id:
        raise ValueError(f"{where}: got id {described(id)}, expected a non-empty string")
    try:
        image = check_name(fields["image"]) if fields.get("image") else ""
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return Activity(
        id=id,
        **{name: _count(where, name, fields[name]) for name in COUNTS},
        published=_time(where, fields.get("published")),
        author=str(fields.get("author") or ""),
        image=image,
        url=fields.get("url") or "",
        has_picture=fields["has_picture"],
    )


def _count(where: str, name: str, value) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        value = int(value)
    # Python counts JSON's true as a number.
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise ValueError(f"{where}: {name} is {described(value)}, expected a whole number from 0 to {2**31 - 1}")
    return value


def _time(where: str, value) -> float | None:
    if value in (None, ""):
        return None
    try:
        moment = datetime.datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        seconds = moment.timestamp()
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{where}: published is {described(value)}, expected a time such as 2012-03-01T18:30:00Z"
        ) from error
    # Year 1 or 9999 is what programs write where a time is missing.
    if not _TIMES[0] <= seconds < _TIMES[1]:
        raise ValueError(f"{where}: published is {described(value)}, expected a year from 1970 to 2100, or no time")
    return seconds
