import pytest


@pytest.fixture(scope="module")
def run(tiny_trunks, scored_run):
    return scored_run


@pytest.fixture(scope="module")
def scorer(run):
    from lena_jax.scoring import Scorer

    return Scorer.from_checkpoint(run)
