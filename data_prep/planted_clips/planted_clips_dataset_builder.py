"""The TFDS builder `planted_clips`: clips composed from scikit-image's photographs, with a known answer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from data_prep import build_report, film_strip
from data_prep.planted import planted_dataset_builder, score
from data_prep.planted_clips import clip
from data_prep.planted_clips.split_sizes import COUNTS

SIZE = 112
FRAMES = 8


class Builder(planted_dataset_builder.Builder, skip_registration=True):
    """Clips scored by objects that show in some of the frames, a veil and noise, all known.

    Args:
        **options: as in `planted`: `seed`, the number of clips in `train`, `validation` and `test`, `data_dir`, ...

    Raises:
        ValueError: as in `planted`.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}

    def __init__(self, **options: Any):
        super().__init__(**{**COUNTS, **options})

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features
        return self.dataset_info_from_configs(
            description=__doc__,
            features=features.FeaturesDict(
                {
                    "image": features.Image(
                        shape=(FRAMES * SIZE, SIZE, 3), encoding_format="jpeg", doc="frames one below the other"
                    ),
                    "frames": features.Scalar(np.int32, doc="of the clip"),
                    **planted_dataset_builder.known_answer("clips", "each frame"),
                    "boxes": features.Sequence(
                        {
                            "bbox": features.BBoxFeature(),
                            "kind": features.ClassLabel(names=score.KINDS),
                            "effect": features.Scalar(np.float32, doc="what the object's presence added to the score"),
                            "first": features.Scalar(np.int32, doc="first frame that shows it, from 0"),
                            "shown": features.Scalar(np.int32, doc="frames that show it"),
                        }
                    ),
                }
            ),
        )

    def finish(self, folder: Path) -> None:
        report = {"fingerprint": self.fingerprint(), "seed": self.seed, "frames": FRAMES, "counts": self.counts}
        build_report.write(folder, report)

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for index in range(self.counts[split]):
            made = clip.compose(self.seed, split, index, SIZE, FRAMES)
            key = f"{split}/{index:05d}"
            # A frame's height is a multiple of the block of a JPEG without subsampling: no frame bleeds into another.
            strip = film_strip.lay_out(made.frames)
            boxes = [
                {
                    "bbox": tfds.features.BBox(*item.bbox),
                    "kind": item.kind,
                    "effect": item.effect,
                    "first": item.first,
                    "shown": item.shown,
                }
                for item in made.objects
            ]
            yield (
                key,
                {
                    "image": planted_dataset_builder.encode(strip, "jpeg", quality=92, subsampling="4:4:4"),
                    "frames": FRAMES,
                    "id": key,
                    "score": made.score,
                    "group": "",
                    "signal": made.signal,
                    "veil_share": made.veil_share,
                    "boxes": boxes,
                },
            )
