"""`lena-jax serve`: a web page to rank and compare pictures on."""

import dataclasses

from lena_jax.cli import models
from lena_jax.cli.serve import listening
from lena_jax.cli.serve.limits import Limits

DESCRIPTION = """\
Serves a web page. Drop pictures on it to see them ranked, with the regions that raise and lower their scores; compare
two pictures; score a video (needs PyAV); read about the model. Ctrl-C stops the server.

Only this machine can open the page unless --host says otherwise. The page then asks for a token, which is printed when
the server starts, or for the password of --password. Uploaded files are deleted as soon as they are scored.

Needs Gradio: pip install 'lena-jax[page]'
"""

EXAMPLES = """\
examples:
  lena-jax serve --model=runs/mine
  lena-jax serve --model=models/mine --port=8000 --max_pictures=50
"""

_HELP = {
    "max_pictures": "maximum number of pictures in one ranking",
    "max_megabytes": "maximum size of one picture, in MB",
    "max_video_megabytes": "maximum size of one video, in MB",
    "max_total_megabytes": "maximum size of all uploaded files on disk at once, in MB",
    "max_waiting": "maximum number of queued requests",
}


def add(commands, options):
    """Adds `serve` to the command line."""
    parser = commands.add_parser(
        "serve",
        help="serve a web page to rank and compare pictures on",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        **options,
    )
    models.add_model(parser)
    listening.add_options(parser, port=7860)
    for field in dataclasses.fields(Limits):
        parser.add_argument(
            f"--{field.name}",
            type=int,
            default=field.default,
            metavar="N",
            help=f"{_HELP[field.name]} (default: %(default)s)",
        )
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Serves the page until a signal ends it, which is raised."""
    listening.check_options(arguments)
    limits = Limits(**{field.name: getattr(arguments, field.name) for field in dataclasses.fields(Limits)})
    with models.opened(arguments) as scorer:
        from lena_jax.cli.serve import about, server

        server.serve(scorer, about.text(arguments.model), limits, arguments.host, arguments.port, arguments.password)
    return 0
