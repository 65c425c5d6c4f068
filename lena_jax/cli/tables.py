"""Plain-text tables: pictures ranked by score, and pictures that could not be read."""

from lena_jax.scoring.result_files import printable
from lena_jax.scoring.results import ahead


def table(results):
    """Formats the ranked table: rank, score, percentile, probability of being ahead of the next picture, name.

    Args:
        results: list of `PictureScore`.

    Returns:
        Text. Equal scores keep their order.
    """
    ranked = ranking(results)
    lines = [f"{'rank':>6}  {'score':>9}  {'percentile':>10}  {'ahead of next':>13}  name"]
    for place, one in enumerate(ranked):
        percentile = "-" if one.percentile is None else f"{one.percentile:.1f}"
        last = place + 1 == len(ranked)
        against = "-" if last else f"{ahead(one.score, ranked[place + 1].score):.3f}"
        lines.append(f"{place + 1:>6}  {one.score:>+9.4f}  {percentile:>10}  {against:>13}  {printable(one.name)}")
    return "\n".join(lines)


def ranking(results):
    """Sorts the results that have a score, highest first. Equal scores keep their order."""
    return sorted((one for one in results if one.error is None), key=lambda one: -one.score)


def unreadable(bad, count):
    """Lists the pictures that could not be read and why, one per line.

    Args:
        bad: list of `PictureScore` with an error.
        count: number of all pictures.

    Returns:
        Text, empty if `bad` is empty.
    """
    if not bad:
        return ""
    return "\n".join(
        [
            f"{len(bad):,} of {count:,} could not be read:",
            *(f"  {printable(one.name)}: {printable(one.error)}" for one in bad),
        ]
    )
