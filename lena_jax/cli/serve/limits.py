"""Limits of the page, so that one visitor cannot exhaust the machine."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of requests.

    Attributes:
        max_pictures: number of pictures in one ranking.
        max_megabytes: size of one picture.
        max_video_megabytes: size of one video.
        max_total_megabytes: size of all visitors' files on disk at once.
        max_waiting: number of queued requests.

    Raises:
        ValueError: a limit is not positive.
    """

    max_pictures: int = 200
    max_megabytes: int = 20
    max_video_megabytes: int = 200
    max_total_megabytes: int = 500
    max_waiting: int = 8

    def __post_init__(self):
        for field in dataclasses.fields(self):
            if (value := getattr(self, field.name)) < 1:
                raise ValueError(f"got --{field.name}={value}, expected at least 1")
