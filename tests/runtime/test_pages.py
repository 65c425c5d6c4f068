"""What a self-contained page is made of, against the standard library's own reading of it."""

import base64
import hashlib
import urllib.request

from lena_jax.runtime import pages


def test_a_data_url_holds_the_bytes():
    content = bytes(range(256))
    with urllib.request.urlopen(pages.data_url(content, "image/png")) as opened:
        assert opened.read() == content and opened.headers["content-type"] == "image/png"


def test_a_policy_names_the_digests_and_allows_nothing_else():
    digests = [base64.b64encode(hashlib.sha256(text).digest()).decode() for text in ("ä".encode(), b"let a;")]
    directives = dict(one.strip().split(" ", 1) for one in pages.policy("ä", "let a;").split(";"))
    assert directives == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": f"'sha256-{digests[0]}'",
        "script-src": f"'sha256-{digests[1]}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert "script-src" not in pages.policy("ä")
