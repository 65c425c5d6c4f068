"""Read a built dataset of pairs (`uiv/pairs`, `ivgp/pairs`) as pictures and the pairs among them."""

import hashlib

import numpy as np
import tensorflow_datasets as tfds
from scipy import sparse

from lena_jax.data.record_files import Records
from lena_jax.data.units import kept_together

SIDES = ("left", "right")


class PairedPictures:
    """Random access to the single pictures of a dataset of pairs, each once.

    Args:
        sides: {"left": records in which only the left picture is decoded, "right": only the right one}.
        places: [n] of (side, number of the record): where each picture is.
    """

    def __init__(self, sides, places):
        self._sides, self._places = sides, places

    def __len__(self):
        return len(self._places)

    def __getitem__(self, index):
        side, number = self._places[index]
        record = self._sides[side][number]
        return {"image": record[side], "id": record[f"{side}_id"], "score": record[f"{side}_score"]}


def load(builder, split):
    """Open the pictures of a split and the pairs among them.

    Args:
        builder: a built TFDS dataset with the features `left`, `right`, `label`, `left_id`, `right_id`, `left_score`,
            `right_score` and optionally `group`.
        split: split in the notation of TFDS.

    Returns:
        A dict of the fields of `ScoredPictures`. Column 0 of `pairs` has the picture that the label puts higher.
        Pictures that pairs connect are one unit.

    Raises:
        ValueError: an id stands for two different pictures, or a label is neither 0 nor 1.
    """
    skip = tfds.decode.SkipDecoding()
    encoded = Records(builder, split, decoders={side: skip for side in SIDES})
    known, places, pairs, digest = {}, [], [], hashlib.sha256()
    for number, record in enumerate(encoded):
        pair = []
        for side in SIDES:
            name = record[f"{side}_id"].decode()
            content = hashlib.sha256(record[side])
            digest.update(content.digest())
            entry = {
                "row": len(places),
                "content": content.hexdigest(),
                "score": float(record[f"{side}_score"]),
                "group": record.get("group", b"").decode(),
            }
            if name not in known:
                known[name] = entry
                places.append((side, number))
            elif known[name]["content"] != entry["content"]:
                raise ValueError(f"pair {number} of {split!r}: the id {name!r} already stands for another picture")
            pair.append(known[name]["row"])
        if record["label"] not in (0, 1):
            raise ValueError(f"pair {number} of {split!r}: got the label {record['label']}, expected 0 or 1")
        pairs.append(pair if record["label"] == 1 else pair[::-1])
    pairs = np.array(pairs, np.int64).reshape(-1, 2)
    entries = list(known.values())
    graph = sparse.coo_array((np.ones(len(pairs), bool), pairs.T), shape=(len(entries), len(entries)))
    joined = sparse.csgraph.connected_components(graph, directed=False)[1]
    groups = np.array([entry["group"] for entry in entries])
    return {
        "ids": np.array(list(known)),
        "scores": np.array([entry["score"] for entry in entries]),
        "groups": groups if any(groups) else None,
        "rows": np.arange(len(entries)),
        "digest": digest.hexdigest(),
        "units": kept_together(np.array([entry["content"] for entry in entries]), joined.astype(str)),
        "pairs": pairs,
        "source": PairedPictures(
            {
                side: Records(builder, split, decoders={other: skip})
                for side, other in zip(SIDES, SIDES[::-1], strict=True)
            },
            places,
        ),
    }
