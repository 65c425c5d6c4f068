import pytest


@pytest.fixture(scope="module")
def run(tiny_trunks, tmp_path_factory):
    """Folder of a small run on `scored_run.KINDS`, evaluated."""
    from scored_run import make_run

    return make_run(tmp_path_factory.mktemp("scored"))


@pytest.fixture(scope="module")
def scorer(run):
    from lena_jax.scoring import Scorer

    return Scorer.from_checkpoint(run)
