"""Serves the page until it is interrupted."""

import importlib.util
import os
import tempfile

from lena_jax.cli.serve.uploads import Uploads
from lena_jax.runtime import signals

# Seconds after which an uploaded file is deleted although a request has named it: it may wait in the queue, and a video
# ahead of it may take ten minutes.
_FORGOTTEN = 3600


def serve(scorer, about, limits, host, port, password=None):
    """Serves the page until Ctrl-C, SIGTERM or SIGHUP, and then deletes the uploaded files.

    Args:
        scorer: `Scorer`.
        about: Markdown about the model.
        limits: `Limits`.
        host: name or address to listen on.
        port: port to listen on; 0 for any free port.
        password: what visitors have to know. None: nothing on this machine alone, and a new token elsewhere.

    Raises:
        ValueError: Gradio is not installed.
        OSError: the address is not available.
        runtime.signals.Interrupted: the server was stopped.
    """
    if importlib.util.find_spec("gradio") is None:
        raise ValueError("the page needs Gradio: pip install 'lena-jax[page]'")
    with Uploads() as uploads:
        _keep_to_itself(uploads.folder)
        import fastapi
        import gradio as gr

        from lena_jax.cli.serve import app as page
        from lena_jax.cli.serve.gate import Gate
        from lena_jax.cli.serve.listening import listen, run

        listening = listen(host, port)
        with listening:
            address, port = listening.getsockname()[:2]
            undocumented = {"docs_url": None, "redoc_url": None, "openapi_url": None}
            outer = fastapi.FastAPI(**undocumented)
            gr.mount_gradio_app(
                outer,
                page.build(scorer, uploads, limits, about),
                "/",
                server_name=address,
                server_port=port,
                footer_links=[],
                run_history=False,
                allowed_paths=[],
                show_error=False,
                ssr_mode=False,
                pwa=False,
                enable_monitoring=False,
                mcp_server=False,
                theme=page.theme(),
                css=page.style(),
                app_kwargs=undocumented,
                max_file_size=max(limits.max_megabytes, limits.max_video_megabytes) * 1_000_000,
            )
            print("compiling the model ...", flush=True)
            page.warm_up(scorer)
            try:
                run(
                    lambda hosts, door: Gate(outer, uploads, limits, hosts, door),
                    listening,
                    host,
                    password,
                    lambda: uploads.sweep(_FORGOTTEN),
                )
            except signals.Interrupted as stop:
                raise type(stop)("the uploaded files are deleted") from None


def _keep_to_itself(folder):
    """Configures the libraries before they are imported: no network calls, no files outside the folder."""
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ |= {
        "GRADIO_TEMP_DIR": folder,
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_RUN_HISTORY": "False",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
    }
    # Uploads in progress are stored here too.
    tempfile.tempdir = folder
