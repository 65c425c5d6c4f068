"""The exactness of the poolings as users compile them: the other tests leave out what takes long to compile."""

import os
import subprocess
import sys
from pathlib import Path

EXACT = Path(__file__).with_name("test_pooling_exact.py")


def test_poolings_are_exact_with_all_optimizations():
    environment = os.environ | {"LENA_JAX_TESTS_AS_USERS_COMPILE": "1"}
    environment.pop("XLA_FLAGS")
    # Values, weights and NaN; random inputs with ties, infinities and subnormals in all dtypes.
    chosen = ["-k", "formula or closed_form or nan", str(EXACT)]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", *chosen]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "passed" in done.stdout, done.stdout + done.stderr
