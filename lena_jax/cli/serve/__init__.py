"""`lena-jax serve`: a page to drop pictures on."""

import dataclasses

from lena_jax.cli import models
from lena_jax.cli.serve.limits import Limits

DESCRIPTION = """\
Serves a page for the browser: drop pictures and see them ranked, with the parts that raise and lower their scores;
compare two; read what the model is. Only this machine can open it, unless --host says otherwise. Uploaded files are
deleted as soon as they are scored. Needs Gradio: pip install 'lena-jax[page]'.
"""

EXAMPLES = """\
examples:
  lena-jax serve --model=runs/mine
  lena-jax serve --model=models/mine --port=8000 --max_pictures=50
"""

_HELP = {
    "max_pictures": "ranked at a time",
    "max_megabytes": "of one picture",
    "max_video_megabytes": "of one video",
    "max_total_megabytes": "of all files on disk at a time",
    "max_waiting": "requests in the queue",
}


def add(commands, options):
    """Adds `serve` to the command line."""
    parser = commands.add_parser(
        "serve", help="a page to drop pictures on", description=DESCRIPTION, epilog=EXAMPLES, **options
    )
    models.add_model(parser)
    parser.add_argument("--host", default="127.0.0.1", help="to listen on (default: %(default)s, this machine only)")
    parser.add_argument("--port", type=int, default=7860, help="to listen on; 0: any (default: %(default)s)")
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
    """Returns 0 when it is ended."""
    if not 0 <= arguments.port <= 65535:
        raise ValueError(f"got --port={arguments.port}, expected 0 to 65535")
    limits = Limits(**{field.name: getattr(arguments, field.name) for field in dataclasses.fields(Limits)})
    with models.opened(arguments) as scorer:
        from lena_jax.cli.serve import about, server

        server.serve(scorer, about.text(arguments.model), limits, arguments.host, arguments.port)
    return 0
