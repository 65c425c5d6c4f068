"""Fit a run's head and supports on a frozen backbone without steps: all pairs in one loss, solved.

The order of events: pool the cached feature maps at each start, choose start and ridge by inner validation, sort the
maps, choose how freely supports may move, learn them, solve the head, and save one checkpoint like any other.
"""

import math
import os

import jax
import jax.numpy as jnp
import numpy as np

from lena_jax.config import as_json
from lena_jax.models.batching import in_batches, on_devices
from lena_jax.models.shares import learns_shares
from lena_jax.models.siamese import deviation
from lena_jax.pooling.running_means import running_means
from lena_jax.pooling.support import parameter_from_eta
from lena_jax.runs import folder
from lena_jax.runtime import distributed
from lena_jax.train import exact_head, inner_validation, pair_matrix, supports
from lena_jax.train.padded_means import padded_means

_BATCH = 32
_SPARSE = (3, 10, 30)  # Ridges of a sparse penalty to try, as factors on the best even one.
_EDGE = 1e-4  # A sigmoid never reaches the shares 0 and 1.
_GATES = (0.0, 0.25, 0.5, 1.0)  # How far to close a learned gate, to try; 0 is no gate.
_MARGIN = 0.002  # Pair accuracy by which the whole map must be ahead of smaller supports to be the start.
_ALIGNMENT = 64  # Bytes; XLA's.
_SHUT = 20.0  # In float32, its sigmoid is 1.


def used(config, pictures):
    """Tell whether the head is solved: whether the config asks for it, and all pairs fit in memory at once."""
    return config.head.solver == "exact" and len(pictures) <= pair_matrix.MOST_PICTURES


def check(config):
    """Refuse a config whose head cannot be solved.

    Raises:
        ValueError: names the key, its value and what was expected.
    """
    head = config.head
    if head.solver not in ("steps", "exact"):
        raise ValueError(f"got head.solver {head.solver!r}, expected 'steps' or 'exact'")
    if head.solver == "steps":
        return
    if not config.backbone.frozen:
        raise ValueError("got head.solver 'exact' and backbone.frozen=False, expected a frozen backbone, or 'steps'")
    if not head.equal_spread:
        raise ValueError(
            "got head.solver 'exact' and head.equal_spread=False, expected True: one ridge for channels of different "
            "spread would favour some poolings and channels"
        )
    if not head.penalties or not set(head.penalties) <= set(supports.ROUNDS) or "even" not in head.penalties:
        raise ValueError(f"got head.penalties {tuple(head.penalties)}, expected 'even', alone or with 'sparse'")
    for key, least, most in (("ridges", 0, np.inf), ("starts", 0, 1), ("freedoms", -1, np.inf)):
        values = head[key]
        if not values or not all(least < value < most or value == most == 1 for value in values):
            raise ValueError(f"got head.{key} {tuple(values)}, expected numbers between {max(least, 0)} and {most}")


class Fit:
    """The fit of one run.

    Args:
        plan: `Plan` of the run.
        inputs: `TrainingInputs` of a frozen backbone.
        variables: initial variables of the model.
        workdir: folder of the run; `inner_validation.json` is written there, and read again after an interruption.
        say: called with lines to show.
    """

    def __init__(self, plan, inputs, variables, workdir, say):
        self._plan, self._inputs, self._variables, self._say = plan, inputs, variables, say
        self._path = os.path.join(workdir, folder.INNER_VALIDATION)
        self._learns, self._sorted = learns_shares(plan.config), None
        self._pairs = jax.device_put(
            pair_matrix.pair_matrix(plan.draw.pictures, plan.draw.min_gap, plan.draw.weighting)
        )

    def run(self, watch):
        """Fit; return the variables of the model. `watch(round, supports.Learned)` is called for every solution."""
        chosen = self._known() or self._choose()
        self._close(chosen.get("gate"))
        variables, learned = self._with_share(chosen["start"]), None
        if self._learns and chosen["freedom"]:
            learned = self._learn(self._pairs, chosen, watch)
            variables = self._with_sizes(np.asarray(learned.sizes))
        # Pool as evaluation does, at exactly these shares.
        features, mean, variance = supports.equal_spread(self._pooled(variables))
        if learned is None:
            learned = supports.learn(features, self._pairs, chosen["ridge"], chosen["penalty"], watch=watch)
        scaled = features * learned.scale[:, None]
        reduced = exact_head.reduce(scaled)
        solution = exact_head.solve(reduced, self._pairs, chosen["ridge"])
        kernel = exact_head.kernel_of(scaled, reduced, solution.weights) * learned.scale
        return self._with_head(variables, kernel, mean, variance)

    def accuracy(self, scores):
        """Return the accuracy on the training pairs."""
        return float(pair_matrix.accuracy(scores, self._pairs))

    def _learn(self, pairs, chosen, watch=lambda *_: None):
        """Learn supports and head on some of the pairs, from the start and at the ridge, penalty and freedom given."""
        price = supports.prices(self._table().means.shape[1], chosen["start"], chosen["freedom"])
        sizes, features = self._sizes(chosen["start"]), self._features(chosen["start"])
        return supports.learn(features, pairs, chosen["ridge"], chosen["penalty"], self._table(), sizes, price, watch)

    def _features(self, start):
        """Pool with all supports at the start, or with a pooling that has none: [C, n] at equal spread."""
        if start is None:
            return supports.equal_spread(self._pooled(self._variables))[0]
        return supports.features_at(self._table().means, self._sizes(start).astype(jnp.float32))

    def _sizes(self, start):
        channels, cells, _ = self._table().means.shape
        return jnp.full(channels, round(1 + start * (cells - 1)), jnp.int32)

    def _choose(self):
        """Choose start, ridge, freedom and gate by inner validation on the training pictures; write what was found."""
        head, train = self._plan.config.head, self._plan.pictures["train"]
        starts = list(head.starts) if self._learns else [None]
        parts = inner_validation.held_out_parts(train, self._pairs, self._plan.config.data.fold_seed)
        if not parts:
            if len(starts) * len(head.ridges) > 1:
                raise ValueError(
                    f"got {len(train)} training pictures, too few to hold some out and choose with them: choose "
                    "yourself with --config.head.ridges=1 --config.head.starts=0.5, or add pictures"
                )
            first = {"start": starts[0], "ridge": head.ridges[0], "penalty": head.penalties[0]}
            return first | {"freedom": head.freedoms[0], "gate": None, "tried": []}
        gate, gates = self._choose_gate(parts, starts)
        tried = []

        def best():
            return max(tried, key=lambda row: row["pair_accuracy"])

        # The start in the middle sees all ridges; the others see those next to its best.
        kept = {}
        for start in sorted(starts, key=lambda start: abs((start or 0) - 0.5)):
            self._say(f"inner validation: {'supports from ' + format(start, 'g') if start else 'ridge'}")
            kept[start] = self._features(start)
            ridges = _next_to(best()["ridge"], head.ridges) if tried else head.ridges
            for ridge, accuracy in inner_validation.ridge_path(kept[start], parts, ridges).items():
                tried.append(
                    {"start": start, "ridge": ridge, "penalty": "even", "freedom": 0.0, "pair_accuracy": accuracy}
                )
        if "sparse" in head.penalties:
            even = best()
            for factor in _SPARSE:
                row = even | {"penalty": "sparse", "ridge": factor * even["ridge"]}
                self._say(f"inner validation: a sparse penalty of {row['ridge']:g}")
                row["pair_accuracy"] = inner_validation.held_out_accuracy(
                    parts, lambda pairs, row=row: supports.learn(kept[row["start"]], pairs, row["ridge"], "sparse")
                )
                tried.append(row)
        if self._learns and any(head.freedoms):
            shared, learned = _inside(tried), []
            for freedom in filter(None, head.freedoms):
                self._say(f"inner validation: freedom {freedom:g} of supports")
                row = shared | {"freedom": freedom}
                row["pair_accuracy"] = inner_validation.held_out_accuracy(
                    parts, lambda pairs, row=row: self._learn(pairs, row)
                )
                learned.append(row)
            tried += learned
            allowed = tried if 0.0 in head.freedoms else learned
        else:
            allowed = tried
        chosen = {**max(allowed, key=lambda row: row["pair_accuracy"]), "gate": gate, "tried": tried, "gates": gates}
        # With shared supports, because to learn them for every share would take longer than the rest.
        ridge = max((row for row in tried if not row["freedom"]), key=lambda row: row["pair_accuracy"])["ridge"]
        chosen["learning_curve"] = inner_validation.learning_curve(kept[chosen["start"]], parts, ridge)
        if not distributed.index():
            folder.write_json(self._path, {"key": self._key(), **chosen})
        return chosen

    def _gates(self):
        return _GATES if self._plan.config.fusion == "learned_gate" else (None,)

    def _choose_gate(self, parts, starts):
        """Choose how far the gate closes, with shared supports in the middle; return it and what was tried."""
        gates, tried = self._gates(), []
        if len(gates) == 1:
            return gates[0], []
        for gate in gates:
            self._say(f"inner validation: a gate closed by {gate:g}")
            self._close(gate)
            features = self._features(min(starts, key=lambda start: abs((start or 0) - 0.5)))
            path = inner_validation.ridge_path(features, parts, self._plan.config.head.ridges)
            tried.append({"gate": gate, "pair_accuracy": max(path.values())})
        gate = max(tried, key=lambda row: row["pair_accuracy"])["gate"]
        self._close(gate)
        return gate, tried

    def _close(self, gate):
        """Close the gate that far, in [0, 1], and forget the maps behind another; None: there is no gate."""
        if gate is None:
            return
        logit = np.clip(np.log(max(gate, 1e-30)) - np.log(max(1 - gate, 1e-30)), -_SHUT, _SHUT).astype(np.float32)
        if logit != self._variables["params"]["gate"]:
            params = self._variables["params"] | {"gate": logit}
            self._variables, self._sorted = {**self._variables, "params": params}, None

    def _known(self):
        found = folder.read_inner_validation(os.path.dirname(self._path))
        return found if found and found.get("key") == self._key() else None

    def _key(self):
        return {"config": as_json(self._plan.config), "data": self._plan.fingerprint}

    def _rows(self, places=None):
        places = range(len(self._plan.pictures["train"])) if places is None else places
        for row in self._inputs.whole("train", np.asarray(places)):
            yield jax.tree.map(lambda leaf: leaf.astype(np.float32) if leaf.dtype.itemsize == 2 else leaf, row)

    def _pooled(self, variables):
        """Pool the training pictures as evaluation does: [C, n]."""
        pool = on_devices(self._plan.model.pooled, {**variables, "params": _without_backbone(variables)}, _BATCH)
        return jnp.asarray(np.concatenate(list(in_batches(pool, self._rows(), _BATCH)))).T

    def _table(self):
        """Sort the maps of the training pictures, once, and one batch at a time: the table itself is large enough."""
        if self._sorted is None:
            model, n = self._plan.model, len(self._plan.pictures["train"])
            fuse = on_devices(model.fused, {"params": _without_backbone(self._variables)}, _BATCH)
            means, start = None, 0
            for fused in in_batches(fuse, self._rows(), _BATCH):
                part = supports.evenly(self._means_of(fused, range(start, start + len(fused))))
                if means is None:
                    self._say(f"sorted maps: {4 * n * part[..., 0].size / 1e9:.1f} GB of memory")
                    _check_memory(4 * n * part[..., 0].size)
                    means = _aligned((*part.shape[:2], n))
                means[..., start : start + len(fused)] = part
                start += len(fused)
            self._sorted = supports.Table.of(means)
        return self._sorted

    def _means_of(self, fused, places):
        """Return the `running_means` of fused maps of the training pictures at these places."""
        config, channels = self._plan.config, fused.shape[-1]
        if self._plan.model.resize == "pad":
            inside = np.stack([row[..., -1] > 0.5 for row in self._rows(places)])
            return padded_means(fused.reshape(len(fused), -1, channels), inside.reshape(len(fused), -1))
        if fused.ndim == 5 and config.clip_pooling == "frame_mean":
            # The mean over frames of what each frame's support averages.
            frames = running_means(fused.reshape(len(fused) * fused.shape[1], -1, channels))
            return frames.reshape(*frames.shape[:2], len(fused), -1).mean(-1)
        return running_means(fused.reshape(len(fused), -1, channels))

    def _with_sizes(self, sizes):
        return self._with_share((sizes - 1) / max(self._table().means.shape[1] - 1, 1))

    def _with_share(self, share):
        """Return the variables with this share, a number or [C], in the supports; as they are if it is None."""
        if share is None:
            return self._variables
        kind = self._plan.config.pooling_options[self._plan.config.pooling].get("parameterization", "sigmoid")
        inside = np.clip(share, _EDGE, 1 - _EDGE) if kind == "sigmoid" else np.asarray(share)
        eta = np.vectorize(lambda one: parameter_from_eta(float(one), kind), otypes=[np.float32])(inside)
        old = self._variables["params"]["pooling"]["eta"]
        params = self._variables["params"] | {"pooling": {"eta": np.broadcast_to(eta, old.shape).copy()}}
        return {**self._variables, "params": params}

    def _with_head(self, variables, kernel, mean, variance):
        # The training pictures have a mean score of 0.
        bias = -jnp.vdot(kernel, mean / deviation(variance))
        head = {"kernel": np.asarray(kernel)[:, None], "bias": np.asarray(bias)[None]}
        return {
            **variables,
            "params": variables["params"] | {"head": head},
            "spread": {"spread": {"variance": np.asarray(variance)}},
        }


def _aligned(shape):
    """Return an empty float32 array that JAX takes over on CPU without a copy."""
    room = np.empty(math.prod(shape) + _ALIGNMENT // 4, np.float32)
    first = -room.ctypes.data % _ALIGNMENT // 4
    return room[first : first + math.prod(shape)].reshape(shape)


def _check_memory(needed):
    """Refuse sorted maps that do not fit in this machine's memory."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > 0.8 * there:
        raise ValueError(
            f"a solved head needs {needed / 1e9:.1f} GB of memory for sorted maps, this machine has "
            f"{there / 1e9:.1f} GB: use --config.head.solver=steps, a backbone with fewer cells or channels, or fewer "
            "pictures"
        )


def _without_backbone(variables):
    return {name: tree for name, tree in variables["params"].items() if name != "backbone"}


def _inside(tried):
    """Return the best row of those tried; one that starts from the whole map only where it is ahead by a margin.

    Supports that start from the whole map hardly leave it, and LENA is average pooling then. At nearly the same
    accuracy, supports that differ are worth more, because they say where in a picture its score comes from.
    """
    best = max(tried, key=lambda row: row["pair_accuracy"])
    smaller = max((row for row in tried if row["start"] < 1), key=lambda row: row["pair_accuracy"], default=best)
    return best if best["pair_accuracy"] > smaller["pair_accuracy"] + _MARGIN else smaller


def _next_to(ridge, ridges):
    """Return a ridge with its next stronger and weaker one."""
    ordered = sorted(ridges)
    place = ordered.index(ridge)
    return ordered[max(0, place - 1) : place + 2]
