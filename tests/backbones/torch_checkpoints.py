"""Checkpoints of PyTorch written by hand, honest and hostile ones, without PyTorch."""

import os
import pickle
import struct
import zipfile

import numpy as np

NUMBERS = np.arange(6, dtype=np.float32)


def plain(value):
    """The instructions that push a plain value."""
    return pickle.dumps(value, 2)[2:-1]


def tensor(key="0", count=6, offset=0, shape=(2, 3), strides=(3, 1), kind="FloatStorage"):
    storage = b"(" + plain("storage") + f"ctorch\n{kind}\n".encode() + plain(key) + plain("cpu") + plain(count) + b"tQ"
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + plain(offset)
        + plain(shape)
        + plain(strides)
        + plain(False)
        + b"}tR"
    )


def state_pickle(**tensors):
    items = b"".join(plain(name) + value for name, value in tensors.items())
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + items + b"u."


def write_zip(path, state, members=None, compression=zipfile.ZIP_STORED):
    members = {"x/data/0": NUMBERS.tobytes()} if members is None else members
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x/data.pkl", state)
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def write_legacy(path, state, keys=("0",), counts=(6,), missing_bytes=0):
    head = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True}]
    with path.open("wb") as file:
        for value in head:
            file.write(pickle.dumps(value, 2))
        file.write(state + pickle.dumps(list(keys), 2))
        for count in counts:
            file.write(struct.pack("<q", count) + NUMBERS.tobytes()[: NUMBERS.nbytes - missing_bytes])
    return path


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)
