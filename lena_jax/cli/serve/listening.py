"""Listens on an address and serves an application until it is interrupted."""

import contextlib
import ipaddress
import socket
import sys

from lena_jax.runtime.signals import terminated_in_order


def listen(host, port):
    """Opens a socket; port 0 is any free port. Raises `OSError` if the address is not available."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, OverflowError) as error:
        raise OSError(f"cannot listen on {host} port {port}: {getattr(error, 'strerror', None) or error}") from error


def hosts_of(listening, host):
    """Returns the host names that requests may carry, or None for any: a loopback address has its own names only."""
    address = listening.getsockname()[0]
    local = ipaddress.ip_address(address).is_loopback
    return {"localhost", "127.0.0.1", "::1", host.lower(), address} if local else None


def run(app, listening, host):
    """Says where the page is, and serves an ASGI application until Ctrl-C or SIGTERM."""
    import uvicorn

    address, port = listening.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    print(f"open  http://{shown}:{port}/\nCtrl-C stops the server", flush=True)
    if not ipaddress.ip_address(address).is_loopback:
        print(
            f"warning: anyone who can reach {host} can use the page; it has no password and no encryption",
            file=sys.stderr,
            flush=True,
        )
    server = uvicorn.Server(
        uvicorn.Config(
            app,
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
    # Uvicorn raises the signal again after it has stopped. Without this block files would stay, or a stack be printed.
    with contextlib.suppress(KeyboardInterrupt), terminated_in_order():
        server.run(sockets=[listening])
