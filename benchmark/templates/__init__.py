"""Methods to start from: whole files that run as they stand, which `kfbench new-method` copies under another name."""

from __future__ import annotations

import importlib.util
import keyword
import re
from pathlib import Path
from typing import Literal

from benchmark.fingerprint import names
from splits.errors import ConfigError, KfbenchError
from splits.files import write_text

Kind = Literal["neural", "rules"]
NAME, CLASS = "my_method", "MyMethod"  # what stands in the templates
WELL_FORMED = re.compile(r"[a-z][a-z0-9_]{0,39}")


def render(kind: Kind, name: str) -> str:
    """The text of a template under a method's name."""
    text = Path(__file__).with_name(f"{kind}.py").read_text(encoding="utf-8")
    return text.replace(NAME, name).replace(CLASS, class_name(name))


def class_name(name: str) -> str:
    """`span_bert` -> `SpanBertMethod`."""
    return "".join(part.capitalize() for part in name.removesuffix("_method").split("_")) + "Method"


def write_method(name: str, kind: Kind, out: Path) -> None:
    """Write a method's file.

    Raises:
        ConfigError: the name is none for a method, or is taken.
        KfbenchError: the file exists, or cannot be written.
    """
    check_name(name)
    if out.suffix != ".py":
        raise ConfigError(f"{out}: not a Python file", "Give --out a name that ends in .py.")
    if out.exists():
        raise KfbenchError(f"{out}: exists", "Choose another name, or another file with --out; nothing is overwritten.")
    if out.stem.isidentifier() and importlib.util.find_spec(out.stem) is not None:
        raise ConfigError(
            f"{out}: there is a package called {out.stem!r}, which a file of that name would hide", "Name another file with --out."
        )
    if not out.parent.is_dir():
        raise ConfigError(f"{out}: there is no folder {out.parent}", "Make it first.")
    try:
        write_text(out, render(kind, name))
    except OSError as error:
        raise KfbenchError(f"{out}: cannot be written: {error.strerror}", "Check space and permissions.") from error


def check_name(name: str) -> None:
    """A new method's name: it stands in params, in tables and in the file as a class.

    Raises:
        ConfigError: it is malformed, or a method of the suite has it.
    """
    if not WELL_FORMED.fullmatch(name) or keyword.iskeyword(name) or name.strip("_") == "method":
        raise ConfigError(f"{name!r} is no name for a method", "Use lower case letters, digits and _, a letter first: `span_bert`.")
    if name in (known := names()):
        raise ConfigError(f"there is a method {name!r} already", f"Taken: {', '.join(sorted(known))}.")
