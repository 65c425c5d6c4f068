"""The hub: fetched from, cached, missed and refused."""

import http.server
import sys
import threading
from functools import partial

import pytest
import two_layer_backbone
from safetensors.numpy import save_file
from torch_checkpoints import state_pickle, tensor, write_zip

from lena_jax.backbones import load_pretrained
from lena_jax.backbones.hub import find_on_hub
from lena_jax.backbones.sources import find_file

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.BaseHTTPRequestHandler):
    """A hub on this machine, as far as `huggingface_hub` asks it: HEAD and GET of OWNER/NAME/resolve/REVISION/FILE."""

    files: dict[str, bytes] = {}
    failure: tuple[int, str] | None = None
    asked: list[str] = []

    def do_HEAD(self):
        name = self.path.partition("/resolve/")[2].partition("/")[2]
        self.asked.append(f"{self.command} {name}")
        status, code = self.failure or ((200, "") if name in self.files else (404, "EntryNotFound"))
        content = self.files[name] if status == 200 else b""
        self.send_response(status)
        for key, value in {
            "X-Repo-Commit": COMMIT,
            "ETag": f'"{name}-etag"',
            "X-Error-Code": code,
            "Content-Length": str(len(content)),
        }.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_GET = do_HEAD

    def log_message(self, *_):
        pass


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub's package, and no hub that answers."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    two_layer_backbone.register(monkeypatch)
    return tmp_path / "cache"


@pytest.fixture
def hub(cache, monkeypatch):
    import huggingface_hub
    from huggingface_hub import constants

    class Fresh(Hub):
        files, asked = {}, []

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fresh)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    for name in ("hf_hub_url", "get_hf_file_metadata", "hf_hub_download"):
        monkeypatch.setattr(huggingface_hub, name, partial(getattr(huggingface_hub, name), endpoint=endpoint))
    huggingface_hub.utils.disable_progress_bars()
    yield Fresh
    huggingface_hub.close_session()
    huggingface_hub.utils.enable_progress_bars()
    server.shutdown()
    thread.join()
    server.server_close()


def tiny_file(tmp_path, write=save_file):
    write(two_layer_backbone.state(), tmp_path / "local")
    return (tmp_path / "local").read_bytes()


def lay_out(cache, content, repository="owner/name", revision="main", file="model.safetensors"):
    """A file in the cache, as the package itself would have put it there."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    place = folder / "snapshots" / COMMIT / file
    for path in (folder / "refs", place.parent):
        path.mkdir(parents=True, exist_ok=True)
    (folder / "refs" / revision).write_text(COMMIT)
    place.write_bytes(content)


@pytest.mark.parametrize(
    "source",
    [
        "hf:owner/name",
        "hf:owner/name@main",
        "hf:owner/name/model.safetensors",
        "hf:owner/name@" + COMMIT,
        "hf:owner/name/model.safetensors@main",
    ],
)
def test_the_cache_is_enough(cache, tmp_path, source):
    lay_out(cache, tiny_file(tmp_path))
    two_layer_backbone.check(load_pretrained(two_layer_backbone.NAME, source))


def test_fetches_once_and_only_what_is_weights(hub, tmp_path):
    hub.files = {"model.safetensors": tiny_file(tmp_path), "pytorch_model.bin": b"?", "modeling.py": b"?"}
    for _ in range(2):
        two_layer_backbone.check(load_pretrained(two_layer_backbone.NAME, "hf:owner/name"))
    assert {line.split()[1] for line in hub.asked} == {"model.safetensors"}
    assert [line for line in hub.asked if line.startswith("GET")] == ["GET model.safetensors"]


def test_takes_the_pickle_where_there_is_no_safetensors_and_does_not_trust_it(hub, tmp_path):
    hub.files = {"pytorch_model.bin": write_zip(tmp_path / "m", state_pickle(a=tensor())).read_bytes()}
    assert find_on_hub("hf:owner/name").name == "pytorch_model.bin"
    with pytest.raises(ValueError, match=r"pytorch_model\.bin does not fit the network; missing: .*conv\.weight"):
        load_pretrained(two_layer_backbone.NAME, "hf:owner/name")
    hub.files = {"pytorch_model.bin": write_zip(tmp_path / "m", b"cos\nsystem\n.").read_bytes()}
    with pytest.raises(ValueError, match=r"pytorch_model\.bin: refused pickle"):
        load_pretrained(two_layer_backbone.NAME, "hf:owner/hostile")


def test_a_named_file_in_a_folder(hub, tmp_path):
    hub.files = {"sub/other.safetensors": tiny_file(tmp_path)}
    two_layer_backbone.check(load_pretrained(two_layer_backbone.NAME, "hf:owner/name/sub/other.safetensors@v1.0"))
    assert {line.split()[1] for line in hub.asked} == {"sub/other.safetensors"}


@pytest.mark.parametrize(
    "failure, reason",
    [
        ((401, "RepoNotFound"), "knows no such repository, or it is private"),
        ((403, "GatedRepo"), "accept its terms at https://huggingface.co/owner/name and log in"),
        ((404, "RevisionNotFound"), "it has no revision 'main'"),
        ((500, ""), "500"),
    ],
)
def test_a_hub_that_refuses(hub, failure, reason):
    hub.failure = failure
    with pytest.raises(FileNotFoundError, match=reason) as caught:
        load_pretrained(two_layer_backbone.NAME, "hf:owner/name")
    assert "https://huggingface.co/owner/name/resolve/main/model.safetensors" in str(caught.value)
    assert len(hub.asked) == 1


def test_a_repository_without_weights(hub):
    hub.files = {"README.md": b"?"}
    with pytest.raises(
        FileNotFoundError,
        match=r"owner/name has no model\.safetensors and no pytorch_model\.bin .*"
        r"https://huggingface\.co/owner/name/tree/main",
    ):
        load_pretrained(two_layer_backbone.NAME, "hf:owner/name")


def test_offline_says_what_to_fetch_and_where_to_put_it(cache):
    with pytest.raises(FileNotFoundError) as caught:
        load_pretrained(two_layer_backbone.NAME, "hf:owner/name@v2")
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "HF_HUB_OFFLINE is set",
        "https://huggingface.co/owner/name/resolve/v2/model.safetensors",
        "pass the file's path as the source",
        "hf download owner/name model.safetensors --revision v2",
        "models--owner--name",
        str(cache),
    ):
        assert part in message


def test_a_connection_that_fails_is_tried_once(cache, monkeypatch):
    import huggingface_hub
    from huggingface_hub import errors

    # What the package's HTTP client raises, which is another one in another version.
    client_error = errors.HfHubHTTPError.__bases__[0]
    tries = []

    def fail(url):
        tries.append(url)
        raise client_error("no route to host\nand more")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", fail)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: pytest.fail("downloads"))
    with pytest.raises(FileNotFoundError, match="cannot fetch model.safetensors of owner/name: no route to host. By"):
        load_pretrained(two_layer_backbone.NAME, "hf:owner/name")
    assert len(tries) == 1


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(FileNotFoundError, match="pip install huggingface_hub; or fetch https://huggingface.co/o/n/"):
        find_on_hub("hf:o/n")


@pytest.mark.parametrize(
    "source",
    [
        "hf:",
        "hf:name",
        "hf:o/n/",
        "hf:o/n@",
        "hf:o/../n",
        "hf:o/n/../../x",
        "hf:o/n/a b",
        "hf:o/n@../x",
        "hf:/o/n",
        "hf:o/n/a\\b",
        "hf:https://huggingface.co/o/n",
    ],
)
def test_miswritten_sources_of_the_hub(source):
    with pytest.raises(ValueError, match="expected hf:OWNER/NAME"):
        find_file(source)
