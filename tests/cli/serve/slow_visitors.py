"""Serve the page, let slow visitors hold on to it, and time a plain request of another one.

    python tests/cli/serve/slow_visitors.py --model=runs/mine --visitors=100

Run it from the repository's root, in the checkout to measure. By default (`--stall`), a third of the visitors send half
of their headers, a third promise an upload of 4 MB each and send nothing of it, and a third ask for the largest file of
the page and do not read it. They come at once, and stay. Prints the time of a plain request (the page's config) before
them, and in the seconds after they came, and how many were not answered with 200.
"""

import argparse
import http.client
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

LATE = 20.0
KINDS = ("headers", "upload", "answer")


def ask(port):
    """(seconds, status or error) of a plain request."""
    began, connection = time.monotonic(), http.client.HTTPConnection("127.0.0.1", port, timeout=LATE)
    try:
        connection.request("GET", "/config")
        answer = connection.getresponse()
        answer.read()
        return time.monotonic() - began, answer.status
    except (OSError, http.client.HTTPException) as error:
        return time.monotonic() - began, type(error).__name__
    finally:
        connection.close()


def largest(port):
    """The path of a large file of the page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LATE)
    connection.request("GET", "/")
    paths = re.findall(
        r'(?:src|href)="\.?/?(assets/[\w./-]+|static/[\w./-]+)"', connection.getresponse().read().decode()
    )
    return "/" + paths[0] if paths else "/config"


def visit(port, number, path, kind):
    """A visitor that stalls."""
    host = f"Host: 127.0.0.1:{port}\r\n"
    upload = f"{host}Content-Type: multipart/form-data; boundary=X\r\nContent-Length: 4000000\r\n\r\n--X\r\n"
    begin = (
        f"GET / HTTP/1.1\r\n{host}",
        f"POST /gradio_api/upload HTTP/1.1\r\n{upload}",
        f"GET {path} HTTP/1.1\r\n{host}\r\n" * 20,
    )[KINDS.index(kind) if kind in KINDS else number % 3]
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(5)
    connection.connect(("127.0.0.1", port))
    connection.sendall(begin.encode())
    return connection


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--visitors", type=int, default=100)
    parser.add_argument("--stall", choices=(*KINDS, "mixed"), default="mixed")
    parser.add_argument("--seconds", type=int, default=20)
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "lena_jax", "serve", f"--model={os.path.abspath(arguments.model)}", "--port=0"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"TMPDIR": folder, "PYTHONPATH": os.getcwd()},
        )
        try:
            port = next(int(found[1]) for line in process.stdout if (found := re.search(r"open .*:(\d+)/", line)))
            time.sleep(2)
            path = largest(port)
            before = [ask(port)[0] for _ in range(20)]
            held = [visit(port, number, path, arguments.stall) for number in range(arguments.visitors)]
            began, after = time.monotonic(), []
            while (now := time.monotonic() - began) < arguments.seconds:
                after.append((now, *ask(port)))
                time.sleep(max(0.0, 0.5 - (time.monotonic() - began - now)))
            for one in held:
                one.close()
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    served = [seconds for _, seconds, status in after if status == 200]
    first = next((now for now, _, status in after if status == 200), None)
    print(f"before: median {1000 * statistics.median(before):.0f} ms, slowest {1000 * max(before):.0f} ms")
    print(
        f"with {arguments.visitors} slow visitors ({arguments.stall}), for {arguments.seconds} s: "
        f"{len(served)} of {len(after)} answered"
        + (f", median {1000 * statistics.median(served):.0f} ms, slowest {1000 * max(served):.0f} ms" if served else "")
        + (f", the first after {first:.1f} s" if first is not None else "")
    )


if __name__ == "__main__":
    main()
