"""Means of largest cells for pictures of different numbers of cells, as if all had the same number."""

import numpy as np


def padded_means(maps, inside):
    """Compute what `pooling.running_means` does where only some cells of each picture count.

    A support of N of M cells is a share of (N - 1) / (M - 1). In a picture of m cells that share is a support of
    1 + (N - 1) (m - 1) / (M - 1) cells, as LENA pools it.

    Args:
        maps: [n, M, C], floating point.
        inside: [n, M] bool, which cells count; at least one of each picture.

    Returns:
        [C, M, n] float32; [c, N - 1, i] is the pooled value of channel c of picture i for a support of N of M cells.

    Example:
        >>> maps = np.array([[3.0, 1.0, 2.0, 9.0]])[..., None]
        >>> padded_means(maps, np.array([[True, True, True, False]])).ravel().round(2)
        array([3.  , 2.6 , 2.29, 2.  ], dtype=float32)
    """
    n, cells, channels = maps.shape
    means = np.empty((channels, cells, n), np.float32)
    for picture in range(n):
        largest = -np.sort(-maps[picture][inside[picture]].T.astype(np.float32), axis=1)
        count = largest.shape[1]
        sizes = 1 + np.arange(cells) * (count - 1) / max(cells - 1, 1)
        whole = np.clip(np.floor(sizes).astype(int), 1, max(count - 1, 1))
        following = largest[:, np.minimum(whole, count - 1)]
        means[:, :, picture] = (np.cumsum(largest, 1)[:, whole - 1] + (sizes - whole) * following) / sizes
    return means
