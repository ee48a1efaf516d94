"""Where a number came from: code, packages, machine."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmark.fingerprint import ROOT
from benchmark.processor import arithmetic

NUMERIC = ("torch", "transformers", "tokenizers", "numpy", "safetensors", "numba")  # another version may give other last bits
ANALYSERS = ("rjieba", "fugashi", "unidic-lite", "kiwipiepy", "textblob")  # or other extension labels
PACKAGES = ("knowfree-bench", *NUMERIC, *ANALYSERS, "seqeval", "dvc")
NOT_SOURCE = ("dvc.lock", "data/", "results/", "external/", "site/", ".kfbench/")  # what runs write does not make a checkout dirty


def machine(device: str) -> dict[str, Any]:
    """Processor and system, what of them decides the last bits; the GPU's name where one is used."""
    found: dict[str, Any] = {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "arithmetic": arithmetic(),
    }
    if device == "cuda":
        import torch

        found["gpu"] = torch.cuda.get_device_name()
        found["cuda"] = torch.version.cuda
    return found


@cache
def packages() -> dict[str, str | None]:
    """Versions of what numbers depend on."""
    return {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def commit(root: Path = ROOT) -> dict[str, Any]:
    """The checkout's commit and whether its sources differ from it; nulls where there is no git."""
    head = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=all")
    if head is None or changed is None:
        return {"commit": None, "dirty": None}
    files = [line[3:].split(" -> ")[-1].strip('"') for line in changed.splitlines()]
    return {"commit": head.strip(), "dirty": any(not _is_output(file) for file in files)}


def _is_output(file: str) -> bool:
    folders, name = f"/{file}", file.rsplit("/", 1)[-1]
    return any(f"/{output}" in folders if output.endswith("/") else name == output for output in NOT_SOURCE)


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


@cache
def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
