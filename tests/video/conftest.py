import pytest


@pytest.fixture(scope="module")
def run(tiny_trunks, scored_run):
    return scored_run
