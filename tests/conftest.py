"""Strict session: two forced CPU devices, rank promotion raises, and (setup.cfg) every warning is an error."""

import os
import shutil
import tempfile

# Before the first import of jax, which reads them once.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
# What one test compiles another need not; pytest-xdist's workers and the commands that tests start inherit it.
_PROGRAMS = None
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _PROGRAMS = os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="lena-jax-tests-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"

import jax  # noqa: E402
import pytest  # noqa: E402
from config_files import load_config  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_unconfigure():
    if _PROGRAMS is not None:
        shutil.rmtree(_PROGRAMS, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def _forget_compiled_programs():
    """Property tests compile hundreds of shapes; kept for the whole session they would fill gigabytes."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def planted_dir(tmp_path_factory):
    """A data_dir with a small `planted` in it: 48 training, 16 validation and 24 test pictures."""
    from data_prep import command

    data_dir = tmp_path_factory.mktemp("data")
    sizes = ["--train=48", "--validation=16", "--test=24"]
    assert command.main(["build", "planted", f"--data_dir={data_dir}", *sizes]) == 0
    return data_dir


@pytest.fixture(scope="session")
def mapped_dir(planted_dir, tmp_path_factory):
    """A data_dir with a copy of that `planted`, and objectness maps of it: the red channels of its pictures."""
    import red_maps

    data_dir = tmp_path_factory.mktemp("mapped")
    shutil.copytree(planted_dir / "planted", data_dir / "planted")
    red_maps.add("planted", data_dir)
    return data_dir


@pytest.fixture
def small_config(planted_dir):
    """The quickstart on the small `planted`, at 64 px, for 12 steps."""
    config = load_config("quickstart")
    config.data.dir = str(planted_dir)
    config.image_size, config.steps, config.batch_size = 64, 12, 16
    config.log_every, config.eval_every = 5, 6
    return config


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """Runs of experiments/train.py in processes of their own, with the trunks and the config of tiny_trunk.py."""
    from forked_training import Trainings

    started = Trainings(tmp_path_factory.mktemp("trainings"))
    yield started
    started.close()


@pytest.fixture(scope="module")
def tiny_trunks():
    """The registry knows the tiny trunks; programs are compiled quickly rather than well."""
    import tiny_trunk

    from lena_jax import backbones

    with pytest.MonkeyPatch.context() as patch:
        for name, trunk in tiny_trunk.tiny_trunks().items():
            patch.setitem(backbones.BACKBONES, name, trunk)
        jax.config.update("jax_disable_most_optimizations", True)
        yield
        jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="session")
def scored_run(tmp_path_factory):
    """Folder of a small evaluated run on pictures of every kind of file (`scored_run.KINDS`), with the trunk "tiny"."""
    import scored_run
    import tiny_trunk

    from lena_jax import backbones

    with pytest.MonkeyPatch.context() as patch:
        for name, trunk in tiny_trunk.tiny_trunks().items():
            patch.setitem(backbones.BACKBONES, name, trunk)
        jax.config.update("jax_disable_most_optimizations", True)
        run = scored_run.make_run(tmp_path_factory.mktemp("scored"))
        jax.config.update("jax_disable_most_optimizations", False)
        return run


@pytest.fixture(scope="module")
def run(tiny_trunks, scored_run):
    """`scored_run`, with its trunk in the registry."""
    return scored_run


@pytest.fixture(scope="module")
def photos(scored_run):
    """The folder of its pictures."""
    return scored_run.parent / "photos"


@pytest.fixture(scope="session")
def trained(planted_dir, tmp_path_factory):
    """A finished run of `small_config`, and its losses."""
    from lena_jax.train.loop import train

    workdir = tmp_path_factory.mktemp("trained")
    config = small_config.__wrapped__(planted_dir)
    return workdir, train(config, str(workdir))
