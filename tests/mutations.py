"""Damaged pictures and tables, and a count of what becomes of thousands of them.

    python tests/mutations.py pictures 10000 --model=runs/quickstart    # builds a dataset of them, then scores them
    python tests/mutations.py tables 1000                               # builds a dataset from each

`test_mutations.py` runs a small fixed sample.
"""

import argparse
import collections
import contextlib
import csv
import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
# Numbers that lengths and sizes are made of.
EXTREMES = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\1", b"\x80\0\0\0")


def _encoded(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def pictures():
    """Return {name: content} of small whole pictures in all formats and many of their layouts."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    rng = np.random.default_rng(0)
    scene = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((96, 72), Image.Resampling.BICUBIC)
    page = scene.convert("1")
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    frames = {"save_all": True, "append_images": [scene.rotate(90)]}
    found = {
        "plain.jpg": _encoded(scene, "JPEG", quality=90),
        "progressive.jpg": _encoded(scene, "JPEG", progressive=True),
        "restart.jpg": _encoded(scene, "JPEG", restart_marker_rows=1),
        "cmyk.jpg": _encoded(scene.convert("CMYK"), "JPEG"),
        "exif.jpg": _encoded(scene, "JPEG", exif=exif),
        "two.mpo": _encoded(scene, "MPO", **frames),
        "plain.png": _encoded(scene, "PNG"),
        "palette.png": _encoded(scene.quantize(32), "PNG"),
        "alpha.png": _encoded(scene.convert("RGBA"), "PNG"),
        "exif.png": _encoded(scene, "PNG", exif=exif),
        "frames.png": _encoded(scene, "PNG", **frames),
        "frames.gif": _encoded(scene, "GIF", **frames),
        "lossy.webp": _encoded(scene, "WEBP"),
        "lossless.webp": _encoded(scene, "WEBP", lossless=True, exif=exif),
        "frames.webp": _encoded(scene, "WEBP", **frames),
        "plain.bmp": _encoded(scene, "BMP"),
        "plain.ppm": _encoded(scene, "PPM"),
        "plain.heic": _encoded(scene, "HEIF"),
        "plain.avif": _encoded(scene, "AVIF", speed=10),
    }
    for coding in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        found[f"{coding}.tif"] = _encoded(scene, "TIFF", compression=coding)
    for coding in ("group3", "group4", "tiff_ccitt"):
        found[f"{coding}.tif"] = _encoded(page, "TIFF", compression=coding)
    with contextlib.suppress(ImportError):
        import pillow_jxl  # noqa: F401

        found["plain.jxl"] = _encoded(scene, "JXL")
    return found


def tables():
    """Return {name: content} of small whole tables of every kind, of pictures 0.jpg to 3.jpg."""
    import pyarrow
    import pyarrow.parquet

    rows = [{"image": f"{number}.jpg", "likes": 10 * number + 1, "site": "ab"[number % 2]} for number in range(4)]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    plain = text.getvalue()
    parquet = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), parquet)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    found = {
        "commas.csv": plain.encode(),
        "semicolons.csv": plain.replace(",", ";").encode(),
        "tabs.tsv": plain.replace(",", "\t").encode("utf-16"),
        "lines.jsonl": lines.encode(),
        "list.json": json.dumps(rows).encode(),
        "table.parquet": parquet.getvalue(),
    }
    with contextlib.suppress(ImportError):
        import openpyxl

        book, buffer = openpyxl.Workbook(), io.BytesIO()
        for row in [list(rows[0]), *(list(row.values()) for row in rows)]:
            book.active.append(row)
        book.save(buffer)
        found["book.xlsx"] = buffer.getvalue()
    return found


def mutated(whole, number, others):
    """Damage a file in one of ten ways, by a number that decides everything."""
    rng = np.random.default_rng(number)
    data = bytearray(whole)
    at, length = int(rng.integers(len(data))), int(rng.integers(1, 40))
    match number % 10:
        case 0:
            del data[at:]
        case 1:
            # Cut off, and ended as a JPEG or a PNG should be.
            data[at:] = (b"\xff\xd9", b"\0\0\0\0IEND\xaeB`\x82")[number // 10 % 2]
        case 2:
            for place in rng.integers(len(data), size=length // 4 + 1):
                data[place] = rng.integers(256)
        case 3:
            data[at : at + 8 * length] = bytes(len(data[at : at + 8 * length]))
        case 4:
            data[rng.integers(min(len(data), 60))] = rng.integers(256)
        case 5:
            data[at:at] = rng.bytes(length)
        case 6:
            other = others[rng.integers(len(others))]
            data[at:] = other[int(rng.integers(len(other))) :]
        case 7:
            data[at : at + 4] = EXTREMES[rng.integers(len(EXTREMES))]
        case 8:
            data[at:at] = data[at : at + 50 * length] * int(rng.integers(1, 20))
        case 9:
            place = rng.integers(len(data))
            data[place] ^= 1 << rng.integers(8)
    return bytes(data)


def sample(files, count, first=0):
    """Yield (name, content) of damaged files, in turn of each kind."""
    contents = list(files.values())
    for number in range(first, first + count):
        name = list(files)[number // 10 % len(files)]
        yield f"{number}_{name}", mutated(files[name], number, contents)


def _watched(command, log):
    """Run a command; return its exit code, seconds, and the most memory of it and its workers together, in GB."""
    started, most = time.monotonic(), 0
    with open(log, "wb") as out, subprocess.Popen(command, stdout=out, stderr=out, cwd=ROOT) as process:
        done = threading.Event()

        def watch():
            nonlocal most
            while not done.wait(0.05):
                most = max(most, _memory(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = process.wait()
        done.set()
        watcher.join()
    return code, time.monotonic() - started, most / 1e9


def _memory(pid):
    """Return the bytes of a process and its children that only they use."""
    total = 0
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total = 1024 * int(line.split()[1])
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                total += _memory(int(child))
    return total


def _pictures(count, model):
    with tempfile.TemporaryDirectory() as folder:
        (photos := Path(folder) / "photos").mkdir()
        names = []
        for name, content in sample(pictures(), count):
            (photos / name).write_bytes(content)
            names.append(name)
        with open(table := Path(folder) / "photos.csv", "w", encoding="utf-8") as file:
            file.write("image,likes\n" + "".join(f"{name},{number}\n" for number, name in enumerate(names)))
        python = [sys.executable, "-m"]
        build = [*python, "data_prep", "build", "image_scores", f"--images={photos}", f"--csv={table}", "--score=likes"]
        build += ["--name=all", "--on-bad-image=skip", "--on_near_duplicate=keep", f"--data_dir={folder}/data"]
        code, seconds, memory = _watched(build, f"{folder}/build.log")
        report = json.loads(next(Path(folder, "data").rglob("build_report.json")).read_text())
        bad = {one["id"]: one["reason"] for one in report["bad_pictures"]}
        print(
            f"built: exit code {code}, {count - len(bad):,} pictures, {len(bad):,} refused, {seconds:.0f} s, ", end=""
        )
        print(f"{memory:.2f} GB at most")
        for reason, many in collections.Counter(_kind(reason) for reason in bad.values()).most_common():
            print(f"  {many:6,}  {reason}")
        if model:
            score = [*python, "lena_jax", "score", str(photos), f"--model={model}", "-o", f"{folder}/scores.csv"]
            code, seconds, memory = _watched(score, f"{folder}/score.log")
            with open(f"{folder}/scores.csv", newline="", encoding="utf-8") as file:
                errors = {Path(row["name"]).name for row in csv.DictReader(file) if row["error"]}
            print(f"scored: exit code {code}, {count - len(errors):,} pictures, {len(errors):,} refused, ", end="")
            print(f"{seconds:.0f} s, {memory:.2f} GB at most; {len(errors ^ set(bad)):,} are refused by one of the two")
        traces = [log for log in Path(folder).glob("*.log") if "Traceback" in log.read_text(errors="replace")]
        print(f"tracebacks: {len(traces)}")


def _kind(reason):
    """Leave out what differs from file to file."""
    return re.sub(r"\d[\d,.x]*", "N", reason)[:70]


def build_from(table, images, folder):
    """Build a dataset from a table; return (exit code, what was said)."""
    from data_prep import command

    said = io.StringIO()
    options = [f"--images={images}", f"--csv={table}", "--score=likes", "--name=one", f"--data_dir={folder}"]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = command.main(["build", "image_scores", *options, "--on-bad-image=skip", "--overwrite"])
        except SystemExit as error:
            code = error.code
    return code, said.getvalue()


def _tables(count):
    outcomes, slowest = collections.Counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        (images := Path(folder) / "images").mkdir()
        for number, content in enumerate(list(pictures().values())[:4]):
            (images / f"{number}.jpg").write_bytes(content)
        for name, content in sample(tables(), count):
            (table := Path(folder) / name).write_bytes(content)
            started = time.monotonic()
            try:
                code, said = build_from(table, images, f"{folder}/data")
                last = said.strip().rpartition("\n")[2]
                outcomes["built" if code == 0 else f"refused, exit code {code}"] += 1
                if code not in (0, 2) or (code and "error:" not in last) or len(last) > 2000:
                    print(f"{name}: exit code {code}: {last[:200]!r}")
            except Exception as error:
                outcomes["crashed"] += 1
                print(f"{name}: {type(error).__name__}: {error}")
            slowest = max(slowest, time.monotonic() - started)
            table.unlink()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{dict(outcomes)}; at most {slowest:.1f} s for one; {peak:.2f} GB at most")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["pictures", "tables"])
    parser.add_argument("count", type=int)
    parser.add_argument("--model", help="run or saved model that scores the pictures, too")
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    if arguments.kind == "pictures":
        _pictures(arguments.count, arguments.model and os.path.abspath(arguments.model))
    else:
        _tables(arguments.count)
