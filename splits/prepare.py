"""Prepared corpora: a folder with the splits in the paper's JSONL, labels, facts and an audit, written whole and checked when read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from filelock import FileLock

from splits import corpora, plain_json, present
from splits.audit import audit
from splits.corpus import SPLITS, Corpus
from splits.download import CACHE, fetch
from splits.errors import CorpusError, KfbenchError
from splits.files import new_folder, sha256, text_lines, write_text
from splits.labels import Inventory, read_labels, write_labels
from splits.schema import content_hash, read_jsonl, write_jsonl
from splits.source import CorpusInfo

FACTS = "corpus.json"
FORMAT = 1  # of corpus.json


def prepare(name: str, out: Path, *, mirror: Path | None = None, downloads: Path = CACHE, listed: Path | None = None) -> Corpus:
    """Write `out`/{train,dev,test}.jsonl, labels.txt, corpus.json, audit.json and audit.md.

    The folder is made beside its place and renamed there, so a kill at any moment leaves the old folder, none, or the
    new one. The same input gives the same bytes.

    Args:
        out: the corpus's own folder; what a former run prepared there is replaced.
        mirror, downloads: as in `fetch`.
        listed: a present.json; a corpus that stands in it goes before one of the suite's with the same name.

    Raises:
        KfbenchError: unknown corpus, missing or damaged files, or `out` holds something that is no prepared corpus.
    """
    corpus, facts = _read(name, mirror, downloads, listed)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(out.with_name(f".{out.name}.lock")):
            if out.exists() and not (out / FACTS).is_file() and not (out.is_dir() and not any(out.iterdir())):
                raise KfbenchError(f"{out}: holds something that is no prepared corpus", "Choose another folder, or empty this one.")
            with new_folder(out) as making:
                _write(making, corpus, facts)
    except OSError as error:
        raise KfbenchError(f"{out}: cannot be written: {error.strerror}", "Check space and permissions.") from error
    return corpus


def _read(name: str, mirror: Path | None, downloads: Path, listed: Path | None) -> tuple[Corpus, dict[str, Any]]:
    """The corpus, and what corpus.json says of its source."""
    found = present.read_present(listed) if listed is not None else {}
    if name in found:
        own = found[name]
        facts = {"language": own.language, "nested": own.nested, "licence": "unknown", "redistributable": False}
        source = {"citation": "", "repository": "", "commit": "", "files": {key: sha256(path) for key, path in own.files.items()}}
        return present.read(name, own), facts | source
    upstream = corpora.source(name)
    facts = {
        key: getattr(upstream, key) for key in ("language", "nested", "licence", "redistributable", "citation", "repository", "commit")
    }
    files = fetch(name, downloads, mirror)
    return corpora.read(name, files), facts | {"files": {file.path: file.sha256 for file in upstream.files.values()}}


def _write(folder: Path, corpus: Corpus, facts: dict[str, Any]) -> None:
    for split, sentences in corpus.splits.items():
        write_jsonl(folder / f"{split}.jsonl", sentences)
    write_labels(folder / _labels_name(corpus.labels), corpus.labels)
    report = audit(corpus)
    write_text(folder / "audit.json", json.dumps(report.to_json(), ensure_ascii=False, indent=1) + "\n")
    write_text(folder / "audit.md", report.to_markdown())
    counts = {
        split: {"sentences": len(rows), "entities": sum(len(s.entities) for s in rows), "repaired": sum(s.repaired for s in rows)}
        for split, rows in corpus.splits.items()
    }
    content = {split: content_hash(rows) for split, rows in corpus.splits.items()}
    said = {"format": FORMAT, "name": corpus.name, **facts, "labels": list(corpus.labels.names), "counts": counts, "content": content}
    write_text(folder / FACTS, json.dumps(said, ensure_ascii=False, indent=1) + "\n")


def _labels_name(labels: Inventory) -> str:
    """labels.txt where it says all, labels.json for a user's inventory with extension labels or weights."""
    return "labels.txt" if all(label.is_target and label.weight is None and label.count == -1 for label in labels.labels) else "labels.json"


def load(directory: str | Path) -> Corpus:
    """A prepared corpus.

    Raises:
        CorpusError: a file is missing or cannot be read, or differs from what corpus.json says was prepared.
    """
    directory = Path(directory)
    facts = _facts(directory)
    mend = "Run `kfbench corpora prepare` again; a prepared corpus is not edited by hand."
    labels = read_labels(next((path for path in [directory / "labels.json"] if path.is_file()), directory / "labels.txt"))
    if list(labels.names) != facts["labels"]:
        raise CorpusError(directory, None, f"the labels are {', '.join(labels.names)}, corpus.json says {facts['labels']}", mend)
    splits = {}
    for split in SPLITS:
        path = directory / f"{split}.jsonl"
        splits[split] = read_jsonl(path)
        found, expected = content_hash(splits[split]), facts["content"].get(split)
        if found != expected:
            raise CorpusError(path, None, f"content hash is {found}, {FACTS} says {expected}", mend)
    return Corpus(facts["name"], splits, labels)


def info(directory: str | Path) -> CorpusInfo:
    """What a method may ask about a prepared corpus; raises as `load`, but reads corpus.json alone."""
    facts = _facts(Path(directory))
    return CorpusInfo(facts["name"], facts["language"], facts["nested"], facts["redistributable"])


def _facts(directory: Path) -> dict[str, Any]:
    path = directory / FACTS
    mend = "Run `kfbench corpora prepare` again."
    try:
        found = plain_json.loads("\n".join(line for _, line in text_lines(path)))
    except json.JSONDecodeError as error:
        raise CorpusError(path, error.lineno, f"not JSON: {error.msg}", mend) from None
    except ValueError as error:
        raise CorpusError(path, None, str(error), mend) from None
    kinds = {"name": str, "language": str, "nested": bool, "redistributable": bool, "labels": list, "content": dict}
    if not isinstance(found, dict) or found.get("format") != FORMAT or any(type(found.get(key)) is not kind for key, kind in kinds.items()):
        raise CorpusError(path, None, f"not the facts of a prepared corpus in format {FORMAT}", mend)
    return found
