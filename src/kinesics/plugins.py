"""A user's own modules, which register systems, backbones or heads when they are imported."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path

from kinesics.errors import UserError

GROUP = "kinesics.plugins"
"""The entry points under which an installed package names a module to import."""


def load_plugins(names: Iterable[str] = ()) -> list[str]:
    """Import the modules of `names` and those that installed packages name; gives what was imported.

    names: a module on Python's path, such as my_package.my_system, or a file that ends in .py. Code of the user runs.

    Raises:
        UserError: there is no such module or file, or it fails on import; the message says why.
    """
    loaded = [load_plugin(point.value) for point in entry_points(group=GROUP)]
    return loaded + [load_plugin(name) for name in names]


def load_plugin(name: str) -> str:
    """Import one module or file, once; gives the name of its module. Raises UserError as `load_plugins` does."""
    path = Path(name)
    module = path.stem if path.suffix == ".py" else name
    if module in sys.modules:
        return module
    try:
        if path.suffix == ".py":
            import_file(path, module)
        else:
            importlib.import_module(name)
    except (ImportError, SyntaxError, AttributeError, NameError, TypeError, ValueError, OSError) as error:
        raise UserError(f"plugin {name}: cannot be imported: {type(error).__name__}: {error}") from error
    return module


def import_file(path: Path, module: str) -> None:
    """Run a file as a module of a name."""
    if not path.is_file():
        raise UserError(f"plugin {path}: no such file; expected a Python file that registers your own modules")
    spec = importlib.util.spec_from_file_location(module, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    found = importlib.util.module_from_spec(spec)
    sys.modules[module] = found
    try:
        spec.loader.exec_module(found)
    except BaseException:
        del sys.modules[module]
        raise
