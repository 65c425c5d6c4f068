"""Scores as a ranked table of plain text, and the list of what could not be read."""

from lena_jax.scoring.result_files import printable
from lena_jax.scoring.scorer import ahead


def table(results):
    """The ranked table: rank, score, percentile, the probability against the next picture, name.

    Args:
        results: list of `PictureScore`.

    Returns:
        Text; equal scores keep their order.
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
    """The results that have a score, the highest first; equal scores keep their order."""
    return sorted((one for one in results if one.error is None), key=lambda one: -one.score)


def unreadable(bad, count):
    """What could not be read and why, a line each.

    Args:
        bad: list of `PictureScore` with an error.
        count: of all pictures.

    Returns:
        Text; empty where there is nothing to say.
    """
    if not bad:
        return ""
    return "\n".join(
        [
            f"{len(bad):,} of {count:,} could not be read:",
            *(f"  {printable(one.name)}: {printable(one.error)}" for one in bad),
        ]
    )
