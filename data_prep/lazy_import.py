"""Import a package's builder only when it is asked for: `--help` answers without TFDS."""

import importlib
from collections.abc import Callable
from typing import Any


def from_module(package: str, module: str, names: list[str]) -> Callable[[str], Any]:
    """Return a package's `__getattr__`, which takes some names from one of its modules.

    Args:
        package: the package's `__name__`.
        module: name of the module in the package.
        names: the names that the module defines.
    """

    def get(name: str) -> Any:
        if name in names:
            return getattr(importlib.import_module(f"{package}.{module}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get
