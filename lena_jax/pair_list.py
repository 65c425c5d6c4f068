"""A list of pairs in a file, by the pictures' ids: what two evaluations compare when they compare the same pairs."""

import csv
import os

import numpy as np

HEADER = ["id_high", "id_low"]


def write(file, ids, pairs):
    """Writes pairs as CSV with the columns `id_high` and `id_low`.

    Args:
        file: open for text, with `newline=""`.
        ids: [n] of the pictures.
        pairs: [p, 2] indices; column 0 is the picture with the higher score.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(np.asarray(ids)[pairs])


def read(path, ids):
    """Reads pairs of known pictures.

    Args:
        path: of a file as `write` leaves it.
        ids: [n] of the pictures that the pairs may name.

    Returns:
        [p, 2] indices into `ids`, as in the file.

    Raises:
        ValueError: no such file or not such a file, a picture paired with itself, no pair at all, or ids that are
            not among `ids`: names the first and how many there are.
    """
    if not os.path.isfile(path):
        raise ValueError(f"no such file of pairs: {path}")
    index = {str(name): number for number, name in enumerate(ids)}
    pairs, unknown = [], {}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if header != HEADER:
                raise ValueError(f"{path}: got the header {','.join(header)!r}, expected {','.join(HEADER)!r}")
            for row in reader:
                if len(row) != 2 or row[0] == row[1]:
                    raise ValueError(f"{path}, line {reader.line_num}: got {','.join(row)!r}, expected two "
                                     "different ids")
                unknown.update((name, reader.line_num) for name in row if name not in index and name not in unknown)
                pairs.append([index.get(name, -1) for name in row])
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a CSV in UTF-8: {error}") from error
    if unknown:
        first, line = next(iter(unknown.items()))
        raise ValueError(f"{path}, line {line}: got the id {first!r}, which is none of the {len(index)} pictures "
                         f"evaluated; {len(unknown)} ids in the file are unknown, expected 0")
    if not pairs:
        raise ValueError(f"{path}: got no pair, expected at least one")
    return np.array(pairs, np.int64)
