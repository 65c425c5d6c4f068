"""Write `report.html`, a self-contained page about a run."""

import os

from lena_jax.report import sections
from lena_jax.report.confident_pairs import most_confident_pairs
from lena_jax.report.curves import curves
from lena_jax.report.reading import read_measures, read_run
from lena_jax.runs import folder
from lena_jax.runtime import pages
from lena_jax.runtime.files import write_whole
from lena_jax.runtime.templates import render
from lena_jax.runtime.untrusted import damage_in


def write_report(workdir, data_dir=None):
    """Writes `workdir/report.html` from the files of the run, its best checkpoint and its pictures.

    Measures come from `metrics.json`, else from `validation_metrics.json`, if they are of the best checkpoint. If not,
    the validation pictures are scored here. What is unavailable is left out, or the page says why it is missing.

    Args:
        workdir: folder of the run.
        data_dir: where the dataset is now; None for where it was during training.

    Raises:
        ValueError: the folder holds no run.
    """
    with damage_in(f"a file of measures, of the log or of the times in {workdir!r}"):
        page = _page(read_run(workdir, data_dir), workdir)
    write_whole(os.path.join(workdir, folder.REPORT), lambda file: file.write(page))


def _page(run, workdir):
    measured = read_measures(run, workdir)
    title, subtitle = sections.heading(run)
    style = render(__package__, "report.css.j2")
    return render(
        __package__,
        "report.html.j2",
        style=style,
        policy=pages.policy(style),
        title=title,
        subtitle=subtitle,
        notices=sections.notices(run),
        measures=sections.measures(run, measured),
        curves=curves(run),
        supports=sections.supports(run, measured),
        pairs=most_confident_pairs(run, measured),
        facts=sections.facts(run),
        config=sections.config(run),
    )
