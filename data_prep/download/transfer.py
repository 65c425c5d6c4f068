"""Try one address once: get the bytes of a picture, or the reason why there are none."""

import email.utils
import http.client
import time
import urllib.error
import urllib.parse
from collections.abc import Callable

from data_prep.download.connection import open_address
from data_prep.download.limits import Limits
from lena_jax.data import pictures

# The file name ending of each format that `pictures.to_rgb` reads.
ENDINGS = {
    "JPEG": "jpg",
    "MPO": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tiff",
    "PPM": "ppm",
    "HEIF": "heic",
    "AVIF": "avif",
    "JXL": "jxl",
}

_REDIRECTS = (301, 302, 303, 307, 308)
_TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_BLOCK = 64 << 10


class Gone(Exception):
    """The server says that the picture is gone for good; another request would not help."""


class Refused(Exception):
    """The answer is not a usable picture; an immediate retry would end the same way, a later download may not."""


class Failed(Exception):
    """The server or the connection failed; trying again may help.

    Attributes:
        wait: seconds that the server asked to wait, or None.
    """

    def __init__(self, message: str, wait: float | None = None):
        super().__init__(message)
        self.wait = wait


class Stopped(Exception):
    """The download was interrupted."""


def get(url: str, limits: Limits, stopped: Callable[[], bool] = lambda: False) -> tuple[bytes, str]:
    """Download one picture.

    Redirects are followed to http and https only. Whatever the server says about the content, it has to decode as a
    picture.

    Args:
        url: the picture's address.
        limits: see `Limits`.
        stopped: returns True once the download is to stop.

    Returns:
        The file's bytes, and the file name ending of its format, without the dot.

    Raises:
        Gone: the picture is gone for good.
        Refused: the answer is not a usable picture.
        Failed: the server or the connection failed.
        Stopped: `stopped()` returned True.
    """
    deadline = time.monotonic() + limits.total_timeout
    seen = []
    while True:
        if stopped():
            raise Stopped
        check_address(url)
        seen.append(url)
        try:
            with open_address(url, limits.timeout, deadline) as response:
                target = _redirect(response)
                if target is None:
                    data = _body(response, limits, stopped)
                    break
        except TimeoutError as error:
            raise _too_slow(limits, deadline) from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise _too_slow(limits, deadline) from error
            raise Failed(f"cannot connect: {error.reason}") from error
        except http.client.HTTPException as error:
            raise Failed(f"broken answer: {type(error).__name__}") from error
        except OSError as error:
            raise Failed(f"the connection broke: {error}") from error
        except ValueError as error:
            # The address or a header makes no sense.
            raise Refused(f"broken answer: {error}") from error
        url = urllib.parse.urljoin(url, target)
        if url in seen:
            raise Refused(f"redirects in a circle, to {url[:200]}")
        if len(seen) > limits.redirects:
            raise Refused(f"more than {limits.redirects} redirects")
    return data, _ending(url, data)


def check_address(url: str) -> str:
    """Return the server's name in `url`.

    Raises:
        Refused: not an http or https address, or one that contains a user name or a control character.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise Refused(f"not an address: {url[:200]!r}") from error
    if parts.scheme not in ("http", "https"):
        raise Refused(f"got an address with {parts.scheme[:20]!r}, expected http or https")
    if not host or parts.username is not None or any(ord(letter) <= 32 for letter in url):
        raise Refused(f"not an address: {url[:200]!r}")
    return host.lower()


def _redirect(response: http.client.HTTPResponse) -> str | None:
    """Return the address that a response redirects to; None if, by its header, it is the picture itself."""
    status = response.status
    if status in (404, 410):
        raise Gone(f"the server says {status}")
    if status in _TRY_AGAIN:
        raise Failed(f"the server says {status}", _retry_after(response.headers.get("Retry-After")))
    if status in _REDIRECTS:
        target = response.headers.get("Location")
        if not target:
            raise Refused(f"the server says {status} without saying where")
        return target
    if status != 200:
        raise Refused(f"the server says {status}")
    kind = response.headers.get_content_type() if response.headers.get("Content-Type") else ""
    # Servers that do not know a file's type call it octet-stream.
    if kind and not kind.startswith("image/") and kind not in ("application/octet-stream", "binary/octet-stream"):
        raise Refused(f"content type: got {kind[:80]!r}, expected a picture")
    return None


def _too_slow(limits: Limits, deadline: float) -> Failed:
    if time.monotonic() >= deadline:
        return Failed(f"not finished in {limits.total_timeout:g} s")
    return Failed(f"no answer in {limits.timeout:g} s")


def _body(response: http.client.HTTPResponse, limits: Limits, stopped: Callable[[], bool]) -> bytes:
    said = response.headers.get("Content-Length", "")
    length = int(said) if said.isascii() and said.isdigit() else None
    if length is not None and length > limits.max_bytes:
        raise Refused(f"file too large: the server says {length:,} bytes, expected at most {limits.max_bytes:,}")
    blocks, size = [], 0
    # read1 returns after one read of the connection, so that a slow server cannot delay a stop.
    while block := response.read1(_BLOCK):
        size += len(block)
        if size > limits.max_bytes:
            raise Refused(f"file too large: more than {limits.max_bytes:,} bytes")
        if stopped():
            raise Stopped
        blocks.append(block)
    if length is not None and size < length:
        raise Failed(f"cut short: got {size:,} bytes, the server said {length:,}")
    return b"".join(blocks)


def _ending(url: str, data: bytes) -> str:
    """Return the file name ending of the picture's format.

    Raises:
        Gone: it is a server's placeholder for a removed picture.
        Refused: it is not a picture.
    """
    if urllib.parse.urlsplit(url).path.rsplit("/", 1)[-1].lower() in ("removed.png", "removed.jpg", "removed.gif"):
        raise Gone("the server shows its placeholder for removed pictures")
    try:
        pictures.to_rgb(data)
    except pictures.BadPicture as error:
        raise Refused(f"{len(data):,} bytes, {error}") from error
    found = pictures.header(data)
    return ENDINGS[found[0]] if found else "jpg"


def _retry_after(text: str | None) -> float | None:
    """Return the seconds to wait, given as a number or as a date."""
    if not text:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(moment.timestamp() - time.time(), 0.0)
