"""Turn pictures of any kind into network inputs, ahead of the network."""

import collections.abc
import concurrent.futures
import contextlib
import dataclasses
import io
import os
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import numpy as np
from PIL import Image

from lena_jax.data import pictures, u2net
from lena_jax.data.pictures import BadPicture
from lena_jax.data.transforms import square
from lena_jax.models.ranker import Ranker

# A path, the content of a file, an array [H, W, 3] uint8 or an opened picture.
PictureLike = str | os.PathLike | bytes | np.ndarray | Image.Image
See = collections.abc.Callable[[Image.Image], Any]


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A picture on its way to the network.

    Attributes:
        name: name of the picture, see `name_of`.
        inputs: input of the network, without the batch axis. None if the picture cannot be used.
        error: why it cannot be used, or None.
        profile_ignored: whether its colour profile is damaged or does not fit, and was ignored.
        seen: what `see` of `Preparation.stream` made of the picture, or None.
    """

    name: str
    inputs: object
    error: str | None = None
    profile_ignored: bool = False
    seen: Any = None


class Preparation:
    """Turns pictures into network inputs, by the same steps that build and read a dataset.

    Args:
        image_size: side of the network input in pixels.
        objectness: network that makes objectness maps, for a model that uses them; otherwise None.
        resize: how a picture becomes that square, see `data.transforms.resize`.
    """

    def __init__(self, image_size: int, objectness: u2net.Network | None = None, resize: str = "squash") -> None:
        self._size, self._objectness, self._resize = image_size, objectness, resize

    def inputs(self, picture: Image.Image) -> np.ndarray | dict[str, np.ndarray]:
        """Maps an upright RGB picture to [S, S, 3] uint8, or {"pictures": that, "objectness": [64, 64] uint8}.

        With "pad", it has 4 channels.
        """
        seen = square(picture, self._size, how=self._resize)
        if self._objectness is None:
            return seen
        return {"pictures": seen, "objectness": u2net.to_map(self._objectness(np.asarray(picture)))}

    def prepare(self, name: str, picture: PictureLike, see: See | None = None) -> Prepared:
        """Prepares one picture. A picture that cannot be used gets an error."""
        try:
            with opened_picture(picture) as opened:
                ignored = opened.info.get("profile_ignored", False)
                return Prepared(name, self.inputs(opened), None, ignored, None if see is None else see(opened))
        except BadPicture as error:
            return Prepared(name, None, str(error))
        except MemoryError:
            return Prepared(name, None, "too large for the available memory")

    def stream(
        self, items: Iterable[PictureLike], threads: int, ahead: int, see: See | None = None
    ) -> Generator[Prepared]:
        """Yields each picture `Prepared`, in order. Files and bytes are decoded in threads.

        Opened pictures and arrays are prepared as soon as they are taken, so the caller may then close or reuse them.

        Args:
            items: iterable of pictures.
            threads: number of decoding threads.
            ahead: maximum number of pictures taken before they are requested.
            see: called with each upright RGB picture, in the thread that decodes it; its result is kept with it.
        """
        waiting: collections.deque = collections.deque()
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            try:
                for number, picture in enumerate(items):
                    name = name_of(picture, number)
                    if isinstance(picture, (Image.Image, np.ndarray)):
                        waiting.append(_Done(self.prepare(name, picture, see)))
                    else:
                        waiting.append(pool.submit(self.prepare, name, picture, see))
                    if len(waiting) > ahead:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for one in waiting:
                    one.cancel()


def open_objectness(model: Ranker, path: str | os.PathLike | None) -> u2net.Network | None:
    """Opens the network that makes objectness maps. Returns None for a model that uses none.

    Args:
        model: the model that needs the maps.
        path: path of U2-Net-p's ONNX file; None for the file in an installed package.

    Raises:
        ValueError: the file is missing or damaged, or the model uses no objectness maps.
    """
    if model.fusion == "none":
        if path is not None:
            raise ValueError(
                f"got the objectness network {os.fspath(path)!r} for a model without objectness maps, expected none"
            )
        return None
    try:
        return u2net.open_network(path)
    except ValueError as error:
        raise ValueError(
            f"the model uses objectness maps (fusion={model.fusion!r}), which need the ONNX file of U2-Net-p: {error}"
        ) from error


def cores() -> int:
    """Number of cores that this process may use. Where that is unknown, as on macOS, all cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_picture(picture: PictureLike) -> Image.Image:
    """Decodes anything `PictureLike` to an upright RGB picture.

    Raises:
        BadPicture: the picture cannot be used. The message says why.
    """
    with opened_picture(picture) as opened:
        return opened


@contextlib.contextmanager
def opened_picture(picture: PictureLike) -> Iterator[Image.Image]:
    """Decodes anything `PictureLike` as `open_picture` does. The memory of a file counts until the context ends.

    Raises:
        BadPicture: see `open_picture`.
    """
    if isinstance(picture, (str, os.PathLike, bytes, Image.Image)):
        with pictures.decoded(picture) as opened:
            yield opened
    else:
        yield _of_array(picture)


def _of_array(picture):
    if hasattr(picture, "ndim"):
        picture = np.asarray(picture)
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
            raise BadPicture(f"got an array {list(picture.shape)} {picture.dtype}, expected [H, W, 3] uint8")
        return Image.fromarray(np.ascontiguousarray(picture))
    raise BadPicture(f"got {type(picture).__name__}, expected a path, bytes, an array [H, W, 3] uint8 or a PIL.Image")


def name_of(picture: PictureLike, number: int) -> str:
    """Names a picture: its path, or the file it was opened from, or "#" and its number, from 0."""
    if isinstance(picture, (str, os.PathLike)):
        return os.fsdecode(picture)
    return os.fsdecode(getattr(picture, "filename", "") or f"#{number}")


def as_iterable(picture_or_pictures: PictureLike | Iterable[PictureLike]) -> Iterable[PictureLike]:
    """Wraps one picture in a list and returns an iterable of pictures as it is.

    Raises:
        TypeError: the argument is neither. An open file is rejected too: it would iterate by lines.
    """
    given: Any = picture_or_pictures
    if isinstance(given, (bytearray, memoryview)):
        return [bytes(given)]
    if isinstance(given, (str, os.PathLike, bytes, Image.Image)) or getattr(given, "ndim", 0) in (2, 3):
        return [given]
    if isinstance(given, io.IOBase) or not isinstance(given, collections.abc.Iterable):
        raise TypeError(
            f"got {type(given).__name__}, expected a path, bytes, an array [H, W, 3] uint8, a PIL.Image, "
            "or an iterable of them"
        )
    return given


class Taken:
    """Iterates over `items`. An error ends the iteration and is stored, so that earlier items are finished first."""

    error: Exception | None

    def __init__(self, items: Iterable[PictureLike]) -> None:
        self._items, self.error = items, None

    def __iter__(self) -> Iterator[PictureLike]:
        try:
            yield from self._items
        except Exception as error:
            self.error = error


class _Done:
    """A `Future` whose result is known."""

    def __init__(self, value):
        self._value = value

    def result(self):
        return self._value

    def cancel(self):
        pass


def batches(stream: Generator[Prepared], most: int) -> Generator[list[Prepared]]:
    """Groups a stream into lists of up to `most` usable pictures and up to `4 * most` pictures in all."""
    with contextlib.closing(stream):
        group, usable = [], 0
        for one in stream:
            group.append(one)
            usable += one.error is None
            if usable == most or len(group) == 4 * most:
                yield group
                group, usable = [], 0
        if group:
            yield group
