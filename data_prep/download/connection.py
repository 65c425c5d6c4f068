"""Open an http or https address with one deadline for headers and body: a slow server cannot hold up the download."""

import http.client
import io
import ssl
import time
import urllib.parse
import urllib.request

USER_AGENT = "lena-jax-data-prep/0.1 (builds a research dataset; asks for each picture once)"


def open_address(url: str, timeout: float, deadline: float) -> http.client.HTTPResponse:
    """Open `url` and return the response, whatever its status; redirects are not followed.

    Args:
        url: http or https; the caller checks it.
        timeout: longest silence, in seconds.
        deadline: a time of `time.monotonic()`, for headers and body together.

    Raises:
        TimeoutError: the server was silent for too long, or the deadline has passed. Reading the body raises it too.
            It may come as the reason of an OSError.
        OSError: the connection failed.
        http.client.HTTPException: the answer is not HTTP.
        ValueError: the address or a header makes no sense.
    """

    def respond(socket, *args, **kwargs):
        response = http.client.HTTPResponse(socket, *args, **kwargs)
        response.fp = io.BufferedReader(_Watched(response.fp.detach(), socket, timeout, deadline))
        return response

    def plain(host, **kwargs):
        connection = http.client.HTTPConnection(host, **kwargs)
        connection.response_class = respond
        return connection

    def secure(host, **kwargs):
        connection = http.client.HTTPSConnection(host, context=ssl.create_default_context(), **kwargs)
        connection.response_class = respond
        return connection

    class Plain(urllib.request.HTTPHandler):
        def http_open(self, request):
            return self.do_open(plain, request)

    class Secure(urllib.request.HTTPSHandler):
        def https_open(self, request):
            return self.do_open(secure, request)

    # The default opener would follow redirects, and open file and ftp addresses.
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler(), Plain(), Secure()):
        opener.add_handler(handler)
    path = urllib.parse.quote(url, safe="%/:?=&#+,;@!$'()*[]~")
    headers = {"User-Agent": USER_AGENT, "Accept": "image/*", "Accept-Encoding": "identity"}
    return opener.open(urllib.request.Request(path, headers=headers), timeout=timeout)


class _Watched(io.RawIOBase):
    """The bytes from a socket, until a deadline."""

    def __init__(self, raw: io.RawIOBase, socket, timeout: float, deadline: float):
        self._raw, self._socket, self._timeout, self._deadline = raw, socket, timeout, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        self._socket.settimeout(min(self._timeout, left))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()
