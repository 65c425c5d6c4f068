"""Check the layout rules on the source: rooms import only from lower floors, files are small, the root is short."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lena_jax"
# From the ground up. A room imports only rooms on lower floors.
FLOORS = (
    {"pooling", "runtime"},
    {"backbones", "config", "localization", "data"},
    {"models", "metrics"},
    {"runs"},
    {"train", "evaluation", "report", "scoring"},
    {"studies"},
    {"cli"},
)
FLOOR = {room: number for number, floor in enumerate(FLOORS) for room in floor}
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "_old_names" not in path.parts)


def room_of(path):
    """Return the room of a file; None for `lena_jax/__init__.py` and `lena_jax/__main__.py`."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return None if first.startswith("__") else first


def imported_rooms(path):
    """Yield (line, room) for each import of this package, anywhere in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module != "lena_jax" else [f"lena_jax.{alias.name}" for alias in node.names]
        for name in names:
            if name.startswith("lena_jax."):
                yield node.lineno, name.split(".")[1]


def test_every_room_has_a_floor_and_the_root_is_short():
    names = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if not path.name.startswith("_")}
    assert names - {"py.typed"} == set(FLOOR)
    assert len(FLOOR) <= 15


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_go_down(path):
    room = room_of(path)
    for line, other in imported_rooms(path):
        if room is not None and other != room:
            assert other in FLOOR, f"line {line}: {other} has no floor"
            assert FLOOR[other] < FLOOR[room], f"line {line}: {room} must not import {other}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_has_one_idea(path):
    assert path.read_text(encoding="utf-8").count("\n") <= 320


def test_nobody_imports_clients_or_tensorflow():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else []
            )
            for name in names:
                first = name.split(".")[0]
                assert first not in ("experiments", "tensorflow", "torch"), path
                # `lena-jax train` builds the dataset that it trains on.
                assert first != "data_prep" or room_of(path) == "cli", path


def test_the_tests_mirror_the_source():
    rooms = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and not path.name.startswith((".", "_"))}
    assert rooms - set(FLOOR) == {"data_prep", "experiments"}


# What was imported, the room that is said to be new, and an expression that is then true.
OLD = (
    ("from lena_jax.default_config import default_config", "lena_jax.config", "default_config().pooling == 'lena'"),
    ("from lena_jax import pictures", "lena_jax.data", "pictures is sys.modules['lena_jax.data.pictures']"),
    (
        "from lena_jax.video.reading import read_clip",
        "lena_jax.data.video",
        "read_clip.__module__ == 'lena_jax.data.video'",
    ),
    (
        "from lena_jax.scoring import save_model",
        "lena_jax.evaluation.export",
        "save_model.__module__ == 'lena_jax.evaluation.export'",
    ),
)
# One process for all: importing JAX takes longer than the rest.
IMPORTS = f"""
import sys, warnings
for statement, new, value in {OLD!r}:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(statement)
    assert {{one.category for one in caught}} == {{DeprecationWarning}}, (statement, [str(one) for one in caught])
    assert new in str(caught[0].message) and caught[0].filename == "<string>", caught[0]
    assert eval(value), value
"""


def test_old_imports_work_and_say_what_is_new():
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
