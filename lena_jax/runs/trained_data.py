"""Whether the dataset that a run was trained on is still there, and still the same."""

from lena_jax.data import splits


class DatasetChanged(ValueError):
    """The dataset that a run was trained on is gone, or has been rebuilt since."""


def open_trained_pictures(workdir, config, fingerprint):
    """Opens the pictures that a run was trained on.

    Args:
        workdir: of the run, for what is said.
        config: of the run; its `data.dir` says where the dataset lies now.
        fingerprint: of the run.

    Returns:
        As of `splits.open_pictures`.

    Raises:
        DatasetChanged: if the dataset is not there, or has been rebuilt since.
    """
    try:
        parts = splits.open_pictures(config)
    except ValueError as error:
        raise DatasetChanged(str(error)) from error
    check_dataset(workdir, config, fingerprint, splits.fingerprint(parts))
    return parts


def check_dataset(workdir, config, trained_on, found):
    """Refuses a dataset that has been rebuilt since a run was trained.

    Args:
        workdir: of the run, for what is said.
        config: of the run.
        trained_on: fingerprint of the run.
        found: fingerprint of the dataset that is there now.

    Raises:
        DatasetChanged: if the fingerprints differ.
    """
    if trained_on != found:
        raise DatasetChanged(
            f"data set {config.data.name!r} in {config.data.dir!r} has been rebuilt since {workdir!r} "
            "was trained (other pictures, scores, splits or objectness maps). Use a new --workdir, or "
            f"delete {workdir!r}"
        )
