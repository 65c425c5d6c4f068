"""A hash of all that the records of a dataset depend on."""

import hashlib
import json
from typing import Any

from data_prep.image_scores import table


class Fingerprint:
    """A hash of rows and the content of their pictures, computed while the pictures are read anyway."""

    def __init__(self, version: str, content: table.Table, config: Any):
        self._hash = hashlib.sha256(f"image_scores {version} {json.dumps(content.others)}".encode())
        if config.frames is not None:
            self._hash.update(f"frames {config.frames}".encode())
        elif config.on_near_duplicate != "group":
            self._hash.update(f"near duplicates {config.on_near_duplicate}".encode())

    def add(self, row: table.Row, data: bytes | None) -> None:
        content = None if data is None else hashlib.sha256(data).hexdigest()
        values = [row.id, row.score, row.group, row.split, row.unit, row.weight, row.others, content]
        self._hash.update(json.dumps(values).encode())

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
