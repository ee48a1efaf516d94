"""What the audit of a prepared corpus found, and what is known of the corpus."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.config import Params
from splits.audit import COUNTS


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit of a corpus: the figures that the page shows, and the whole of it as Markdown."""

    corpus: str
    sentences: dict[str, int]
    entities: int
    repeated: int
    shared: int  # test sentences that stand in train
    markdown: str
    counts: Sequence[tuple[str, Sequence[int]]] = ()  # what was counted, and how often in each split
    labels: Sequence[tuple[str, Sequence[int]]] = ()
    overlaps: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """corpus.json: where a corpus is from and what may be done with it."""

    language: str = ""
    licence: str = "unknown"
    redistributable: bool = False
    nested: bool = False
    citation: str = ""
    repository: str = ""
    commit: str = ""
    labels: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)  # sha256 by name
    content: Mapping[str, str] = field(default_factory=dict)  # sha256 by split


def read_audits(params: Params, data: Path) -> list[Audit]:
    """Audits of the corpora that are prepared here; the others are left out."""
    audits = []
    for corpus in params.corpora:
        source, page = data / corpus / "audit.json", data / corpus / "audit.md"
        try:
            audits.append(_audit(corpus, json.loads(source.read_text(encoding="utf-8")), page.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
    return audits


def _audit(corpus: str, found: Mapping[str, Any], markdown: str) -> Audit:
    splits = found["splits"]
    overlaps = {(o["split"], o["within"]): o["sentences"] for o in found["overlaps"]}
    names = dict.fromkeys(label for split in splits.values() for label in split.get("labels", {}))
    return Audit(
        corpus,
        {name: splits[name]["sentences"] for name in splits},
        sum(split["entities"] for split in splits.values()),
        sum(split["repeated"] for split in splits.values()),
        overlaps.get(("test", "train"), 0),
        markdown,
        counts=[
            (said, [split[key] for split in splits.values()]) for key, said in COUNTS.items() if all(key in s for s in splits.values())
        ],
        labels=[(name, [split.get("labels", {}).get(name, 0) for split in splits.values()]) for name in names],
        overlaps=found["overlaps"],
    )


def read_facts(corpus: str, data: Path) -> Facts | None:
    """What was prepared; None where it was not, or is damaged."""
    try:
        found = json.loads((data / corpus / "corpus.json").read_text(encoding="utf-8"))
        return Facts(**{key: found[key] for key in Facts.__slots__ if key in found} | {"labels": tuple(found["labels"])})
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
