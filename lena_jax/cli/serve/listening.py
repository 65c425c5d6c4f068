"""Listens on an address and serves a page, behind its gate and its door, until a signal ends it."""

import contextlib
import ipaddress
import secrets
import socket
import threading

from lena_jax.runtime import signals

# Seconds between looks at what is to be swept, and that the server gets for its end.
_LOOK, _END = 2, 5


def add_options(parser, port):
    """Adds --host, --port and --password to a command that serves a page, by default on a port of its own."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine only)"
    )
    parser.add_argument(
        "--port", type=int, default=port, help="port to listen on; 0: any free port (default: %(default)s)"
    )
    parser.add_argument(
        "--password",
        metavar="WORD",
        help="password that the page asks for (default: none on this machine alone, a new token with another --host). "
        "Other users of this machine can see it in the list of processes",
    )


def check_options(arguments):
    """Raises `ValueError` for a port that does not exist, or a password without a letter."""
    if not 0 <= arguments.port <= 65535:
        raise ValueError(f"got --port={arguments.port}, expected 0 to 65535")
    if arguments.password == "":
        raise ValueError("got an empty --password, expected a word")


def listen(host, port):
    """Opens a socket; port 0 is any free port. Raises `OSError` if the address is not available."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, OverflowError) as error:
        raise OSError(f"cannot listen on {host} port {port}: {getattr(error, 'strerror', None) or error}") from error


def run(gate_of, listening, host, password=None, sweep=lambda: None):
    """Says where the page is, and serves it until Ctrl-C, SIGTERM or SIGHUP.

    Args:
        gate_of: (host names that requests may carry or None for any, `Door`) -> the application behind its `Gate`.
        listening: socket, from `listen`.
        host: name or address to listen on, as the user gave it.
        password: what visitors have to know. None: nothing on this machine alone, and a new token elsewhere.
        sweep: called every few seconds, to delete what nobody needs.

    Raises:
        runtime.signals.Interrupted: the server was stopped.
    """
    import uvicorn

    from lena_jax.cli.serve.door import Door
    from lena_jax.cli.serve.patience import REQUESTS, Patience

    address, port = listening.getsockname()[:2]
    local = ipaddress.ip_address(address).is_loopback
    hosts = {"localhost", "127.0.0.1", "::1", host.lower(), address} if local else None
    shown = f"[{address}]" if ":" in address else address
    token = secrets.token_urlsafe(24) if password is None and not local else None
    query = f"?token={token}" if token else ""
    print(f"open  http://{shown}:{port}/{query}\nCtrl-C stops the server", flush=True)
    if not local:
        print("the connection has no encryption: who can listen to it sees all of it", flush=True)
    server = uvicorn.Server(
        uvicorn.Config(
            gate_of(hosts, Door(token or password, port)),
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
    _run(server, listening, sweep)


def _run(server, listening, sweep):
    """Runs the server in a thread: there it leaves the signals to the main thread."""
    ended = threading.Event()

    def sweeps():
        while not ended.wait(_LOOK):
            with contextlib.suppress(OSError):  # Such as a file that has just gone.
                sweep()

    running = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    sweeping = threading.Thread(target=sweeps, daemon=True)
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
