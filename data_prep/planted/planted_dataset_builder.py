"""The TFDS builder `planted`: pictures composed from scikit-image's photographs, with a known answer."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from data_prep import build_report
from data_prep.planted import scene, score
from data_prep.planted.options import COUNTS, DESIGNS
from data_prep.streaming import StreamingBuilder

SIZE = 128


class Builder(StreamingBuilder):
    """Pictures scored by objects (small support), a veil (large support) and noise, all known.

    Args:
        config: the design of the score, one of `options.DESIGNS`; see `score`. `sum` is stored as `planted`, another as
            `planted/DESIGN`.
        seed: seed of all randomness, >= 0; the same seed gives byte-identical records.
        train: number of pictures in the training split.
        validation: number of pictures in the validation split.
        test: number of pictures in the test split.
        **kwargs: `data_dir` and the other options of `tfds.core.DatasetBuilder`.

    Raises:
        ValueError: an unknown design, a negative seed, or a split with fewer than two pictures.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}

    def __init__(
        self,
        *,
        config: str | None = None,
        seed: int = 0,
        train: int = COUNTS["train"],
        validation: int = COUNTS["validation"],
        test: int = COUNTS["test"],
        **kwargs: Any,
    ):
        if seed < 0:
            raise ValueError(f"seed: got {seed}, expected a whole number >= 0")
        self.seed = seed
        self.counts = {"train": train, "validation": validation, "test": test}
        for split, count in self.counts.items():
            if count < 2:
                raise ValueError(f"{split}: got {count} pictures, expected at least 2 (one pair)")
        if config is not None and config not in DESIGNS:
            raise ValueError(f"config: got {config!r}, expected one of {', '.join(DESIGNS)}")
        self.design = config or "sum"
        super().__init__(config=None if self.design == "sum" else _config(self.design), **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features
        return self.dataset_info_from_configs(
            description=__doc__,
            features=features.FeaturesDict(
                {
                    "image": features.Image(shape=(SIZE, SIZE, 3), encoding_format="jpeg"),
                    **known_answer("pictures", "the picture"),
                    "mask": features.Image(
                        shape=(SIZE, SIZE, 1),
                        encoding_format="png",
                        doc="255 where the picture shows an object that raised the score, else 0",
                    ),
                    "boxes": features.Sequence(
                        {
                            "bbox": features.BBoxFeature(),
                            "kind": features.ClassLabel(names=score.KINDS),
                            "effect": features.Scalar(np.float32, doc="what the object's presence added to the score"),
                        }
                    ),
                }
            ),
        )

    def expected_counts(self) -> dict[str, int]:
        return dict(self.counts)

    def fingerprint(self) -> str:
        """Return all that the records depend on, in words; equal fingerprints mean equal records."""
        counts = ", ".join(f"{split} {count}" for split, count in self.counts.items())
        name = self.name if self.design == "sum" else f"{self.name}/{self.design}"
        return f"{name} {self.VERSION}, seed {self.seed}, {counts}"

    def finish(self, folder: Path) -> None:
        build_report.write(folder, {"fingerprint": self.fingerprint(), "seed": self.seed, "counts": self.counts})

    def _split_generators(self, dl_manager) -> dict[str, Iterator]:
        del dl_manager  # Nothing is downloaded.
        return {split: self._generate_examples(split) for split in scene.SPLITS}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for index in range(self.counts[split]):
            picture = scene.compose(self.seed, split, index, SIZE, self.design)
            key = f"{split}/{index:05d}"
            yield (
                key,
                {
                    "image": encode(picture.image, "jpeg", quality=92, subsampling="4:4:4"),
                    "id": key,
                    "score": picture.score,
                    "group": "",
                    "signal": picture.signal,
                    "veil_share": picture.veil_share,
                    "mask": encode(picture.mask.astype(np.uint8) * 255, "png"),
                    "boxes": [
                        {"bbox": tfds.features.BBox(*item.bbox), "kind": item.kind, "effect": item.effect}
                        for item in picture.objects
                    ],
                },
            )


def _config(design: str) -> tfds.core.BuilderConfig:
    return tfds.core.BuilderConfig(name=design, description=f"scores of the design {design}")


def known_answer(what: str, veiled: str) -> dict[str, Any]:
    """Return the features of the score and of what made it.

    Args:
        what: what the dataset consists of, such as "pictures".
        veiled: what the veil covers a share of, such as "the picture".
    """
    features = tfds.features
    return {
        "id": features.Text(doc="split and number, unique in the dataset"),
        "score": features.Scalar(np.float32, doc="signal plus noise"),
        "group": features.Text(doc=f"always empty: all {what} are comparable"),
        "signal": features.Scalar(np.float32, doc="the score before noise"),
        "veil_share": features.Scalar(np.float32, doc=f"share of {veiled} under the veil"),
    }


def encode(pixels: np.ndarray, encoding: str, **options: Any) -> bytes:
    """Return pixels as the bytes of a picture file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, encoding, **options)
    return buffer.getvalue()
