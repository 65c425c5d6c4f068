"""Scores and maps of many pictures, in batches whose memory is bounded."""

import jax
import numpy as np
import pytest

from lena_jax.models import predict

PICTURES = np.random.default_rng(0).normal(size=(7, 2, 3, 4)).astype(np.float32)


class Pictures:
    time = ()

    def __len__(self):
        return len(PICTURES)


class Model:
    """The picture is its own feature map of 96 bytes."""

    def __init__(self):
        self.batches = set()

    def abstract_feature_map(self):
        return jax.ShapeDtypeStruct((1, *PICTURES.shape[1:]), np.float32)

    def whole(self, pictures, index):
        return PICTURES[index]

    def features(self, variables, batch):
        return batch

    def explain_features(self, variables, batch):
        self.batches.add(len(batch))
        return batch.sum((1, 2, 3)), batch.sum(3), batch.mean(3)


@pytest.mark.parametrize("most, batch", [(95, 1), (3 * 96, 3), (1 << 20, 4)])
def test_a_batch_is_no_larger_than_its_feature_maps_allow(monkeypatch, most, batch):
    monkeypatch.setattr(predict, "_MOST_BYTES", most)
    model = Model()
    scores, contributions, virality = predict.predict(model, {}, Pictures(), batch_size=4)
    assert model.batches == {batch}
    np.testing.assert_allclose(scores, PICTURES.sum((1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(contributions, PICTURES.sum(3), rtol=1e-5)
    np.testing.assert_allclose(virality, PICTURES.mean(3), rtol=1e-5)
