"""Strict test session: two forced CPU devices; rank promotion and (setup.cfg) every warning is an error."""

import gc
import os
import shutil
import signal
import tempfile
from pathlib import Path

from forked_training import FAST

# Tracing makes so many objects that the search for cycles among all that live was a tenth of the tests' time.
gc.set_threshold(50_000, 10, 10)

# Set before the first import of jax, which reads these variables once.
_flags = [os.environ.get("XLA_FLAGS", ""), "--xla_force_host_platform_device_count=2"]
if "LENA_JAX_TESTS_AS_USERS_COMPILE" not in os.environ:
    _flags.append(FAST)
os.environ["XLA_FLAGS"] = " ".join(_flags)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
# Tests share compiled programs. The workers of pytest-xdist and commands that tests start inherit this variable.
_PROGRAMS = None
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _PROGRAMS = os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="lena-jax-tests-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.01"

import jax  # noqa: E402
import pytest  # noqa: E402
from config_files import small_quickstart  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")
# A shell starts what is in its background with Ctrl-C ignored, and so would the commands that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


# The files that take longest. `make test` gives the next file to the worker that is free: the last ones must be short.
LONGEST = (
    "train/test_interruptions.py",
    "train/test_several_processes.py",
    "backbones/test_backbone_features.py",
    "scoring/test_ray_engine.py",
    "train/test_loop.py",
    "studies/test_poolings.py",
    "backbones/test_transformers.py",
    "cli/test_train_command.py",
    "experiments/test_commands.py",
    "report/test_report_page.py",
    "backbones/test_torch_backbones.py",
    "cli/judge/test_judge_page.py",
    "cli/serve/test_page.py",
    "train/test_clip_training.py",
    "train/test_inputs.py",
    "evaluation/test_evaluate.py",
    "backbones/test_depthwise_conv.py",
    "test_tour.py",
    "train/test_transformer_training.py",
    "train/test_exact.py",
    "backbones/test_backbone_registry.py",
    "experiments/test_configs.py",
    "studies/test_cross_dataset.py",
)


def pytest_collection_modifyitems(items):
    place = {Path(__file__).parent / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


def pytest_collection_finish():
    """Modules are no garbage: leave all that is imported out of the search."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure():
    if _PROGRAMS is not None:
        shutil.rmtree(_PROGRAMS, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def _forget_compiled_programs():
    """Drop compiled programs after each module: property tests compile hundreds of shapes, gigabytes in all."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def planted_dir(tmp_path_factory):
    """A data_dir with a small `planted`: 48 training, 16 validation and 24 test pictures."""
    from data_prep import command

    data_dir = tmp_path_factory.mktemp("data")
    sizes = ["--train=48", "--validation=16", "--test=24"]
    assert command.main(["build", "planted", f"--data_dir={data_dir}", *sizes]) == 0
    return data_dir


@pytest.fixture(scope="session")
def mapped_dir(planted_dir, tmp_path_factory):
    """A data_dir with a copy of that `planted` and objectness maps, which are the red channels of its pictures."""
    import red_maps

    data_dir = tmp_path_factory.mktemp("mapped")
    shutil.copytree(planted_dir / "planted", data_dir / "planted")
    red_maps.add("planted", data_dir)
    return data_dir


@pytest.fixture
def small_config(planted_dir):
    """The quickstart on the small `planted`, at 64 px, for 12 steps."""
    return small_quickstart(planted_dir)


@pytest.fixture(scope="session")
def trainings(tmp_path_factory):
    """Start experiments/train.py in separate processes, with the backbones and the config of tiny_trunk.py."""
    from forked_training import Trainings

    started = Trainings(tmp_path_factory.mktemp("trainings"))
    yield started
    started.close()


@pytest.fixture
def quickly_compiled():
    """Programs are compiled quickly rather than well."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="module")
def tiny_trunks():
    """Register the tiny backbones, and compile fast instead of well."""
    import tiny_trunk

    from lena_jax import backbones

    with pytest.MonkeyPatch.context() as patch:
        for name, backbone in tiny_trunk.tiny_trunks().items():
            patch.setitem(backbones.BACKBONES, name, backbone)
        jax.config.update("jax_disable_most_optimizations", True)
        yield
        jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="session")
def scored_run(tmp_path_factory):
    """Folder of a small evaluated run with the backbone "tiny" on pictures of every file type (`scored_run.KINDS`)."""
    import scored_run
    import tiny_trunk

    from lena_jax import backbones

    with pytest.MonkeyPatch.context() as patch:
        for name, backbone in tiny_trunk.tiny_trunks().items():
            patch.setitem(backbones.BACKBONES, name, backbone)
        jax.config.update("jax_disable_most_optimizations", True)
        run = scored_run.make_run(tmp_path_factory.mktemp("scored"))
        jax.config.update("jax_disable_most_optimizations", False)
        return run


@pytest.fixture(scope="module")
def run(tiny_trunks, scored_run):
    """The folder `scored_run`, with its backbone in the registry."""
    return scored_run


@pytest.fixture(scope="module")
def photos(scored_run):
    """The folder with the pictures of `scored_run`."""
    return scored_run.parent / "photos"


@pytest.fixture(scope="session")
def trained(planted_dir, tmp_path_factory):
    """A finished run of `small_config`, and its losses."""
    from lena_jax.train.loop import train

    workdir = tmp_path_factory.mktemp("trained")
    return workdir, train(small_quickstart(planted_dir), str(workdir))
