"""Make the table in docs/pooling.md from the records: `python -m lena_jax.pooling.table` prints it."""

import dataclasses

from lena_jax.pooling.base import Pooling
from lena_jax.pooling.registry import POOLINGS, option_names

_HEADER = (
    "name",
    "title",
    "value of a map",
    "learned parameter",
    "options, `*` as `NAME:VALUE`",
    "weights sum to 1",
    "weights reproduce the value",
)


def poolings_table() -> str:
    """Return the table as Markdown, one row for each pooling.

    Options are those of the module beyond `axis`, `window`, `strides` and `padding`, which all poolings take.

    Example:
        >>> from lena_jax.pooling.table import poolings_table
        >>> poolings_table().splitlines()[5]
        '| `top_n` | top-N | mean of the `n` largest |  | `n`* | yes | yes |'
    """
    shared = {field.name for field in dataclasses.fields(Pooling)}
    rows = [_HEADER, ("---",) * len(_HEADER)]
    for record in POOLINGS.values():
        own = [name for name in option_names(record.module) if name not in shared]
        rows.append(
            (
                f"`{record.name}`",
                record.title,
                record.value,
                f"`{record.parameter}`" if record.parameter else "",
                ", ".join(f"`{name}`" + "*" * (name == record.main_option) for name in own),
                "yes" if record.module.sums_to_one else "no",
                "yes" if record.module.reproduces else "no",
            )
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    print(poolings_table())
