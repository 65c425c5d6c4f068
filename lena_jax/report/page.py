"""`report.html`: all that a run's folder says, on one page that needs nothing else."""

import base64
import hashlib
import os

from lena_jax.report import sections
from lena_jax.report.confident_pairs import most_confident_pairs
from lena_jax.report.reading import read_measures, read_run
from lena_jax.runs import folder
from lena_jax.runtime.files import write_whole
from lena_jax.runtime.templates import render


def write_report(workdir, data_dir=None):
    """Writes `workdir/report.html` from the other files of the run, its best checkpoint and its pictures.

    The measures are those of `metrics.json`, else of `validation_metrics.json`, where they are of the best checkpoint;
    else the validation pictures are scored here. What is not there is left out, or the page says why.

    Args:
        workdir: folder of the run.
        data_dir: where the dataset lies now; None for where it lay in training.

    Raises:
        ValueError: if the folder holds no run.
    """
    run = read_run(workdir, data_dir)
    measured = read_measures(run, workdir)
    title, subtitle = sections.heading(run)
    style = render(__package__, "report.css.j2")
    page = render(
        __package__,
        "report.html.j2",
        style=style,
        policy=_policy(style),
        title=title,
        subtitle=subtitle,
        notices=sections.notices(run),
        measures=sections.measures(run, measured),
        curves=sections.curves(run),
        supports=sections.supports(run, measured),
        pairs=most_confident_pairs(run, measured),
        facts=sections.facts(run),
        config=sections.config(run),
    )
    write_whole(os.path.join(workdir, folder.REPORT), lambda file: file.write(page))


def _policy(style):
    """The page's Content-Security-Policy: no scripts, and nothing that is not in the page."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
