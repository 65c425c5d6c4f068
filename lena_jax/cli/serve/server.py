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
    """Serves the page; returns after Ctrl-C or a request to end, with the uploaded files gone.

    Args:
        scorer: `Scorer`.
        about: Markdown about the model.
        limits: `Limits`.
        host: name or address to listen on.
        port: to listen on; 0 for one that is free.

    Raises:
        ValueError: Gradio is not installed.
        OSError: the address cannot be had.
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
            print("getting the model ready ...", flush=True)
            page.warm_up(scorer)
            hosts = {"localhost", "127.0.0.1", "::1", host.lower(), address} if local else None
            shown = f"[{address}]" if ":" in address else address
            print(f"open  http://{shown}:{port}/\nCtrl-C ends it", flush=True)
            if not local:
                print(
                    f"warning: everyone who can reach {host} can use the page, without a password and unencrypted",
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
            # Uvicorn hands the signal on when it has ended; by itself this one would leave the files.
            with contextlib.suppress(KeyboardInterrupt), terminated_in_order():
                server.run(sockets=[listening])
    print("ended; the uploaded files are deleted", flush=True)


def _keep_to_itself(folder):
    """Settings of the libraries below, before they are imported: no call to anyone, no file anywhere else."""
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
    # Where parts of uploads are before they have a name.
    tempfile.tempdir = folder


def _listen(host, port):
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, OverflowError) as error:
        raise OSError(f"cannot listen on {host} port {port}: {getattr(error, 'strerror', None) or error}") from error
