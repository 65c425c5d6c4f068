"""The shares of its maps that a trained LENA averages."""

import numpy as np

from lena_jax import pooling


def learns_shares(config):
    """Whether the pooling learns eta, the share of each map to average."""
    record = pooling.POOLINGS.get(config.pooling)
    return record is not None and record.parameter == "eta"


def learned_shares(config, variables):
    """Return the learned eta of each pooled map, [C] in [0, 1]; None for poolings without one."""
    if not learns_shares(config):
        return None
    options = _share_options(config, "parameterization")
    return np.asarray(pooling.eta_from_parameter(variables["params"]["pooling"]["eta"], **options))


def eta_distribution(config, variables, cells):
    """Summarize the sizes of LENA's learned supports.

    Args:
        config: config of the run.
        variables: variables of the model.
        cells: number of cells of a feature map.

    Returns:
        Quantiles over channels of eta and of the support size N, and a histogram of eta; None for other poolings.
    """
    eta = learned_shares(config, variables)
    if eta is None:
        return None
    options = _share_options(config, "parameterization", "rounding")
    sizes = np.asarray(pooling.support_sizes(variables["params"]["pooling"]["eta"], cells, **options))
    quantiles = (5, 25, 50, 75, 95)
    counts, edges = np.histogram(eta, bins=20, range=(0, 1))
    return {
        "cells": cells,
        "share": {str(q): float(np.percentile(eta, q)) for q in quantiles},
        "support_size": {str(q): float(np.percentile(sizes, q)) for q in quantiles},
        "histogram": {"edges": edges.tolist(), "channels": counts.tolist()},
    }


def _share_options(config, *names):
    options = config.pooling_options.get(config.pooling, {})
    return {name: options[name] for name in names if name in options}
