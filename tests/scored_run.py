"""Make pictures of every file type, and a small evaluated run on them, for the tests of scoring."""

import contextlib
import csv
import io
import json

import jax
import numpy as np
from PIL import Image

ORIENTATION = 0x0112


def scene(seed, size=(96, 72)):
    """Make a smooth coloured picture that depends on the seed. JPEG hardly changes it."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    return coarse.resize(size, Image.Resampling.BICUBIC)


def encode(picture, encoding, **options):
    file = io.BytesIO()
    picture.save(file, encoding, **options)
    return file.getvalue()


def rotated(number):
    """Make EXIF data with an orientation."""
    exif = Image.Exif()
    exif[ORIENTATION] = number
    return exif


def grey16(seed):
    x = np.linspace(0, 65535, 48) * np.random.default_rng(seed).uniform(0.2, 1)
    return Image.fromarray(np.tile(x, (40, 1)).astype(np.uint16))


def transparent(seed):
    picture = scene(seed).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return picture


def animated(seed, encoding):
    return encode(scene(seed), encoding, save_all=True, append_images=[scene(seed + 1000), scene(seed + 2000)])


# Kind -> (file name ending, seed -> content of the file).
KINDS = {
    "photo": ("jpg", lambda seed: encode(scene(seed, (200, 150)), "JPEG", quality=90)),
    "large": ("jpg", lambda seed: encode(scene(seed, (900, 700)), "JPEG", quality=80, progressive=True)),
    "upright": ("png", lambda seed: encode(scene(seed, (40, 120)), "PNG")),
    "small": ("png", lambda seed: encode(scene(seed, (7, 5)), "PNG")),
    "grey": ("jpg", lambda seed: encode(scene(seed).convert("L"), "JPEG", quality=60)),
    "cmyk": ("jpg", lambda seed: encode(scene(seed).convert("CMYK"), "JPEG", quality=85)),
    "turned": ("jpg", lambda seed: encode(scene(seed), "JPEG", quality=70, exif=rotated(2 + seed % 7))),
    "turned_png": ("png", lambda seed: encode(scene(seed), "PNG", exif=rotated(2 + seed % 7))),
    "stereo": ("mpo", lambda seed: encode(scene(seed), "MPO", save_all=True, append_images=[scene(seed + 1000)])),
    "sixteen": ("png", lambda seed: encode(grey16(seed), "PNG")),
    "palette": ("png", lambda seed: encode(scene(seed).quantize(32), "PNG")),
    "alpha": ("png", lambda seed: encode(transparent(seed), "PNG")),
    "gif": ("gif", lambda seed: animated(seed, "GIF")),
    "apng": ("png", lambda seed: animated(seed, "PNG")),
    "webp": ("webp", lambda seed: animated(seed, "WEBP")),
    "bmp": ("bmp", lambda seed: encode(scene(seed), "BMP")),
    "tiff": ("tif", lambda seed: encode(scene(seed), "TIFF", compression="tiff_lzw")),
}


def write_pictures(folder):
    """Write one picture of each kind for training and one for testing; return {split: paths}."""
    paths = {"train": [], "test": []}
    for split, first in (("train", 0), ("test", 100)):
        for number, (kind, (ending, make)) in enumerate(KINDS.items()):
            path = folder / f"{split}_{kind}.{ending}"
            path.write_bytes(make(first + number))
            paths[split].append(path)
    return paths


def make_run(folder, **change):
    """Build a dataset of `write_pictures` and evaluate a checkpoint with random variables on the backbone "tiny".

    Args:
        folder: folder in which to create `photos`, `photos.csv`, `data` and `run`.
        **change: changes of the config.

    Returns:
        The folder of the run.
    """
    from tiny_trunk import get_config

    from data_prep import command
    from lena_jax.data.splits import fingerprint, open_pictures
    from lena_jax.evaluation.evaluate import evaluate
    from lena_jax.models import ranker
    from lena_jax.runs import checkpoints

    (folder / "photos").mkdir()
    paths = write_pictures(folder / "photos")
    with open(folder / "photos.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "score", "split"])
        for split, files in paths.items():
            writer.writerows([path.name, number * 7 % 17, split] for number, path in enumerate(files))
    arguments = [f"--images={folder / 'photos'}", f"--csv={folder / 'photos.csv'}", "--score=score", "--split=split"]
    # Ramps of grey look like copies of each other.
    arguments.append("--on_near_duplicate=keep")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert command.main(["build", "image_scores", *arguments, f"--data_dir={folder / 'data'}"]) == 0
    config = get_config()
    config.data.name, config.data.dir, config.batch_size = "image_scores/photos", str(folder / "data"), 8
    config.update(change)
    model = ranker.build(config)
    variables = random_variables(model)
    manager = checkpoints.open_checkpoints(str(folder / "run"))
    data = fingerprint(open_pictures(config))
    checkpoints.save(
        manager,
        8,
        variables,
        {"step": np.zeros((), np.int32)},
        checkpoints.describe(config, model.preprocessing, data, []),
        0.5,
    )
    manager.close()
    evaluate(str(folder / "run"))
    return folder / "run"


def random_variables(model, seed=0):
    """Draw variables of a ranker that give pictures scores some tenths apart."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: rng.normal(0, 0.2, leaf.shape).astype(leaf.dtype), model.abstract_variables())


def evaluated_scores(run):
    """Read {file name: score} of the test pictures from the run's scores.csv."""
    with open(run / "scores.csv", newline="", encoding="utf-8") as file:
        return {row["id"]: float(row["predicted"]) for row in csv.DictReader(file)}


def description(folder):
    return json.loads((folder / "model.json").read_text())
