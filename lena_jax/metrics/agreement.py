"""Whether two kinds of maps of the same pictures tell the same cells apart."""

import numpy as np
import numpy.typing as npt
from scipy import stats

from lena_jax.metrics.resampling import bootstrap


def map_agreement(
    maps: npt.ArrayLike, others: npt.ArrayLike, resamples: int = 1000, seed: int = 0
) -> dict[str, float | None]:
    """Spearman's rho over the cells of each picture, its mean over pictures and 95 % bootstrap interval.

    Ranks need no common scale or zero. With `others` an occlusion map this asks whether the cells that a map calls
    strong are those whose covering moves the score.

    Args:
        maps, others: [n, h, w], finite.
        resamples, seed: of the bootstrap over pictures.

    Returns:
        {"value", "low", "high", "pictures"}: pictures of which either map is flat have no rho and are left out; None
        for the first three if all are.

    Raises:
        ValueError: if the shapes differ or a cell is not finite.
    """
    maps, others = np.asarray(maps, np.float64), np.asarray(others, np.float64)
    if maps.shape != others.shape:
        raise ValueError(f"both kinds of maps must have one shape, got {maps.shape} and {others.shape}")
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
