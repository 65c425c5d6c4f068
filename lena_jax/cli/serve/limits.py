"""What the page takes at most, so that one visitor cannot fill the machine."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds of one request.

    Attributes:
        max_pictures: that are ranked at a time.
        max_megabytes: of one picture.
        max_video_megabytes: of one video.
        max_total_megabytes: of all files that lie on disk at a time, of all visitors.
        max_waiting: requests that wait for the one that is worked on.

    Raises:
        ValueError: one is not positive.
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
