import json

import numpy as np
import pytest

from lena_jax.runs import health
from lena_jax.train import loop
from lena_jax.train.loop import train


def rows(*losses, gradient=1.0):
    return [{"loss": loss, "gradient_norm": gradient} for loss in losses]


def test_a_number_that_is_not_finite_names_its_step_and_pictures():
    ids = [["a", "b"], ["c", "d"], ["e", "f"]]
    health.check_finite(rows(0.7, 0.6, 0.5), 11, ids, 10)
    with pytest.raises(FloatingPointError, match=r"the loss of step 12 is nan; its pictures are c, d\. .* step 10\."):
        health.check_finite(rows(0.7, np.nan, np.nan), 11, ids, 10)
    with pytest.raises(FloatingPointError, match=r"the gradient norm of step 11 is inf; its pictures are a, b\."):
        health.check_finite(rows(0.7, gradient=np.inf), 11, ids, 0)
    with pytest.raises(FloatingPointError, match=r"the loss and the gradient norm of step 3 is -inf"):
        health.check_finite(rows(-np.inf, gradient=np.nan), 3, ids, 0)


def test_a_loss_that_stands_still_for_five_evaluations_is_said():
    assert health.still_loss([0.6931] * 4) is None
    assert "within 0.001 of 0.6931 for 5 evaluations" in health.still_loss([0.6931] * 5)
    assert health.still_loss([0.6931, 0.6931, 0.692, 0.6931, 0.6931]) is None
    # What was before the last five counts no more; what moves within a thousandth counts as still.
    assert health.still_loss([0.9, 0.6931, 0.6934, 0.6939, 0.6935, 0.6932])
    assert health.still_loss([0.6931, 0.68, 0.66, 0.63, 0.6, 0.58]) is None


@pytest.mark.parametrize(
    "eta, said",
    [
        ([0.0, 0.001, 0.5], "0 (max pooling) in 67%"),
        ([1.0, 0.995, 0.5], "1 (average pooling) in 67%"),
        ([0.0, 0.0, 1.0, 1.0], None),
        ([0.1, 0.2, 0.9], None),
        ([0.01, 0.01, 0.01], None),
    ],
)
def test_supports_that_collapse_in_most_channels_are_said(eta, said):
    message = health.collapsed_supports(np.array(eta))
    assert message is None if said is None else said in message


def test_a_pooling_without_supports_has_none_that_collapse():
    assert health.collapsed_supports(None) is None


def test_training_says_it(tiny_trunks, planted_dir, tmp_path, monkeypatch, capsys):
    import tiny_trunk

    config = tiny_trunk.get_config()
    config.data.dir, config.steps, config.eval_every = str(planted_dir), 6, 1
    config.pooling_options.lena.init_share, config.optimizer.learning_rate = 0.001, 1e-9
    step_of = loop.make_train_step

    def make_broken(*args, **options):
        step, done = step_of(*args, **options), []

        def broken(*args):
            state, measures = step(*args)
            done.append(None)
            return state, measures | ({"loss": measures["loss"] * np.nan} if len(done) == 6 else {})

        return broken

    monkeypatch.setattr(loop, "make_train_step", make_broken)
    with pytest.raises(FloatingPointError, match="the loss of step 6 is nan; its pictures are .*, .* of step 5"):
        train(config, str(tmp_path))
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert max(row["step"] for row in rows) == 5
    said = capsys.readouterr()
    said = said.out + said.err
    assert "warning: step 5: eta is within 0.01 of 0 (max pooling) in 100% of the channels" in said
