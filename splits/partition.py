"""Splits that the suite defines where upstream has none: a rule, and a committed manifest of the ids that it gives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from splits.errors import KfbenchError
from splits.files import write_text

MANIFESTS = Path(__file__).parent / "manifests"

Parts = Mapping[str, Sequence[str]]  # split -> ids, in order


def hash_order(ids: Iterable[str], salt: str) -> list[str]:
    """Ids by the sha256 of salt and id: as good as random, and the same on every platform and Python version."""
    return sorted(ids, key=lambda name: (hashlib.sha256(f"{salt}:{name}".encode()).digest(), name))


def manifest_path(corpus: str, folder: Path = MANIFESTS) -> Path:
    return folder / f"{corpus}.split.json"


def write_manifest(corpus: str, rule: str, parts: Parts, folder: Path = MANIFESTS) -> None:
    """Write the manifest of a split, a line a part; train is what is left and only counts in the sha256."""
    listed = [f"  {json.dumps(part)}: {json.dumps(list(ids), separators=(',', ':'))}" for part, ids in parts.items() if part != "train"]
    fields = {"corpus": corpus, "rule": rule, "sha256": digest(parts)}
    head = "".join(f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in fields.items())
    write_text(manifest_path(corpus, folder), "{\n" + head + ' "splits": {\n' + ",\n".join(listed) + "\n }\n}\n")


def verify(corpus: str, parts: Parts, folder: Path = MANIFESTS) -> None:
    """Hold what the rule gives now against the committed manifest.

    Raises:
        KfbenchError: the manifest is missing or broken, or another split comes out; names the first id that differs.
    """
    path = manifest_path(corpus, folder)
    mend = "Results on another split cannot be compared: restore the manifest and the raw files, or report how this came about."
    try:
        manifest = json.loads(path.read_text("utf-8"))
        listed, expected = dict(manifest["splits"]), str(manifest["sha256"])
    except FileNotFoundError:
        raise KfbenchError(f"{corpus}: {path}: no such manifest", "It is part of the repository: restore it.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise KfbenchError(f"{corpus}: {path}: not a manifest: {error!r}", "It is part of the repository: restore it.") from None
    for part, ids in listed.items():
        ours = list(parts.get(part, ()))
        if ours != ids:
            at = next((i for i, pair in enumerate(zip(ours, ids, strict=False)) if pair[0] != pair[1]), min(len(ours), len(ids)))
            ours_at, theirs_at = (repr(row[at]) if at < len(row) else "nothing" for row in (ours, ids))
            raise KfbenchError(f"{corpus}: {part} has {ours_at} at place {at}, the manifest {path.name} has {theirs_at}", mend)
    if digest(parts) != expected:
        raise KfbenchError(f"{corpus}: sha256 of the split is {digest(parts)}, the manifest {path.name} says {expected}", mend)


def digest(parts: Parts) -> str:
    """sha256 over the ids of every part, in order."""
    rows = {part: list(ids) for part, ids in sorted(parts.items())}
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()
