"""What a method's code was at an older commit: for cells whose run.json does not list its modules."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from benchmark.fingerprint import ROOT, of_method
from splits.errors import KfbenchError

COMMIT = re.compile(r"[0-9a-f]{7,64}")  # it comes from a run.json, perhaps another machine's: git must not take it for an option


@cache
def modules_at(commit: str, method: str, code: str, root: Path = ROOT) -> Mapping[str, str] | None:
    """The modules of a method by name, read from git; None where the commit is not here or its code is not `code`.

    A checkout that was dirty gives another fingerprint than its commit: then nobody knows what it held.
    """
    packed = _archive(commit, root)
    if packed is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
                archive.extractall(folder, filter="data")
            found = of_method(method, Path(folder))
        except (KfbenchError, OSError, tarfile.TarError):
            return None
    return found.modules if found.sha256 == code else None


def _archive(commit: str, root: Path) -> bytes | None:
    if not COMMIT.fullmatch(commit):
        return None
    try:
        done = subprocess.run(["git", "-C", str(root), "archive", "--format=tar", commit], capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
