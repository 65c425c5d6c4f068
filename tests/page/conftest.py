import pytest


@pytest.fixture(scope="module")
def run(tiny_trunks, scored_run):
    return scored_run


@pytest.fixture(scope="module")
def photos(run):
    return run.parent / "photos"
