"""Serves the page until it is interrupted."""

import contextlib
import importlib.util
import ipaddress
import os
import socket
import sys
import tempfile

from lena_jax.cli.serve.uploads import Uploads
from lena_jax.runtime.signals import terminated_in_order


def serve(scorer, about, limits, host, port):
    """Serves the page until Ctrl-C or SIGTERM, then deletes the uploaded files and returns.

    Args:
        scorer: `Scorer`.
        about: Markdown about the model.
        limits: `Limits`.
        host: name or address to listen on.
        port: port to listen on; 0 for any free port.

    Raises:
        ValueError: Gradio is not installed.
        OSError: the address is not available.
    """
    if importlib.util.find_spec("gradio") is None:
        raise ValueError("the page needs Gradio: pip install 'lena-jax[page]'")
    with Uploads() as uploads:
        _keep_to_itself(uploads.folder)
        import fastapi
        import gradio as gr
        import uvicorn

        from lena_jax.cli.serve import app as page
        from lena_jax.cli.serve.gate import Gate

        listening = _listen(host, port)
        with listening:
            address, port = listening.getsockname()[:2]
            local = ipaddress.ip_address(address).is_loopback
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
            hosts = {"localhost", "127.0.0.1", "::1", host.lower(), address} if local else None
            shown = f"[{address}]" if ":" in address else address
            print(f"open  http://{shown}:{port}/\nCtrl-C stops the server", flush=True)
            if not local:
                print(
                    f"warning: anyone who can reach {host} can use the page; it has no password and no encryption",
                    file=sys.stderr,
                    flush=True,
                )
            server = uvicorn.Server(
                uvicorn.Config(
                    Gate(outer, uploads, limits, hosts),
                    log_level="critical",
                    access_log=False,
                    ws="none",
                    lifespan="on",
                    server_header=False,
                    limit_concurrency=100,
                    timeout_keep_alive=10,
                    timeout_graceful_shutdown=1,
                )
            )
            # Uvicorn raises the signal again after it has stopped. Without this block the files would stay.
            with contextlib.suppress(KeyboardInterrupt), terminated_in_order():
                server.run(sockets=[listening])
    print("stopped; the uploaded files are deleted", flush=True)


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


def _listen(host, port):
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, OverflowError) as error:
        raise OSError(f"cannot listen on {host} port {port}: {getattr(error, 'strerror', None) or error}") from error
