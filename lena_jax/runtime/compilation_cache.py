"""Compiled programs kept on disk, so that the second start of a command does not compile again."""

import hashlib
import os
import platform

import jax


def keep_compiled_programs():
    """Turns on JAX's persistent compilation cache in the user's cache folder, unless one is set already.

    The folder is `$XDG_CACHE_HOME/lena_jax/compiled` (`~/.cache/...`), with a part of its own for each kind of CPU:
    a program compiled for one may not run on another that shares the home folder. It may be deleted at any time. A
    folder set by `JAX_COMPILATION_CACHE_DIR` is left as it is, and an empty value turns the cache off.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    jax.config.update("jax_compilation_cache_dir", os.path.join(root, "lena_jax", "compiled", _kind_of_cpu()))
    # Less takes longer to look up than to compile.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def _kind_of_cpu():
    try:
        with open("/proc/cpuinfo") as file:
            flags = next(line for line in file if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):  # Not Linux.
        flags = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(flags.encode()).hexdigest()[:8]}"
