"""Opens an http or https address with one deadline for all of it: no server can hold us by dripping bytes."""

import http.client
import io
import ssl
import time
import urllib.parse
import urllib.request

USER_AGENT = "lena-jax-data-prep/0.1 (builds a research data set; asks for each picture once)"


def open_address(url: str, timeout: float, deadline: float) -> http.client.HTTPResponse:
    """Opens `url`; any status is a response, none is an exception, and no redirect is followed.

    Args:
        url: http or https; checked by the caller.
        timeout: longest silence, in seconds.
        deadline: by `time.monotonic()`, for headers and body together.

    Raises:
        TimeoutError, or OSError with it as its reason: a silence, or the deadline has passed; the body may raise it
            too.
        OSError, http.client.HTTPException, ValueError: as urllib does.
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

    # The default opener would follow redirects by itself, and open file and ftp too.
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler(), Plain(), Secure()):
        opener.add_handler(handler)
    path = urllib.parse.quote(url, safe="%/:?=&#+,;@!$'()*[]~")
    headers = {"User-Agent": USER_AGENT, "Accept": "image/*", "Accept-Encoding": "identity"}
    return opener.open(urllib.request.Request(path, headers=headers), timeout=timeout)


class _Watched(io.RawIOBase):
    """What comes from a socket, until a deadline."""

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
