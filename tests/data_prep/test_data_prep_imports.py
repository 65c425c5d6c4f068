"""What must not be imported stays out, and nothing is built on import."""

import os
import subprocess
import sys


def test_building_and_reading_never_import_tensorflow(tmp_path):
    # A TensorFlow that is installed and fails when somebody imports it.
    package = tmp_path / "path" / "tensorflow"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('TensorFlow was imported')\n")
    script = """
import sys
from data_prep.command import main
import data_prep.image_scores
assert main(["build", "planted", "--train=2", "--validation=2", "--test=2", "--data_dir", sys.argv[1]]) == 0
import tensorflow_datasets as tfds
print(tfds.builder("planted", data_dir=sys.argv[1]).as_data_source("test")[0]["image"].shape)
assert not any(name.split(".")[0] in ("experiments", "jax", "flax") for name in sys.modules)
"""
    path = os.pathsep.join([str(package.parent), *filter(None, sys.path)])
    command = [sys.executable, "-c", script, str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "(128, 128, 3)"


def test_help_answers_without_the_heavy_imports():
    script = """
import sys
from data_prep.command import DATASETS, main
for arguments in ([], ["list"], ["build"], *(["build", dataset.name] for dataset in DATASETS)):
    try:
        main([*arguments, "--help"])
    except SystemExit as end:
        assert end.code == 0
main(["list"])
heavy = {"tensorflow_datasets", "jax", "flax", "scipy", "matplotlib", "pyarrow", "tqdm", "absl"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "photos.csv" in done.stdout
