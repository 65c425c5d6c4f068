"""Measure whether two kinds of maps rank the cells of a picture alike."""

import numpy as np
import numpy.typing as npt
from scipy import stats

from lena_jax.metrics.resampling import bootstrap


def map_agreement(
    maps: npt.ArrayLike, others: npt.ArrayLike, resamples: int = 1000, seed: int = 0
) -> dict[str, float | None]:
    """Computes Spearman's rho over the cells of each picture: the mean over pictures with a 95 % bootstrap interval.

    Ranks need no common scale or zero. If `others` are occlusion maps, this measures whether covering the cells that
    `maps` call strong really changes the score most.

    Args:
        maps, others: [n, h, w], finite.
        resamples, seed: number of bootstrap resamples over pictures, and their seed.

    Returns:
        {"value", "low", "high", "pictures"}. A picture has no rho if one of its maps is constant; it is then left out.
        If all are left out, the first three are None.

    Raises:
        ValueError: the shapes differ or a cell is not finite.
    """
    maps, others = np.asarray(maps, np.float64), np.asarray(others, np.float64)
    if maps.shape != others.shape:
        raise ValueError(f"both kinds of maps must have the same shape, got {maps.shape} and {others.shape}")
    if not (np.isfinite(maps).all() and np.isfinite(others).all()):
        raise ValueError(
            "maps must be finite, got "
            f"{int((~np.isfinite(maps)).sum() + (~np.isfinite(others)).sum())} cells that are not"
        )
    values = np.array(
        [
            stats.spearmanr(one.ravel(), other.ravel()).statistic
            for one, other in zip(maps, others, strict=True)
            if np.ptp(one) > 0 and np.ptp(other) > 0
        ]
    )
    if not len(values):
        return {"value": None, "low": None, "high": None, "pictures": 0}
    interval = bootstrap(lambda index: {"rho": float(values[index].mean())}, len(values), resamples, seed)["rho"]
    return {**interval, "pictures": len(values)}
