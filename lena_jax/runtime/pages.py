"""What a self-contained page is made of: embedded data, and a policy that forbids everything else."""

import base64
import hashlib


def data_url(content, kind):
    """Encode bytes of a media type as a data URL.

    Example:
        >>> data_url(b"hello", "text/plain")
        'data:text/plain;base64,aGVsbG8='
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def policy(style, script=None):
    """Build the Content-Security-Policy of a page: its own style and script, embedded pictures, and nothing else.

    Args:
        style: content of the page's `style` element.
        script: content of its `script` element; None for a page without one.
    """
    scripts = "" if script is None else f" script-src {_digest(script)};"
    return (
        f"default-src 'none'; img-src data:; style-src {_digest(style)};{scripts} base-uri 'none'; form-action 'none'"
    )


def _digest(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
