"""Make small ICC profiles, for tests of colours."""

import struct

import numpy as np

# The corners of Display P3, and of sRGB in another order.
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_D65 = np.array([0.95047, 1.0, 1.08883])
_D50 = np.array([0.9642, 1.0, 0.8249])
_CONES = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def rgb_profile(primaries=P3, gamma=2.2):
    """Make a profile of three primaries (x, y) around D65 and a power law."""
    corners = np.array([(x / y, 1, (1 - x - y) / y) for x, y in primaries]).T
    columns = corners * np.linalg.solve(corners, _D65)
    adapted = np.linalg.solve(_CONES, np.diag((_CONES @ _D50) / (_CONES @ _D65)) @ _CONES @ columns)
    tags = {name + b"XYZ": _xyz(adapted[:, i]) for i, name in enumerate((b"r", b"g", b"b"))}
    return _profile(b"RGB ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(gamma)))


def grey_profile(gamma=1.0):
    """Make a profile of grey by a power law; 1 is light itself."""
    return _profile(b"GRAY", {b"kTRC": _curve(gamma)})


def _fixed(value):
    return struct.pack(">i", round(float(value) * 65536))


def _xyz(values):
    return b"XYZ " + bytes(4) + b"".join(map(_fixed, values))


def _curve(gamma):
    return b"curv" + bytes(4) + struct.pack(">IHH", 1, round(gamma * 256), 0)


def _profile(space, tags):
    text = b"desc" + bytes(4) + struct.pack(">I", 2) + b"t" + bytes(79)
    tags = {b"desc": text, b"wtpt": _xyz(_D50), **tags}
    place, index, content = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        index += name + struct.pack(">II", place + len(content), len(value))
        content += value
    kind = struct.pack(">III", place + len(content), 0, 0x02400000) + b"mntr" + space + b"XYZ "
    return kind + bytes(12) + b"acsp" + bytes(28) + b"".join(map(_fixed, _D50)) + bytes(48) + index + content
