"""Compare backbones on one dataset: accuracy over folds and seeds, time and memory, as one table."""

import dataclasses
import json
import os
import re
import time

import jax
import ml_collections
import numpy as np

from lena_jax.backbones import get_backbone
from lena_jax.config import as_json
from lena_jax.models import ranker
from lena_jax.runs.folder import read_timing
from lena_jax.runtime.files import write_whole
from lena_jax.studies import repeated_runs
from lena_jax.studies.scalars import mean_interval, mean_measures
from lena_jax.studies.study import RUNS, run_missing

MEASURES = {"pair_accuracy": "pair accuracy", "spearman": "Spearman's rho"}
_BATCH = 8


@dataclasses.dataclass(frozen=True)
class Study:
    """What to compare.

    Attributes:
        config: config of every run, except for the backbone's name, endpoint and weights, folds and seed.
        backbones: "NAME", "NAME:ENDPOINT", and either with "@SOURCE" for its weights (see `parse_backbone`).
        folds: number of folds, >= 2; 0 for the dataset's own splits.
        seeds: number of seeds, counted from `config.seed`; at least 2 without folds.

    Raises:
        ValueError: if a backbone or endpoint is unknown, two have the same folder, or there are fewer than two runs of
            each.
    """

    config: ml_collections.ConfigDict
    backbones: tuple
    folds: int = 0
    seeds: int = 1

    def __post_init__(self):
        repeated_runs.check_numbers(self.folds, self.seeds)
        folders = [self.folder(backbone) for backbone in self.backbones]
        if not folders or len(set(folders)) < len(folders):
            raise ValueError(
                f"backbones must be at least one name, each only once, got {','.join(self.backbones) or 'none'}"
            )

    def folder(self, backbone):
        """Return the folder of a backbone's runs, relative to the study's."""
        name, endpoint, source = parse_backbone(backbone)
        return os.path.join(RUNS, re.sub(r"[^\w.-]+", "_", "_".join(filter(None, (name, endpoint, source)))))

    def config_of(self, backbone):
        """Return the config of the runs of a backbone, before folds and seeds."""
        config = ml_collections.ConfigDict(self.config.to_dict())
        config.backbone.name, config.backbone.endpoint, config.backbone.weights = parse_backbone(backbone)
        config.backbone.output_stride = 0
        return config

    def runs(self, backbone):
        """Return {(fold, seed): (folder, config)} for the runs of a backbone."""
        return {
            number: (os.path.join(self.folder(backbone), repeated_runs.name_of(number, self.folds, self.seeds)), one)
            for number, one in repeated_runs.configs_of(self.config_of(backbone), self.folds, self.seeds).items()
        }

    def configs(self):
        """Return {folder: config} of all runs."""
        return {folder: one for backbone in self.backbones for folder, one in self.runs(backbone).values()}

    def shared(self):
        """Return what all runs in a folder share, as JSON values. Backbones may be added later."""
        config = as_json(self.config)
        for key in ("name", "endpoint", "weights", "output_stride"):
            del config["backbone"][key]
        for key in ("folds", "fold"):
            del config["data"][key]
        return {"kind": "backbones", "config": config, "folds": self.folds, "seeds": self.seeds}


def parse_backbone(text):
    """Parse "NAME[:ENDPOINT][@SOURCE]" into name, endpoint and source, "" for what is left out.

    Raises:
        ValueError: if the backbone or its endpoint is unknown.

    Example:
        >>> from lena_jax.studies.backbones import parse_backbone
        >>> parse_backbone("dinov2_small:multilevel@hf:timm/vit_small_patch14_dinov2.lvd142m")
        ('dinov2_small', 'multilevel', 'hf:timm/vit_small_patch14_dinov2.lvd142m')
    """
    chosen, _, source = text.partition("@")
    name, _, endpoint = chosen.partition(":")
    endpoints = get_backbone(name).endpoints
    if endpoint and endpoint not in endpoints:
        raise ValueError(f"got endpoint {endpoint!r} of the backbone {name!r}, expected one of {endpoints}")
    return name, endpoint, source


def run(study, workdir, only=None):
    """Do the missing runs; once all are done, measure time and memory, and write `table.json` and `table.md`.

    Args:
        study: `Study`.
        workdir: folder of the study; the runs are in `workdir/cells`.
        only: index of the one run to do, for a cluster's job array; None for all.

    Returns:
        A list of rows (see `costs_of` for the costs): {"backbone", "runs", "mean": {measure: {"value", "low", "high"}},
        "seconds": mean training time of a run, "costs"}; None while runs are missing.

    Raises:
        ValueError: see `study.run_missing`.
    """
    results = run_missing(workdir, study.shared(), study.configs(), only)
    if results is None:
        return None
    rows = []
    for backbone in study.backbones:
        runs = study.runs(backbone)
        means = mean_measures(
            repeated_runs.parts_of({number: results[folder] for number, (folder, _) in runs.items()}, study.folds)
        )
        clocks = [read_timing(os.path.join(workdir, folder)) for folder, _ in runs.values()]
        seconds = None if None in clocks else mean_interval([[clock["seconds"]] for clock in clocks])["value"]
        rows.append(
            {
                "backbone": backbone,
                "runs": len(runs),
                "mean": {name: means[name] for name in MEASURES if name in means},
                "seconds": seconds,
                "costs": costs_of(study.config_of(backbone)),
            }
        )
    write_whole(os.path.join(workdir, "table.json"), lambda file: json.dump(rows, file, indent=2, allow_nan=False))
    write_whole(os.path.join(workdir, "table.md"), lambda file: file.write(markdown(rows) + "\n"))
    return rows


def costs_of(config, rounds=3):
    """Measure what a backbone costs on this machine, with random weights.

    Returns:
        {"parameters", "cells": of a picture, "channels", "cached": bytes of a picture's feature map in float16,
        "memory": bytes that the forward pass of 8 pictures reserves besides weights and pictures, or None where the
        platform does not say, "seconds": of the forward pass for one picture, the best of `rounds` calls with 8}.
    """
    model = ranker.build(config)
    shapes = model.abstract_variables()
    variables = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.01, leaf.dtype), shapes)
    pictures = np.zeros((_BATCH, *model.image_shape), np.uint8)
    program = jax.jit(model.feature_map).lower(variables, pictures).compile()
    variables, pictures = jax.device_put((variables, pictures))
    taken = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        jax.block_until_ready(program(variables, pictures))
        taken.append(time.perf_counter() - start)
    _, height, width, channels = model.abstract_feature_map().shape
    memory = program.memory_analysis()
    return {
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]["backbone"])),
        "cells": height * width,
        "channels": channels,
        "cached": 2 * height * width * channels,
        "memory": None if memory is None else memory.temp_size_in_bytes + memory.output_size_in_bytes,
        "seconds": min(taken[1:]) / _BATCH,
    }


def markdown(rows):
    """Format the rows of `run` as a Markdown table."""
    lines = [
        ("backbone", *MEASURES.values(), "features, s/1,000 pictures", "training, s", "parameters", "cells x channels")
        + ("feature cache, MB/1,000", "memory of the forward pass, MB"),
    ]
    lines.append(("---",) + ("---:",) * (len(lines[0]) - 1))
    for row in rows:
        costs = row["costs"]
        lines.append(
            (
                f"`{row['backbone']}`",
                *(_interval(row["mean"].get(name)) for name in MEASURES),
                f"{1000 * costs['seconds']:.1f}",
                "-" if row["seconds"] is None else f"{row['seconds']:.0f}",
                f"{costs['parameters'] / 1e6:.1f} M",
                f"{costs['cells']} x {costs['channels']:,}",
                f"{costs['cached'] / 1e3:,.0f}",
                "-" if costs["memory"] is None else f"{costs['memory'] / 1e6:,.0f}",
            )
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _interval(mean):
    if mean is None or mean["value"] is None:
        return "undefined"
    between = "" if mean["low"] is None else f" ({mean['low']:.3f} to {mean['high']:.3f})"
    return f"{mean['value']:.3f}{between}"
