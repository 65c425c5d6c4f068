import pytest


@pytest.fixture(scope="module")
def scorer(run):
    from lena_jax.scoring import Scorer

    return Scorer.from_checkpoint(run)
