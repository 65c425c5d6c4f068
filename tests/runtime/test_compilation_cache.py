import os
import subprocess
import sys

PROGRAM = """
import jax, jax.numpy as jnp
from lena_jax.runtime.compilation_cache import keep_compiled_programs
keep_compiled_programs()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.jit(lambda x: jnp.sin(x) @ x)(jnp.ones((8, 8))).block_until_ready()
print(jax.config.jax_compilation_cache_dir)
"""


def run(folder, **environment):
    inherited = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    environment = {**inherited, "XDG_CACHE_HOME": str(folder), "JAX_PLATFORMS": "cpu", **environment}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True, timeout=120
    ).stdout.strip()


def test_programs_are_kept_in_the_users_cache_folder_and_found_again(tmp_path):
    folder = run(tmp_path)
    assert folder.startswith(str(tmp_path / "lena_jax/compiled"))
    kept = sorted(name for name in os.listdir(folder) if name.endswith("-cache"))
    assert kept
    times = [os.stat(os.path.join(folder, name)).st_mtime_ns for name in kept]
    assert run(tmp_path) == folder
    assert sorted(name for name in os.listdir(folder) if name.endswith("-cache")) == kept
    assert [
        os.stat(os.path.join(folder, name)).st_mtime_ns for name in kept
    ] == times  # The second run read them and wrote nothing.


def test_a_folder_that_is_set_is_left_alone(tmp_path):
    assert run(tmp_path, JAX_COMPILATION_CACHE_DIR=str(tmp_path / "mine")) == str(tmp_path / "mine")
    assert not (tmp_path / "lena_jax").exists()
