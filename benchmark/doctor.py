"""Is this installation fit to run: what is there, what is missing, what is wrong."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any, Literal

import yaml

from benchmark.fingerprint import GROUP, ROOT
from splits.errors import KfbenchError

State = Literal["ok", "note", "problem"]
NEEDED = ("torch", "transformers", "dvc", "numpy", "pydantic", "safetensors", "seqeval", "typer")
OPTIONAL = {
    "rjieba": "annotation of Chinese by an analyser (extra `morph`)",
    "fugashi": "annotation of Japanese by an analyser (extra `morph`)",
    "kiwipiepy": "annotation of Korean by an analyser (extra `morph`)",
    "textblob": "annotation of English by an analyser (extra `morph`)",
    "vllm": "synthesis by a local language model (extra `vllm`)",
    "fastNLP": "cnn_ner with `trainer: fastnlp`",
    "numba": "quicker training in bf16 on a CPU (extra `compiled`)",
    "ray": "cells on several machines",
}
ROOMS = ("splits", "benchmark", "baselines", "knowfree", "reports")
MIRROR = "KFBENCH_MIRROR"


@dataclass(frozen=True)
class Finding:
    """One thing looked at; a `note` is missing but optional, a `problem` must be mended."""

    name: str
    state: State
    detail: str
    mend: str = ""


def examine() -> list[Finding]:
    """Everything, in the order a person would ask."""
    return [_python(), *map(_package, NEEDED), _ours(), _methods(), _dvc(), *torn(), _torch(), _mirror(), *map(_optional, OPTIONAL)]


def _python() -> Finding:
    text = sys.version.split()[0]
    good = sys.version_info >= (3, 11)
    return Finding("python", "ok" if good else "problem", text, "" if good else "Install Python 3.11 or newer.")


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", version(name))
    except PackageNotFoundError:
        return Finding(name, "problem", "not installed", "Run `make install`.")


def _ours() -> Finding:
    """Names such as `benchmark` are common: another package may stand before ours."""
    strange = []
    for room in ROOMS:
        spec = importlib.util.find_spec(room)
        places = [Path(p).resolve() for p in (spec.submodule_search_locations or [])] if spec else []
        if ROOT / room not in places:
            strange.append(f"{room} is {places[0] if places else 'not importable'}")
    if strange:
        return Finding(
            "checkout", "problem", "; ".join(strange), f"Expected all of them under {ROOT}: install with `pip install -e {ROOT}`."
        )
    return Finding("checkout", "ok", str(ROOT))


def _methods() -> Finding:
    """Every room of methods can be imported."""
    from benchmark.method import discover

    try:
        return Finding("methods", "ok", ", ".join(sorted(discover())))
    except (ImportError, KfbenchError) as error:
        rooms = ", ".join(entry.value for entry in entry_points(group=GROUP))
        return Finding("methods", "problem", f"{type(error).__name__}: {error}", f"Mend the room; registered: {rooms}.")


def _dvc() -> Finding:
    found = shutil.which("dvc")
    ours = shutil.which("kfbench")
    if found and ours:
        return Finding("PATH", "ok", f"{found}, {ours}")
    missing = " and ".join(name for name, there in (("dvc", found), ("kfbench", ours)) if not there)
    return Finding(
        "PATH", "problem", f"{missing} not on PATH", f"Activate the environment: export PATH={Path(sys.executable).parent}:$PATH"
    )


def torn() -> Iterator[Finding]:
    """DVC writes two of its files in place; a kill at that moment cuts them, and then it refuses to run."""
    above = next((folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / ".dvc").is_dir()), Path.cwd())
    for path, read in ((Path("dvc.lock"), _lines), (above / ".dvc" / "tmp" / "rwlock", json.loads)):
        try:
            whole = _no_holes(read(path.read_text(encoding="utf-8")))
        except OSError:
            continue
        except (ValueError, yaml.YAMLError):
            whole = False
        if not whole:
            yield Finding(path.name, "problem", f"{path} is cut", f"Remove {path}: `dvc repro -k` writes it anew, and no cell is lost.")


def _lines(text: str) -> Any:
    """YAML that ends with a line; a line that a cut has shortened may still be read."""
    return yaml.safe_load(text) if text.endswith("\n") else None


def _no_holes(value: Any, *, top: bool = True) -> bool:
    """Whether something was read at all, and no key of it is without a value: so does YAML read a file that ends too soon."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value is not None and (not top or isinstance(value, dict)) and all(_no_holes(one, top=False) for one in inner)


def _torch() -> Finding:
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        return Finding("device", "problem", str(error), "Run `make install`.")
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return Finding(
        "device", "ok", f"{gpu}, {os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads unless params say otherwise"
    )


def _mirror() -> Finding:
    value = os.environ.get(MIRROR)
    if value is None:
        return Finding("mirror", "note", f"{MIRROR} is not set", "Raw corpora are downloaded; the demo needs none.")
    if not Path(value).is_dir():
        return Finding(
            "mirror", "problem", f"{MIRROR}={value}: no such directory", "Set it to a directory with a folder a corpus, or unset it."
        )
    if not Path(value).is_absolute():
        return Finding("mirror", "problem", f"{MIRROR}={value} is relative", "Make it absolute: stages of demo/ run in demo/.")
    return Finding("mirror", "ok", value)


def _optional(name: str) -> Finding:
    if importlib.util.find_spec(name):
        return Finding(name, "ok", "installed")
    return Finding(name, "note", f"not installed: {OPTIONAL[name]}")
