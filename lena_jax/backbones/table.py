"""Make the table in docs/backbones.md from the records: `python -m lena_jax.backbones.table` prints it."""

from lena_jax.backbones.registry import BACKBONES

_HEADER = ("name", "endpoints, the first by default", "pixels per cell", "channels", "pretrained weights")


def backbones_table() -> str:
    """Return the table as Markdown, one row for each backbone.

    Pixels per cell and channels are those of the default endpoint.

    Example:
        >>> from lena_jax.backbones.table import backbones_table
        >>> backbones_table().splitlines()[8]
        "| `alexnet` | `conv5` | 16 | 256 | a file with torchvision's |"
    """
    rows = [_HEADER, ("---",) * len(_HEADER)]
    for record in BACKBONES.values():
        endpoints = ", ".join(f"`{endpoint}`" for endpoint in record.endpoints)
        rows.append((f"`{record.name}`", endpoints, str(record.stride), str(record.channels), record.weights))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    print(backbones_table())
