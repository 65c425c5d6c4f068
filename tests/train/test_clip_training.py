"""Clips from the data set through training and evaluation to the command: shapes, sums, both poolings of clips."""

import json

import numpy as np
import pytest
import tiny_trunk

from lena_jax.data.splits import open_pictures
from lena_jax.data.transforms import Augmentation, resize
from lena_jax.evaluation.evaluate import evaluate
from lena_jax.evaluation.export import save_model
from lena_jax.models import ranker
from lena_jax.models.feature_cache import feature_cache
from lena_jax.models.predict import predict, predict_from_cache
from lena_jax.runs.load import load_ranker
from lena_jax.scoring import Scorer
from lena_jax.studies import study
from lena_jax.train.loop import train

pytestmark = pytest.mark.usefixtures("tiny_trunks")


@pytest.fixture(scope="module")
def clips_dir(tmp_path_factory):
    """A data_dir with a small `planted_clips`: 16 training, 4 validation and 6 test clips."""
    from data_prep import command

    folder = tmp_path_factory.mktemp("data")
    assert (
        command.main(["build", "planted_clips", f"--data_dir={folder}", "--train=16", "--validation=4", "--test=6"])
        == 0
    )
    return folder


@pytest.fixture
def config(clips_dir):
    config = tiny_trunk.get_config()
    config.data.name, config.data.dir = "planted_clips", str(clips_dir)
    config.backbone.frozen, config.batch_size, config.steps, config.eval_every = True, 8, 4, 2
    return config


@pytest.mark.parametrize("clip_pooling, cells_pooled", [("joint", 512), ("frame_mean", 64)])
def test_a_frozen_trunk_trains_on_clips(config, tmp_path, clip_pooling, cells_pooled):
    config.clip_pooling, config.augmentation.views = clip_pooling, 2
    losses = train(config, str(tmp_path))
    assert len(losses) == 4 and np.isfinite(losses).all()
    metrics = evaluate(str(tmp_path))
    assert metrics["clip_pooling"] == clip_pooling and metrics["eta"]["cells"] == cells_pooled
    assert (tmp_path / "maps.png").stat().st_size > 1000
    model, variables, stored, _, _ = load_ranker(str(tmp_path))
    assert model.network.clip_pooling == clip_pooling
    test = open_pictures(stored)["test"]
    scores, maps, virality = predict(model, variables, test)
    assert maps.shape == virality.shape == (6, 8, 8, 8)
    bias = float(variables["params"]["head"]["bias"][0])
    np.testing.assert_allclose(maps.sum((1, 2, 3)), scores - bias, atol=1e-4)
    # The cache holds the same maps as float16.
    cached = predict_from_cache(model, variables, test, cache_dir=str(tmp_path / "features"))
    np.testing.assert_allclose(cached[0], scores, atol=5e-3)
    assert cached[1].shape == maps.shape
    if clip_pooling == "frame_mean":
        scorer = Scorer(model, variables)
        stills = np.array([[one.score for one in scorer.score(test.picture(index))] for index in range(6)])
        np.testing.assert_allclose(stills.mean(1), scores, atol=1e-4)
    with pytest.raises(ValueError, match="check_maps=2 for clips"):
        evaluate(str(tmp_path), check_maps=2)


def test_views_of_the_cache_are_views_of_all_frames(config, tmp_path):
    model = ranker.build(config)
    variables = model.init(0, pretrained=False)
    pictures = open_pictures(config)["test"]
    maps = feature_cache(
        model,
        variables,
        pictures,
        views=2,
        augmentation=Augmentation(),
        seed=0,
        cache_dir=str(tmp_path),
        label="test",
        batch_size=16,
    )
    assert maps.shape == (2, 6, 8, 8, 8, 12)
    expected = model.feature_map(variables, resize(pictures.picture(3), 64))
    np.testing.assert_allclose(maps[0, 3], expected, atol=2e-3)
    rng = np.random.default_rng([0, 1, 3])
    expected = model.feature_map(variables, Augmentation().view(pictures.picture(3), 64, rng))
    np.testing.assert_allclose(maps[1, 3], expected, atol=2e-3)


@pytest.mark.parametrize("seed", range(4))
def test_all_frames_of_a_clip_have_one_view(seed):
    clip = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    view = Augmentation().view(clip, 16, np.random.default_rng(seed))
    for frame, seen in zip(clip, view, strict=True):
        np.testing.assert_array_equal(Augmentation().view(frame, 16, np.random.default_rng(seed)), seen)


def test_the_whole_network_trains_on_clips_too(config, tmp_path):
    config.backbone.frozen, config.backbone.batch_norm = False, "train"
    config.backbone.name, config.steps = "tiny_norm", 2
    assert np.isfinite(train(config, str(tmp_path))).all()


def test_clips_and_objectness_are_refused(config, tmp_path):
    config.fusion = "concat"
    with pytest.raises(ValueError, match="'concat' for 'planted_clips', a dataset of clips"):
        train(config, str(tmp_path / "run"))


def test_a_cell_of_a_study_and_a_saved_model_of_clips(config, tmp_path):
    study.run_one(config, str(tmp_path / "run"))
    stored = json.loads((save_model(str(tmp_path / "run"), tmp_path / "model") / "model.json").read_text())
    assert stored["network"]["clip_pooling"] == "joint" and stored["training_scores"]["pictures"] == 16


def test_a_video_has_the_score_of_its_place_in_the_data_set(config, tmp_path):
    """What is stored of a video, evaluated, and the file itself by `ClipScorer`: one number."""
    pytest.importorskip("av")
    import clips

    from data_prep import command
    from lena_jax.data.video import read_clip
    from lena_jax.scoring.clips import ClipScorer

    (tmp_path / "videos").mkdir()
    rng = np.random.default_rng(0)
    for number in range(8):
        frames = np.repeat(rng.integers(0, 256, (12, 12, 16, 3), dtype=np.uint8), 50, 1).repeat(50, 2)
        clips.write(tmp_path / "videos" / f"{number}.mkv", frames)
    rows = "".join(f"{number}.mkv,{number},{'test' if number % 2 else 'train'}\n" for number in range(8))
    (tmp_path / "v.csv").write_text(f"image,likes,split\n{rows}")
    assert (
        command.main(
            [
                "build",
                "image_scores",
                f"--images={tmp_path / 'videos'}",
                f"--csv={tmp_path / 'v.csv'}",
                "--score=likes",
                "--split=split",
                "--frames=4",
                f"--data_dir={tmp_path / 'data'}",
            ]
        )
        == 0
    )
    config.data.name, config.data.dir, config.batch_size = "image_scores/v", str(tmp_path / "data"), 4
    train(config, str(tmp_path / "run"))
    model, variables, stored, _, _ = load_ranker(str(tmp_path / "run"))
    test = open_pictures(stored)["test"]
    assert test.picture(0).shape == (4, 384, 512, 3)  # The longest side is 512.
    scores = predict(model, variables, test)[0]
    clip_scorer = ClipScorer(Scorer.from_checkpoint(tmp_path / "run"))
    found = [clip_scorer.score(read_clip(tmp_path / "videos" / name, 4).frames).score for name in test.ids]
    np.testing.assert_allclose(found, scores, atol=1e-5)
    assert np.ptp(scores) > 1e-3
