"""LENA pooling of one map in float64 NumPy, written from the formulas."""

import numpy as np


def pool(z, n):
    """sum_i clip(n - (i - 1), 0, 1) * z_(i) / n; cells outside of the support do not enter."""
    z = -np.sort(-np.asarray(z, np.float64))
    mask = np.clip(n - np.arange(len(z)), 0, 1)
    with np.errstate(invalid="ignore"):
        return np.sum((z * mask / n)[mask > 0])


def weights(z, n):
    """1/n above the cell t of rank ceil(n); the rest of n shared equally by the cells that equal t."""
    z = np.asarray(z, np.float64)
    t = -np.sort(-z)[int(np.ceil(n)) - 1]
    above, level = z > t, z == t
    return np.where(above, 1 / n, 0) + np.where(level, (n - above.sum()) / (n * level.sum()), 0)


def each_map(function, x, n):
    """Applies `function(z, n)` to all maps of `x [A, M, K]` with `n [A, K]`; results stand along axis 1."""
    columns = [[function(x[a, :, k], n[a, k]) for k in range(x.shape[2])] for a in range(x.shape[0])]
    return np.moveaxis(np.array(columns), 1, -1)
