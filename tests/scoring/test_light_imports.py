"""Scoring with a saved model imports what scoring needs, and nothing that training, evaluation or drawing needs."""

import os
import subprocess
import sys

import pytest
from config_files import REPOSITORY

from lena_jax.evaluation.export import save_model

HEAVY = ("tensorflow_datasets", "grain", "matplotlib", "tensorboardX", "optax", "orbax", "jinja2", "skimage", "scipy")
SCRIPT = """
import sys, tiny_trunk
from lena_jax import backbones
backbones.BACKBONES.update(tiny_trunk.tiny_trunks())
{call}
print("imported:", sorted(name for name in {heavy} if name in sys.modules))
"""


@pytest.fixture(scope="module")
def saved(run, tmp_path_factory):
    return save_model(run, tmp_path_factory.mktemp("saved") / "model")


def imported(call, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(call=call, heavy=HEAVY), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "tests")},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_the_command_and_the_class_import_only_what_they_need(saved, photos):
    command = "from lena_jax.cli.main import main\nassert main(['score', *sys.argv[1:]]) == 0"
    assert imported(command, photos / "test_photo.jpg", f"--model={saved}") == "imported: []"
    scorer = "from lena_jax.scoring import Scorer\nlist(Scorer.from_checkpoint(sys.argv[1]).score(sys.argv[2]))"
    assert imported(scorer, saved, photos / "test_photo.jpg") == "imported: []"


def test_explain_imports_matplotlib_when_it_draws(saved, photos, tmp_path):
    explain = "from lena_jax.scoring import Scorer\nScorer.from_checkpoint(sys.argv[1]).explain(sys.argv[2])"
    assert "matplotlib" not in imported(explain, saved, photos / "test_photo.jpg")
    command = "from lena_jax.cli.main import main\nassert main(['explain', *sys.argv[1:]]) == 0"
    arguments = photos / "test_photo.jpg", f"--model={saved}", f"--output={tmp_path / 'map.png'}"
    assert "matplotlib" in imported(command, *arguments)
