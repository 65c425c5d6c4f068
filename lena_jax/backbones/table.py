"""The backbones as tables: `python -m lena_jax.backbones list` prints one, docs/backbones.md has the other.

`python -m lena_jax.backbones.table` prints the table of the docs.
"""

from lena_jax.backbones.base import Backbone
from lena_jax.backbones.registry import BACKBONES

_PIXELS = 224
_HEADER = (
    "name",
    "endpoints, the first by default",
    "pixels per cell",
    "channels",
    "parameters",
    "pretrained weights",
)


def backbones_table() -> str:
    """Return the table of the docs as Markdown, one row for each backbone.

    Pixels per cell and channels are those of the default endpoint.

    Example:
        >>> from lena_jax.backbones.table import backbones_table
        >>> backbones_table().splitlines()[8]
        "| `alexnet` | `conv5` | 16 | 256 | 2.5 M | a file with torchvision's |"
    """
    rows = [_HEADER, ("---",) * len(_HEADER)]
    for record in BACKBONES.values():
        endpoints = ", ".join(f"`{endpoint}`" for endpoint in record.endpoints)
        rows.append(
            (
                f"`{record.name}`",
                endpoints,
                str(record.stride),
                str(record.channels),
                _millions(record),
                record.weights + (f", about {_megabytes(record)}" if record.download else ""),
            )
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def backbones_list() -> str:
    """Return a plain table of all backbones: parameters, grid at 224 px, stride, licence and size of the download.

    The sizes of downloads are computed from the number of parameters, except those of EfficientNet-Lite.

    Example:
        >>> from lena_jax.backbones.table import backbones_list
        >>> [line.split() for line in backbones_list().splitlines() if line.startswith("dinov2_small ")]
        [['dinov2_small', '22.1', 'M', '16x16', '14', 'apache-2.0', '88', 'MB']]
    """
    rows = [("name", "parameters", "at 224 px", "stride", "licence of the weights", "download")]
    for record in BACKBONES.values():
        cells = _PIXELS // record.stride
        # AlexNet does not pad, and loses a row and a column of cells.
        cells -= record.name == "alexnet"
        rows.append(
            (
                record.name,
                _millions(record),
                f"{cells}x{cells}",
                str(record.stride),
                record.licence or "a file of yours",
                _megabytes(record) if record.download else "-",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    # Names and licences to the left, numbers to the right.
    sides = "<>>><>"
    return "\n".join(
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)).rstrip()
        for row in rows
    )


def _millions(record: Backbone) -> str:
    return f"{record.parameters / 1e6:.1f} M"


def _megabytes(record: Backbone) -> str:
    return f"{record.download / 1e6:.0f} MB"


if __name__ == "__main__":
    print(backbones_table())
