"""Find files of weights on the Hugging Face hub, through the package `huggingface_hub` and its cache."""

import re
from pathlib import Path

# Tried in this order; nothing else in a repository is fetched unless the source names it.
FILES = ("model.safetensors", "pytorch_model.bin")
_SOURCE = re.compile(r"hf:(?P<repository>[\w.-]+/[\w.-]+)(/(?P<file>[\w.-]+(/[\w.-]+)*))?(@(?P<revision>[\w./-]+))?")


class NoSuchFile(FileNotFoundError):
    """The hub answered: the repository has no such file."""


def find_on_hub(source: str) -> Path:
    """Return the file that a source on the hub names, from the cache of `huggingface_hub`; fetch it if it is missing.

    A file in the cache is used without asking the hub for a newer one, so a run starts the same without a network.

    Args:
        source: "hf:OWNER/NAME" or "hf:OWNER/NAME/FILE", either one followed by "@REVISION" (a branch, tag or commit) if
            wanted. Without a file: the first of `FILES` that exists.

    Raises:
        ValueError: if the source is written differently.
        FileNotFoundError: if the package is not installed, or the file is neither in the cache nor available (no
            network, no such repository, revision or file, no permission); the message says what to do. `NoSuchFile` if
            the repository is there and has no such file.
    """
    match = _SOURCE.fullmatch(source)
    if not match or {".", ".."} & set(re.split("[:/@]", source)):
        raise ValueError(f"got source {source!r}, expected hf:OWNER/NAME, hf:OWNER/NAME/FILE or either with @REVISION")
    repository, revision = match["repository"], match["revision"] or "main"
    names = (match["file"],) if match["file"] else FILES
    try:
        # Imported here, because few need the hub and the package is an extra.
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError as error:
        raise FileNotFoundError(
            f"source {source!r} needs a package: pip install huggingface_hub; or fetch "
            f"{_address(repository, revision, names[0])} by hand and pass its path as the source"
        ) from error

    for name in names:
        cached = huggingface_hub.try_to_load_from_cache(repository, name, revision=revision)
        if isinstance(cached, str):
            return Path(cached)
    for name in names:
        try:
            # One request with a time limit (10 s, or HF_HUB_ETAG_TIMEOUT). `hf_hub_download` alone repeats it for up
            # to six minutes where a firewall swallows it.
            huggingface_hub.get_hf_file_metadata(huggingface_hub.hf_hub_url(repository, name, revision=revision))
            return Path(huggingface_hub.hf_hub_download(repository, name, revision=revision))
        except errors.LocalEntryNotFoundError as error:
            raise _not_fetched(repository, revision, name, error.__cause__ or error) from error
        except errors.EntryNotFoundError:
            continue
        except errors.HfHubHTTPError.__bases__ as error:  # OSError, and the base of its HTTP client's own errors.
            raise _not_fetched(repository, revision, name, error) from error
    raise NoSuchFile(
        f"{repository} has no {' and no '.join(names)} at revision {revision!r}; its files are listed at "
        f"https://huggingface.co/{repository}/tree/{revision}, and hf:{repository}/FILE names one of them"
    )


def _address(repository: str, revision: str, name: str) -> str:
    return f"https://huggingface.co/{repository}/resolve/{revision}/{name}"


def _not_fetched(repository: str, revision: str, name: str, error: Exception) -> FileNotFoundError:
    from huggingface_hub import constants, errors

    if isinstance(error, errors.GatedRepoError):
        reason = f"accept its terms at https://huggingface.co/{repository} and log in with: hf auth login"
    elif isinstance(error, errors.RepositoryNotFoundError):
        reason = "the hub knows no such repository, or it is private (log in with: hf auth login)"
    elif isinstance(error, errors.RevisionNotFoundError):
        reason = f"it has no revision {revision!r}"
    elif isinstance(error, errors.OfflineModeIsEnabled):
        reason = "HF_HUB_OFFLINE is set"
    else:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    return FileNotFoundError(
        f"cannot fetch {name} of {repository}: {reason}. By hand: fetch {_address(repository, revision, name)} where "
        f"that works, and either pass the file's path as the source, or run there: hf download {repository} {name} "
        f"--revision {revision}; and copy models--{repository.replace('/', '--')} from its cache into "
        f"{constants.HF_HUB_CACHE}"
    )
