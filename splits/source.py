"""What a corpus is, where it comes from and what may be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Pinned:
    """A file of upstream's repository, fixed by its content.

    `mirror` is its name in a mirror directory, below the corpus's folder (default: the last part of `path`).
    """

    path: str
    sha256: str
    size: int
    url: str  # https, at a commit
    mirror: str = ""

    @property
    def name(self) -> str:
        return self.mirror or self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Source:
    """Provenance and facts of a corpus; every field without a default is required of every converter.

    `nested` says that entities may share tokens. `redistributable` False keeps sentences out of what is published.
    `files` is empty for a corpus that the project generates.
    """

    language: str  # ISO 639-1
    licence: str
    redistributable: bool
    citation: str  # BibTeX key in docs/references.bib
    nested: bool = False
    repository: str = ""
    commit: str = ""
    files: Mapping[str, Pinned] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CorpusInfo:
    """What a method may ask about a corpus before it is read."""

    name: str
    language: str
    nested: bool
    redistributable: bool


def github(repository: str, commit: str, path: str, sha256: str, size: int, mirror: str = "") -> Pinned:
    """A file of a GitHub repository at a commit."""
    return Pinned(path, sha256, size, f"https://raw.githubusercontent.com/{repository}/{commit}/{path}", mirror)
