"""present.json of the KnowFREE paper: corpora of one's own as JSONL files, no converter needed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splits import names, plain_json
from splits.corpus import SPLITS, Corpus
from splits.errors import ConfigError, CorpusError
from splits.files import text_lines, write_text
from splits.labels import Inventory, read_labels
from splits.schema import Sentence, is_nested, read_jsonl
from splits.source import CorpusInfo

FORM = 'present.json is {"NAME": {"train": PATH, "dev": PATH, "test": PATH, "labels": PATH}}, with "language" and "nested" if wanted.'
UNKNOWN_LANGUAGE = "und"  # ISO 639-2: undetermined

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # it becomes a folder and a part of stage names


@dataclass(frozen=True, slots=True)
class Present:
    """Where a corpus of the user's lies, and what a method may ask about it; `nested`: its entities may share tokens."""

    train: Path
    dev: Path
    test: Path
    labels: Path
    language: str = UNKNOWN_LANGUAGE
    nested: bool = False

    @property
    def files(self) -> dict[str, Path]:
        """Paths under the keys of present.json."""
        return {"train": self.train, "dev": self.dev, "test": self.test, "labels": self.labels}

    def info(self, name: str) -> CorpusInfo:
        """Facts; a user's text counts as not to be redistributed, since nothing says otherwise."""
        return CorpusInfo(name, self.language, self.nested, redistributable=False)


def read_present(path: str | Path) -> dict[str, Present]:
    """The corpora of a present.json by name, in its order.

    A relative path is taken from the working directory, as the official code does, where it exists there; else from
    the folder of the present.json.

    Raises:
        CorpusError: not JSON, or an entry is not of the form; names file and entry.
    """
    path = Path(path)
    try:
        found = plain_json.loads("\n".join(line for _, line in text_lines(path)))
    except json.JSONDecodeError as error:
        raise CorpusError(path, error.lineno, f"not JSON: {error.msg} at column {error.colno}", FORM) from None
    except ValueError as error:
        raise CorpusError(path, None, str(error), FORM) from None
    if not isinstance(found, dict) or not found:
        raise CorpusError(path, None, "expected an object with a corpus or more", FORM)
    return {name: _entry(path, name, row) for name, row in found.items()}


def _entry(path: Path, name: str, row: Any) -> Present:
    def wrong(what: str) -> CorpusError:
        return CorpusError(path, None, f"corpus {name!r}: {what}", FORM)

    if not NAME.fullmatch(name):
        raise wrong("its name must be letters, digits, `_`, `-` and `.`, since a folder is named after it")
    if fault := names.fault(name, corpus=True):
        raise wrong(f"its name {fault}")
    if not isinstance(row, dict):
        raise wrong("expected an object")
    keys = (*SPLITS, "labels")
    for key in keys:
        if not isinstance(row.get(key), str) or not row[key] or "\0" in row[key]:
            raise wrong(f"`{key}` must be a path")
    language, nested = row.get("language", UNKNOWN_LANGUAGE), row.get("nested", False)
    if not isinstance(language, str) or not language:
        raise wrong("`language` must be a code such as `en`")
    if not isinstance(nested, bool):
        raise wrong("`nested` must be true or false")
    if unknown := sorted(set(row) - {*keys, "language", "nested"}):
        raise wrong(f"unknown key {unknown[0]!r}")
    return Present(**{key: _resolve(path, row[key]) for key in keys}, language=language, nested=nested)


def _resolve(present: Path, text: str) -> Path:
    path = Path(text)
    return path if path.is_absolute() or path.exists() else present.parent / path


def write_present(path: str | Path, corpora: Mapping[str, Present]) -> None:
    """Write a present.json; language and nested stand in it only where they differ from the default."""
    rows: dict[str, dict[str, Any]] = {}
    for name, corpus in corpora.items():
        rows[name] = {key: str(file) for key, file in corpus.files.items()}
        if corpus.language != UNKNOWN_LANGUAGE:
            rows[name]["language"] = corpus.language
        if corpus.nested:
            rows[name]["nested"] = True
    write_text(path, json.dumps(rows, ensure_ascii=False, indent=1) + "\n")


def entry(path: str | Path, name: str) -> Present:
    """One corpus of a present.json.

    Raises:
        ConfigError: it has no such corpus; lists those it has.
    """
    found = read_present(path)
    if name not in found:
        raise ConfigError(f"{path}: no corpus {name!r}, it has: {', '.join(found)}", FORM)
    return found[name]


def read(name: str, present: Present) -> Corpus:
    """The sentences and labels of a user's corpus.

    Raises:
        CorpusError: a file cannot be read, an entity's label is not in the labels file, an id stands in two splits, or
            entities share tokens and `nested` is not declared; names file and line.
    """
    labels = read_labels(present.labels)
    splits = {split: read_jsonl(present.files[split], split=split) for split in SPLITS}
    seen: dict[str, str] = {}
    for split, sentences in splits.items():
        for line, sentence in enumerate(sentences, 1):  # a line of JSONL is a sentence
            _check(present, split, line, sentence, labels)
            if sentence.id in seen:
                what = f"id {sentence.id!r} already stands in {seen[sentence.id]}"
                raise CorpusError(present.files[split], line, what, "Ids must be unique in a corpus: leave them out, or change one.")
            seen[sentence.id] = split
    return Corpus(name, splits, labels)


def _check(present: Present, split: str, line: int, sentence: Sentence, labels: Inventory) -> None:
    for entity in sentence.entities:
        if entity.label not in labels.index:
            what = f"entity {entity.start}:{entity.end} has label {entity.label!r}, which is not in {present.labels}"
            raise CorpusError(present.files[split], line, what, "Add the label there, or mend the entity.")
    if not present.nested and is_nested([sentence]):
        mend = 'Declare `"nested": true` in present.json, or remove one of the entities.'
        raise CorpusError(present.files[split], line, "two entities share a token, in a corpus that is not nested", mend)
