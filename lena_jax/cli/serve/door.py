"""Who may use the page: a password or a token once, a cookie after that, and a session that others cannot name."""

import asyncio
import hashlib
import hmac
import secrets
import urllib.parse
from http import cookies

from lena_jax.runtime.templates import render

_MOST_BYTES = 4096
# After a wrong password, the next try from its address waits so many seconds.
_PAUSE = 1.0
_MOST_ADDRESSES = 1000


class Door:
    """Lets in who knows the password.

    Args:
        password: the password or token; None to let everybody in.
        port: the port of the page. Browsers send the cookies of a host to all of its ports.
    """

    def __init__(self, password, port):
        self._password, self._cookie = password, f"lena-jax-{port}"
        self._secret = secrets.token_bytes(32)
        self._trying: dict[str, asyncio.Lock] = {}

    def visitor(self, headers):
        """Return the cookie by which a visitor is known, or None.

        Args:
            headers: {name in lower case: value} of a request.
        """
        try:
            found = cookies.SimpleCookie(headers.get("cookie", "")[:_MOST_BYTES]).get(self._cookie)
        except cookies.CookieError:
            return None
        return found.value if found else None

    def cookie(self):
        """Return the header that gives a visitor a new cookie; call it for those who may come in."""
        name = secrets.token_urlsafe(16)
        return {"set-cookie": f"{self._cookie}={name}.{self._sign('visitor', name)}; Path=/; HttpOnly; SameSite=Lax"}

    def is_open(self, visitor):
        """Whether a visitor may come in; `visitor` is its cookie or None."""
        if self._password is None:
            return True
        name, _, proof = (visitor or "").partition(".")
        return hmac.compare_digest(proof.encode(), self._sign("visitor", name).encode())

    def own_name(self, session, visitor):
        """Return the name of a session under which only this visitor can find it: who knows `session` cannot."""
        return self._sign("session", session, visitor or "")[:32]

    async def ask(self, scope, headers, receive, send):
        """Answer a visitor who is not known: take the password from the address or from the form, or show the form."""
        given, said = None, ""
        if scope["method"] == "GET" and scope["path"] == "/":
            given = dict(urllib.parse.parse_qsl(scope["query_string"].decode("latin-1"))).get("token")
        elif scope["method"] == "POST" and scope["path"] == "/login":
            given = await _field(headers, receive)
        else:
            return await _reply(send, 401, {"connection": "close"}, "The page asks for a password: open it first.")
        if given is not None:
            async with self._turn(scope):
                if hmac.compare_digest(*(one.encode("utf-8", "surrogatepass") for one in (given, self._password))):
                    # The address of the page itself has no token.
                    return await _reply(send, 303, {"location": "/"} | self.cookie(), "")
                await asyncio.sleep(_PAUSE)
            said = "This is not the password."
        style = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
        page = render(__package__, "login.html.j2", said=said)
        await _reply(send, 401, {"content-type": "text/html; charset=utf-8", "content-security-policy": style}, page)

    def _turn(self, scope):
        """Return the lock of a visitor's address: it waits for its own wrong tries, and for nobody else's."""
        if len(self._trying) > _MOST_ADDRESSES:
            self._trying = {name: lock for name, lock in self._trying.items() if lock.locked()}
        return self._trying.setdefault(str((scope.get("client") or ("",))[0]), asyncio.Lock())

    def _sign(self, *parts):
        text = "\0".join(parts).encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()


async def _field(headers, receive):
    """Read the password of the form; None if the request is another one."""
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit() and len(length) < 6 and int(length) <= _MOST_BYTES):
        return None
    body, more = b"", True
    while more and len(body) <= _MOST_BYTES:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return dict(urllib.parse.parse_qsl(body[:_MOST_BYTES].decode("latin-1"), encoding="utf-8")).get("password")


async def _reply(send, code, headers, text):
    body = text.encode()
    usual = {
        "content-type": "text/plain; charset=utf-8",
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
    }
    sent = [(name.encode(), value.encode()) for name, value in (usual | headers).items()]
    await send({"type": "http.response.start", "status": code, "headers": sent})
    await send({"type": "http.response.body", "body": body})
