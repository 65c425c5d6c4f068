"""`experiments/simulate_judge.py`: more choices rank better, and a model to start from helps."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]


def test_it_says_how_many_choices_a_ranking_takes(tmp_path):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=40)
    for name, column, values in (("truth", "score", scores), ("model", "predicted", scores + rng.normal(size=40))):
        with open(tmp_path / f"{name}.csv", "w", newline="") as file:
            rows = [[f"{number}.jpg", value] for number, value in enumerate(values)]
            csv.writer(file).writerows([["image" if name == "truth" else "id", column], *rows])
    command = [sys.executable, ROOT / "experiments" / "simulate_judge.py", f"--scores={tmp_path / 'truth.csv'}"]
    command += [f"--model={tmp_path / 'model.csv'}", "--noise=0.3", "--choices=300", "--seeds=2"]
    done = subprocess.run(command, text=True, capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    found = {
        line[:24].strip(): [float(rho) for rho in re.findall(r": (0\.\d+) \(", line)]
        for line in done.stdout.splitlines()
        if re.match("  (random|active)", line)
    }
    assert len(found) == 5 and all(first < last and last > 0.8 for first, last in found.values())
    assert found["active, from the model"][0] > found["active"][0]
    assert "bits an answer" in done.stdout and "the model alone: Spearman 0." in done.stdout
