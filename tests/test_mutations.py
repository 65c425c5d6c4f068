"""A fixed sample of damaged pictures and tables: read alike in every way, or refused in one line."""

import io
from collections import Counter

import mutations
from PIL import Image

from lena_jax.data import pictures


def test_damaged_pictures_are_read_alike_for_a_dataset_and_for_scoring():
    outcomes = Counter()
    for name, content in mutations.sample(mutations.pictures(), 300, first=50_000):
        try:
            pixels = pictures.stored_pixels(content)
        except pictures.BadPicture as error:
            assert "\n" not in str(error).strip() and " at 0x" not in str(error), name
            pixels = None
        try:
            stored = pictures.decode(content)
            with Image.open(io.BytesIO(stored.data)) as opened:
                assert pixels is not None and opened.tobytes() == pixels.tobytes(), name
            outcomes["read"] += 1
        except pictures.BadPicture:
            assert pixels is None, name
            outcomes["refused"] += 1
    assert outcomes["read"] > 60 and outcomes["refused"] > 60, outcomes


def test_damaged_tables_are_built_or_refused_in_one_line(tmp_path):
    (images := tmp_path / "images").mkdir()
    for number in range(4):
        Image.new("RGB", (40, 40), (60 * number, 0, 0)).save(images / f"{number}.jpg")
    for name, content in mutations.tables().items():
        (tmp_path / name).write_bytes(content)
        assert mutations.build_from(tmp_path / name, images, tmp_path / "data")[0] == 0, name
    for name, content in mutations.sample(mutations.tables(), 40, first=1000):
        (tmp_path / name).write_bytes(content)
        code, said = mutations.build_from(tmp_path / name, images, tmp_path / "data")
        last = said.strip().rpartition("\n")[2]
        assert code in (0, 2) and (code == 0 or name in last), (name, said)
