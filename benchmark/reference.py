"""A method as people type it: a name, `path.py`, or `path.py:Class`."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.fingerprint import declared
from splits.errors import ConfigError, KfbenchError

if TYPE_CHECKING:
    from benchmark.method import Method


def reference(method: str) -> str:
    """A method as params name it: `path.py` becomes `path.py:Class` where the file holds a single one. Nothing is imported.

    Raises:
        ConfigError: the file is missing, is not Python, holds no method or several, or two of one name.
    """
    path, class_ = (method, None) if method.endswith(".py") else method.rsplit(":", 1) if ".py:" in method else (None, None)
    if path is None:
        return method
    if not Path(path).is_file():
        raise ConfigError(f"{path}: no such file", "A method outside the rooms is given as `path.py`, or `path.py:Class`.")
    found = dict(declared(Path(path)))
    for cls, name in found.items():
        if twin := next((other for other, its in found.items() if its == name and other != cls), None):
            raise ConfigError(f"{path}: {cls} and {twin} are both called {name!r}", "Rename one: results are kept under names.")
    if class_ is not None:
        return method
    if not found:
        raise ConfigError(f"{path}: there is no method in it, a class with a `name`", "`kfbench new-method` writes one to start from.")
    if len(found) > 1:
        raise ConfigError(f"{path}: there are {len(found)} methods in it", f"Say which: {', '.join(f'{path}:{cls}' for cls in found)}.")
    return f"{path}:{next(iter(found))}"


def imported(method: str) -> type[Method]:
    """The class that a reference names; an error of its file is one of its author's, with the line.

    Raises:
        ConfigError: there is none, or its file cannot be imported.
    """
    from benchmark.method import find

    try:
        return find(method)
    except KfbenchError:
        raise
    except Exception as error:
        path = Path(method.rsplit(":", 1)[0]).resolve()
        lines = [step.lineno for step in traceback.extract_tb(error.__traceback__) if step.filename == str(path)]
        where = f"{method.rsplit(':', 1)[0]}{f':{lines[-1]}' if lines else ''}"
        raise ConfigError(f"{where}: {type(error).__name__}: {error}", "Mend the file: it must be importable on its own.") from error


def absolute(method: str) -> str:
    """A reference that holds whatever the working directory is."""
    found = reference(method)
    if ".py:" not in found:
        return found
    path, _, cls = found.rpartition(":")
    return f"{Path(path).resolve()}:{cls}"
