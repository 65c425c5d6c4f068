"""Files made to use up memory or time. `python tests/hostile_pictures.py` measures what reading each of them takes.

Another checkout is measured with `PYTHONPATH=OTHER python tests/hostile_pictures.py`.
"""

import io
import os
import resource
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from PIL import Image

# In pixels; its square is just below the most that is decoded.
LARGE = 9459


def encoded(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width, height, kind, channels, *chunks, interlaced=0):
    """Write a black PNG without keeping its pixels."""
    pack = zlib.compressobj(1)
    passes = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))
    lines = [(-(-(height - y) // dy), -(-(width - x) // dx)) for y, dy, x, dx in passes]
    packed = b""
    for rows, columns in lines if interlaced else [(height, width)]:
        packed += b"".join(pack.compress(bytes(1 + channels * columns)) for _ in range(rows))
    packed += pack.flush()
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, interlaced)), *chunks]
    parts += [(b"IDAT", packed), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part)) for name, part in parts
    )


def tiff(entries, body):
    """Write a TIFF whose table of (tag, kind, count, value) lies behind `body`, which starts at byte 8."""
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + struct.pack("<H", len(entries)) + table + bytes(4)


def tags_at_one_place(count=8000, size=500_000):
    side = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    side += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 3, 1, 8), (279, 4, 1, 64)]
    return tiff([*side, *((1000 + number, 7, size, 8) for number in range(count))], bytes(size))


def tags_in_exif_of_jpeg():
    data, exif = encoded(Image.new("RGB", (64, 64), (9, 99, 200)), "JPEG"), tags_at_one_place()
    parts = [b"Exif\0\0" + exif[at : at + 65_000] for at in range(0, len(exif), 65_000)]
    return data[:2] + b"".join(b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part for part in parts) + data[2:]


def tags_in_exif_of_png():
    return png(64, 64, 2, 3, (b"eXIf", tags_at_one_place()))


def tags_in_exif_of_webp():
    return encoded(Image.new("RGB", (64, 64)), "WEBP", exif=tags_at_one_place())


def tiles_at_one_place(count=50_000, side=1504):
    pixels = bytes(side * side)
    body = pixels + struct.pack("<I", 8) * count + struct.pack("<I", len(pixels)) * count
    first = 8 + len(pixels)
    entries = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    entries += [(322, 4, 1, side - 1), (323, 4, 1, side), (324, 4, count, first), (325, 4, count, first + 4 * count)]
    return tiff(entries, body)


def runs_of_a_bmp():
    palette, rows = b"".join(struct.pack("<BBBB", n, n, n, 0) for n in range(256)), b"\x01\x07\x00\x00" * 1500
    at = 54 + len(palette)
    head = struct.pack("<IHHIIiiHHIIiiII", at + len(rows), 0, 0, at, 40, 32_767, 1500, 1, 8, 1, len(rows), 0, 0, 256, 0)
    return b"BM" + head + palette + rows


def comments_of_a_gif():
    data = encoded(Image.new("P", (8, 8)), "GIF")
    start = 13 + (3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    return data[:start] + b"\x21\xfe" + b"\x01a" * 800_000 + b"\x00" + data[start:]


def comment_of_a_ppm():
    return b"P6\n#" + b"x" * 40_000_000 + b"\n8 8\n255\n" + bytes(192)


def scans_of_a_jpeg(scans=100):
    data = encoded(Image.new("RGB", (LARGE, LARGE)), "JPEG", quality=10, progressive=True, subsampling=0)
    at = data.rindex(b"\xff\xda")
    return data[:-2] + data[at:-2] * (scans - data.count(b"\xff\xda")) + data[-2:]


def large(kind, **options):
    return lambda: encoded(Image.new("RGB", (LARGE, LARGE), (9, 99, 200)), kind, **options)


FILES = {
    "TIFF, 8,000 tags at the same bytes": tags_at_one_place,
    "the same as Exif of a JPEG": tags_in_exif_of_jpeg,
    "the same as Exif of a PNG": tags_in_exif_of_png,
    "the same as Exif of a WebP": tags_in_exif_of_webp,
    "TIFF, 50,000 tiles at the same bytes": tiles_at_one_place,
    "BMP, runs of one pixel": runs_of_a_bmp,
    "GIF, a comment in blocks of one byte": comments_of_a_gif,
    "PPM, a comment of 40 MB": comment_of_a_ppm,
    "JPEG, 89 megapixels in 100 scans": scans_of_a_jpeg,
    "JPEG, 89 megapixels in 10 scans": lambda: scans_of_a_jpeg(10),
    "PNG with transparency, 89 megapixels": lambda: png(LARGE, LARGE, 6, 4),
    "interlaced PNG with transparency, 89 megapixels": lambda: png(LARGE, LARGE, 6, 4, interlaced=1),
    "WebP, 89 megapixels": large("WEBP", quality=1, method=0),
    "TIFF, 89 megapixels, LZW": large("TIFF", compression="tiff_lzw"),
}
READ = """
import sys
from lena_jax.data import pictures
try:
    pictures.stored_pixels(open(sys.argv[1], "rb").read())
    print("read")
except Exception as error:
    print(f"{type(error).__name__}: {error}")
"""


def _limit():
    resource.setrlimit(resource.RLIMIT_AS, (9 << 30, 9 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (90, 92))


def measure(data):
    """Return (seconds of processor time, GB of the process or its worker at its peak, what was said)."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        where = os.environ.get("PYTHONPATH", str(Path(__file__).resolve().parents[1]))
        with subprocess.Popen(
            [sys.executable, "-c", READ, file.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": where},
            cwd=where,
            preexec_fn=_limit,
            text=True,
        ) as process:
            said = process.stdout.read()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6, said.strip() or f"exit code {process.returncode}"


if __name__ == "__main__":
    print("| file | its size in MB | seconds of processor time | peak in GB | what was said |\n|---|---|---|---|---|")
    for name, make in FILES.items():
        content = make()
        seconds, peak, said = measure(content)
        print(f"| {name} | {len(content) / 1e6:.2f} | {seconds:.1f} | {peak:.2f} | {said} |", flush=True)
