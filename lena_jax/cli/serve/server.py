"""Serves the page until it is interrupted."""

import contextlib
import importlib.util
import ipaddress
import os
import secrets
import socket
import tempfile
import threading

from lena_jax.cli.serve.uploads import Uploads
from lena_jax.runtime import signals

# Seconds between looks at the uploads, and after which a file is deleted although a request has named it: it may wait
# in the queue, and a video ahead of it may take ten minutes.
_LOOK, _FORGOTTEN = 2, 3600
# Seconds that the server gets for its end.
_END = 5


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
        import uvicorn

        from lena_jax.cli.serve import app as page
        from lena_jax.cli.serve.door import Door
        from lena_jax.cli.serve.gate import Gate
        from lena_jax.cli.serve.patience import REQUESTS, Patience

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
            token = secrets.token_urlsafe(24) if password is None and not local else None
            query = f"?token={token}" if token else ""
            print(f"open  http://{shown}:{port}/{query}\nCtrl-C stops the server", flush=True)
            if not local:
                print("the connection has no encryption: who can listen to it sees all of it", flush=True)
            server = uvicorn.Server(
                uvicorn.Config(
                    Gate(outer, uploads, limits, hosts, Door(token or password, port)),
                    http=Patience().protocol,
                    log_level="critical",
                    access_log=False,
                    ws="none",
                    lifespan="on",
                    server_header=False,
                    limit_concurrency=REQUESTS,
                    timeout_keep_alive=10,
                    timeout_graceful_shutdown=1,
                )
            )
            try:
                _run(server, listening, uploads)
            except signals.Interrupted as stop:
                raise type(stop)("the uploaded files are deleted") from None


def _run(server, listening, uploads):
    """Runs the server in a thread: there it leaves the signals to the main thread."""
    ended = threading.Event()

    def sweep():
        while not ended.wait(_LOOK):
            with contextlib.suppress(OSError):  # Such as a file that has just gone.
                uploads.sweep(_FORGOTTEN)

    running = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    sweeping = threading.Thread(target=sweep, daemon=True)
    for thread in (running, sweeping):
        thread.start()
    try:
        while running.is_alive():
            running.join(0.2)
            signals.check()
    finally:
        server.should_exit = True
        ended.set()
        running.join(_END)
        sweeping.join(_END)


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
