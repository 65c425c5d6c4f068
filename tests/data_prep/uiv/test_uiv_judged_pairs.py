import numpy as np

from data_prep import command
from lena_jax.data import dataset


def test_the_published_pairs_are_read_with_their_labels(few, images, published, tmp_path):
    data_dir = str(tmp_path / "data")
    arguments = ["build", "uiv", f"--images={images}", f"--manual_dir={published}", f"--data_dir={data_dir}"]
    assert command.main(arguments) == 0
    for split in ("train", "test"):
        pictures = dataset.load("uiv/pairs", data_dir, split)
        expected = [pair for pair in few.pairs if pair.split == split]
        assert len(pictures.pairs) == len(expected) and len(set(pictures.ids)) == len(pictures)
        assert {frozenset(pictures.ids[pair]) for pair in pictures.pairs} == {
            frozenset((pair.left, pair.right)) for pair in expected
        }
        # The published scores and the people agree.
        assert (np.diff(pictures.scores[pictures.pairs])[:, 0] <= 0).all()
