"""A fixed sample of the changed files that `python tests/mutated_files.py` makes and counts."""

from pathlib import Path

import mutated_files
import pytest


@pytest.fixture(scope="module")
def base(run, tmp_path_factory):
    """A folder with the files to change."""
    folder = tmp_path_factory.mktemp("base")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(mutated_files.__file__).parent / "backbones"))
        mutated_files.prepare(run, folder)
    return folder


@pytest.mark.parametrize(
    "kind, count", [(".pth", 40), ("safetensors", 8), ("model.json", 6), ("run JSON", 4)], ids=lambda one: str(one)
)
def test_each_is_read_or_refused_in_a_line(base, kind, count):
    for seed in range(count):
        wrong, code, _ = mutated_files.attempt(kind, base, seed)
        assert wrong is None and code in (0, 1, 2), (seed, wrong)
