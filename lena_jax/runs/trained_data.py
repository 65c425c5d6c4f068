"""Open the dataset of a run, and check that it has not changed since training."""

from lena_jax.data import splits


class DatasetChanged(ValueError):
    """The dataset that a run was trained on is gone, or has been rebuilt since."""


def open_trained_pictures(workdir, config, fingerprint):
    """Open the pictures that a run was trained on.

    Args:
        workdir: folder of the run, for the error message.
        config: config of the run; `data.dir` is where the dataset is now.
        fingerprint: fingerprint of the dataset when the run was trained.

    Returns:
        What `splits.open_pictures` returns.

    Raises:
        DatasetChanged: if the dataset is gone, or has been rebuilt since.
    """
    try:
        parts = splits.open_pictures(config)
    except ValueError as error:
        raise DatasetChanged(str(error)) from error
    check_dataset(workdir, config, fingerprint, splits.fingerprint(parts))
    return parts


def check_dataset(workdir, config, trained_on, found):
    """Refuse a dataset that has been rebuilt since a run was trained.

    Args:
        workdir: folder of the run, for the error message.
        config: config of the run.
        trained_on: fingerprint of the dataset when the run was trained.
        found: fingerprint of the dataset now.

    Raises:
        DatasetChanged: if the fingerprints differ.
    """
    if trained_on != found:
        raise DatasetChanged(
            f"dataset {config.data.name!r} in {config.data.dir!r} has been rebuilt since {workdir!r} "
            "was trained (other pictures, scores, splits or objectness maps). Use a new --workdir, or "
            f"delete {workdir!r}"
        )
