"""Draw batches of pictures and pairs with Grain. The seed and the step alone determine a batch."""

import concurrent.futures
import dataclasses
import math
from collections.abc import Callable

import grain
import numpy as np
from absl import flags

from lena_jax.data.dataset import ScoredPictures
from lena_jax.data.pairs import ComparablePairs, pairs_within
from lena_jax.data.transforms import resize


@dataclasses.dataclass(frozen=True)
class DrawBatch(grain.transforms.RandomMap):
    """Draw one batch: which pictures, and which pairs among them.

    If pictures have weights, the weight of a pair is the product of its pictures' weights, each divided by their mean.

    Attributes:
        pictures: the training pictures. If they come with pairs of their own, n/2 of those are drawn uniformly, with
            their soft labels and weights, and `mode`, `min_gap` and `weighting` have no effect.
        batch_size: pictures per batch, n.
        mode: "random": n/2 pairs drawn uniformly from all comparable pairs; "in_batch": n pictures and all n(n-1)/2
            pairs among them, with weight 0 if not comparable. The pictures are drawn uniformly. If there are groups,
            they come from as few groups as fill the batch; a group is drawn with probability proportional to its
            number of pairs.
        min_gap: least score difference of a pair.
        fetch: (indices [n], rng, share) -> network inputs of `indices[share]`. Its randomness depends on `indices` and
            `rng`, never on the share.
        weighting: "equal", or "gap": the weight of a pair is also multiplied by its score difference, divided by the
            scores' standard deviation.
        process, processes: index of this process and number of processes. Each fetches an equal share of the pictures,
            but draws the pairs of the whole batch.
    """

    pictures: ScoredPictures
    batch_size: int
    mode: str
    min_gap: float
    fetch: Callable
    weighting: str = "equal"
    process: int = 0
    processes: int = 1

    def __post_init__(self):
        if self.mode not in ("random", "in_batch"):
            raise ValueError(f"pairs.mode must be 'random' or 'in_batch', got {self.mode!r}")
        if self.batch_size < 2 or self.batch_size % 2:
            raise ValueError(f"batch_size counts pictures and must be even and at least 2, got {self.batch_size}")
        if self.batch_size % self.processes:
            raise ValueError(
                f"batch_size must be a multiple of the number of processes, got {self.batch_size} and {self.processes}"
            )
        if self.weighting not in ("equal", "gap"):
            raise ValueError(f"pairs.weighting must be 'equal' or 'gap', got {self.weighting!r}")
        self._check_and_set_weights()
        if self.pictures.pairs is not None:
            if not len(self.pictures.pairs):
                raise ValueError("the training pictures have no pairs, expected at least one")
            if self.pictures.judged is not None and not self.pictures.judged.weight.any():
                raise ValueError(
                    f"the {len(self.pictures.pairs)} pairs of the training pictures have no weight: all are ties, "
                    "expected at least one that tells"
                )
            return
        comparable = ComparablePairs(self.pictures.scores, self.pictures.groups, self.min_gap)
        if not len(comparable):
            raise ValueError(
                f"no two of the {len(self.pictures)} training pictures are comparable (same group, "
                f"different scores, min_gap={self.min_gap}), expected at least one pair"
            )
        object.__setattr__(self, "_comparable", comparable)
        object.__setattr__(self, "_groups", _groups_with_pairs(self.pictures.groups, comparable))

    def _check_and_set_weights(self):
        weights = np.ones(len(self.pictures)) if self.pictures.weights is None else self.pictures.weights
        if not (np.isfinite(weights).all() and weights.min() >= 0 and weights.max() > 0):
            raise ValueError(
                f"weights must be finite, at least 0 and not all 0, got {weights.min()} to {weights.max()}"
            )
        object.__setattr__(self, "_weights", (weights / weights.mean()).astype(np.float32))

    def random_map(self, step, rng):
        """Return {inputs, pairs [p, 2], label [p], weight [p], index [n]} for one step."""
        if self.pictures.pairs is not None:
            drawn = rng.integers(len(self.pictures.pairs), size=self.batch_size // 2)
            chosen = self.pictures.pairs[drawn]
            label = rng.integers(2, size=len(chosen)).astype(np.float32)
            index = np.where(label[:, None] == 1, chosen, chosen[:, ::-1]).ravel()
            pairs, weight = np.arange(self.batch_size).reshape(-1, 2), np.ones(len(label), np.float32)
            if (judged := self.pictures.judged) is not None:
                first = judged.label[drawn].astype(np.float32)
                label, weight = np.where(label == 1, first, 1 - first), judged.weight[drawn].astype(np.float32)
        elif self.mode == "random":
            chosen, label = self._comparable.draw(self.batch_size // 2, rng)
            index, weight = chosen.ravel(), np.ones(len(label), np.float32)
            pairs = np.arange(self.batch_size).reshape(-1, 2)
        else:
            index = self._draw_pictures(rng)
            groups = None if self.pictures.groups is None else self.pictures.groups[index]
            pairs, label, weight = pairs_within(self.pictures.scores[index], groups, self.min_gap)
            if not weight.any():
                # No drawn pair is comparable, so the batch would train nothing: put one comparable pair in.
                index[:2] = self._comparable.draw(1, rng)[0][0]
                groups = None if self.pictures.groups is None else self.pictures.groups[index]
                pairs, label, weight = pairs_within(self.pictures.scores[index], groups, self.min_gap)
        weight = weight * self._weights[index[pairs]].prod(-1)
        if self.weighting == "gap" and self.pictures.pairs is None:
            gap = np.abs(np.diff(self.pictures.scores[index[pairs]])[:, 0]) / np.std(self.pictures.scores)
            weight = (weight * gap).astype(np.float32)
        share = len(index) // self.processes
        mine = slice(self.process * share, (self.process + 1) * share)
        return {
            "inputs": self.fetch(index, rng, mine),
            "pairs": pairs.astype(np.int32),
            "label": label,
            "weight": weight,
            "index": index,
        }

    def _draw_pictures(self, rng):
        members, pairs = self._groups
        # Draw the groups without replacement, with probabilities proportional to their numbers of pairs.
        order = np.argsort(rng.exponential(size=len(members)) / pairs)
        drawn, missing = [], self.batch_size
        for group in order:
            drawn.append(rng.permutation(members[group])[:missing])
            missing -= len(drawn[-1])
            if not missing:
                break
        else:  # There are fewer pictures than a batch holds: repeat some.
            drawn.append(rng.choice(np.concatenate(members), missing))
        return np.concatenate(drawn)


def _groups_with_pairs(groups, comparable):
    """Return the members of each group that has comparable pairs, and its number of pairs."""
    if groups is None:
        return [np.arange(comparable.pictures)], np.array([len(comparable)])
    _, number = np.unique(groups, return_inverse=True)
    pairs = np.bincount(number, comparable.partners()).astype(np.int64)
    members = np.split(np.argsort(number, kind="stable"), np.cumsum(np.bincount(number))[:-1])
    return [index for index, count in zip(members, pairs, strict=True) if count], pairs[pairs > 0]


class SquarePictures:
    """Random views of pictures, cut from squares just large enough for the smallest crop at the network's resolution.

    Args:
        pictures: `ScoredPictures`.
        size: side of the network's input in pixels.
        augmentation: `Augmentation` that cuts the views.
        squares: [n, side, side, 3] of `pictures.source`, made by `make_squares`; None to decode pictures every time.
        how: how a picture becomes a square, see `transforms.resize`.
    """

    def __init__(self, pictures, size, augmentation, squares=None, how="squash"):
        self._pictures, self._size, self._augmentation, self._squares = pictures, size, augmentation, squares
        self._how = how
        self.side = square_side(size, augmentation)

    def __call__(self, indices, rng, share):
        """Draw one random view of each picture, [share, size, size, 3] uint8; serves as `DrawBatch.fetch`.

        For pictures with objectness maps, return {"pictures": the views, "objectness": [share, side, side] uint8}.
        Each map is cropped and flipped like its picture.
        """
        seeds = rng.integers(2**63, size=len(indices))[share]
        views = self._views(map(self._square, indices[share]), self._size, seeds)
        if self._pictures.objectness is None:
            return views
        maps = [self._pictures.objectness_map(index) for index in indices[share]]
        return {"pictures": views, "objectness": self._views(maps, len(maps[0]), seeds)}

    def _views(self, pictures, size, seeds):
        return np.stack(
            [
                self._augmentation.view(picture, size, np.random.default_rng(seed))
                for picture, seed in zip(pictures, seeds, strict=True)
            ]
        )

    def _square(self, index):
        if self._squares is None:
            return resize(self._pictures.picture(index), self.side, how=self._how)
        return self._squares[int(self._pictures.rows[index])]


def square_side(size, augmentation):
    """Return the side in pixels of the squares that crops are cut from."""
    return math.ceil(size / augmentation.crop)


def make_squares(source, side, block=64, how="squash"):
    """Decode all pictures of a source in threads; yield [block, side, side, 3] uint8, the last perhaps shorter.

    With `how` "pad" they have 4 channels, see `transforms.resize`.
    """
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for start in range(0, len(source), block):
            rows = range(start, min(start + block, len(source)))
            yield np.stack(list(pool.map(lambda row: resize(source[row]["image"], side, how=how), rows)))


def batches(draw, *, steps, seed, start=0, threads=2, workers=0):
    """Iterate over the batches of steps `start` to `steps - 1`; threads or worker processes prepare them ahead.

    A batch depends on the seed and its step alone. Training that resumes at a step therefore sees the same batches,
    with any number of threads or workers. The iterator has Grain's `get_state` and `set_state`; a state is valid for
    the same `start` and number of workers.

    Args:
        draw: `DrawBatch`. With workers it is pickled to each of them, including its `fetch`.
        steps: number of steps of the whole training.
        seed: seed of the batches.
        start: first step.
        threads: threads in this process, or in each worker.
        workers: worker processes, for pictures that take longer to decode than a training step; 0 for none. They are
            new Python processes, so a script needs its `if __name__ == "__main__"`, and absl flags must be parsed.

    Raises:
        ValueError: a negative number of workers, or workers before absl's flags are parsed.
    """
    if workers < 0:
        raise ValueError(f"workers must be at least 0, got {workers}")
    if workers and not flags.FLAGS.is_parsed():
        raise ValueError(
            f"got workers={workers} before absl's flags were parsed: run under absl.app.run, or call "
            "absl.flags.FLAGS.mark_as_parsed() first"
        )
    # Each step is seeded by its own number. Slicing does not change that number.
    dataset = grain.MapDataset.range(steps).seed(seed).random_map(draw)[start:]
    dataset = dataset.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads))
    if workers:
        dataset = dataset.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers))
    return iter(dataset)
