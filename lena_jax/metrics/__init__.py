"""Measures of rankings, of predicted probabilities, of two models compared, and of maps compared with masks."""

from lena_jax.metrics.agreement import map_agreement
from lena_jax.metrics.breakdown import accuracy_by_gap, accuracy_by_group
from lena_jax.metrics.calibration import calibration, calibration_metrics
from lena_jax.metrics.choices import choice_metrics, people_metrics, reference_of
from lena_jax.metrics.comparison import compare_models
from lena_jax.metrics.discounted_gain import ndcg, percentile_gains
from lena_jax.metrics.localization import (
    box_hits,
    localization_metrics,
    map_levels,
    mask_energy,
    max_box_accuracy,
    picture_localization,
    pixel_average_precision,
    pixel_counts,
    pointing_hit,
)
from lena_jax.metrics.multiple_tests import holm
from lena_jax.metrics.pair_auc import pair_auc, shown_pair_auc
from lena_jax.metrics.perturbation import insertion_deletion
from lena_jax.metrics.ranking import (
    MOST_PAIRS,
    group_correlation,
    pair_accuracy,
    pairs_to_compare,
    ranking_metrics,
)
from lena_jax.metrics.repeated_comparison import compare_trainings, paired_t
from lena_jax.metrics.resampling import CLUSTERS, Units, bootstrap
from lena_jax.metrics.sign_flips import sign_flip_test

__all__ = [
    "CLUSTERS",
    "MOST_PAIRS",
    "Units",
    "accuracy_by_gap",
    "accuracy_by_group",
    "bootstrap",
    "box_hits",
    "calibration",
    "calibration_metrics",
    "choice_metrics",
    "compare_models",
    "compare_trainings",
    "group_correlation",
    "holm",
    "insertion_deletion",
    "localization_metrics",
    "map_agreement",
    "map_levels",
    "mask_energy",
    "max_box_accuracy",
    "ndcg",
    "pair_accuracy",
    "pair_auc",
    "paired_t",
    "pairs_to_compare",
    "percentile_gains",
    "people_metrics",
    "picture_localization",
    "pixel_average_precision",
    "pixel_counts",
    "pointing_hit",
    "ranking_metrics",
    "reference_of",
    "shown_pair_auc",
    "sign_flip_test",
]
