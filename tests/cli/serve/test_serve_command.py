"""`lena-jax serve`: errors before anything is served."""

import sys

import pytest

from lena_jax.cli.main import main


def test_without_gradio_it_says_what_to_install(run, monkeypatch, capsys):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["serve", f"--model={run}", "--port=0"]) == 2
    assert "pip install 'lena-jax[page]'" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--max_pictures=0", "--max_megabytes=-1"])
def test_limits_that_allow_nothing(flag, capsys):
    assert main(["serve", "--model=gone", flag]) == 2
    assert f"got {flag}, expected at least 1" in capsys.readouterr().err
