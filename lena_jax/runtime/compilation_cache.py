"""Keep compiled programs on disk, so that the second start of a command does not compile again."""

import hashlib
import os
import platform

import jax

from lena_jax.runtime.files import user_cache


def keep_compiled_programs():
    """Turn on JAX's persistent compilation cache in the user's cache folder, unless one is already set.

    The folder is `$XDG_CACHE_HOME/lena_jax/compiled` (`~/.cache/...`). It may be deleted at any time. Each kind of CPU
    has its own subfolder: a program compiled for one CPU may not run on another that shares the home folder. If
    `JAX_COMPILATION_CACHE_DIR` is set, nothing changes; an empty value turns the cache off.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    jax.config.update("jax_compilation_cache_dir", user_cache("compiled", _kind_of_cpu()))
    # Shorter compilations are faster than a lookup.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def _kind_of_cpu():
    try:
        with open("/proc/cpuinfo") as file:
            flags = next(line for line in file if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):  # Not Linux.
        flags = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(flags.encode()).hexdigest()[:8]}"
