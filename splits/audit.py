"""What a corpus has that a reader of its numbers should know: counted and reported, never dropped."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from splits.corpus import Corpus
from splits.sample import Size, expected_overlap, observed_overlap, sample
from splits.schema import Sentence, Span, is_nested, surfaces

LENGTH_EDGES = (1, 2, 6, 11, 21, 41, 81, 161)  # histogram bins by their smallest length; the last is open
LISTED = 20  # ids listed for each finding; the counts are complete

Text = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SplitAudit:
    """Counts of one split.

    `repeated` counts the sentences after the first with the same tokens, `repeated_texts` the different token sequences among them,
    `conflicting` those of these texts that are annotated in more than one way. `nested` counts entities that share a token with another.
    """

    sentences: int
    tokens: int
    entities: int
    repeated: int
    repeated_texts: int
    conflicting: int
    repaired_tags: int
    repaired_sentences: int
    empty: int
    one_token: int
    without_entities: int
    nested: int
    repeated_spans: int
    lengths: Mapping[str, int]
    labels: Mapping[str, int]
    missing_labels: tuple[str, ...]
    unknown_labels: tuple[str, ...]
    unseen_surfaces: float | None
    repeated_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Sentences of `split` whose tokens occur in `within`; `conflicting` are annotated otherwise in every copy there."""

    split: str
    within: str
    sentences: int
    conflicting: int
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DrawOverlap:
    """The mean share of its sentences that a draw of a size has in common with another; None expected for k-shot."""

    size: Size
    draws: int
    expected: float | None
    observed: float | None
    flagged: bool


@dataclass(frozen=True)
class Audit:
    """All findings about a corpus, as data, JSON and Markdown."""

    corpus: str
    is_nested: bool
    splits: Mapping[str, SplitAudit]
    overlaps: tuple[Overlap, ...]
    draws: tuple[DrawOverlap, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The audit in JSON's types."""
        return asdict(self)

    def to_markdown(self) -> str:
        """A page: splits side by side, then overlaps, labels, lengths, draws."""
        names = list(self.splits)
        columns = list(self.splits.values())
        rows = [[title, *(str(getattr(c, field)) for c in columns)] for field, title in COUNTS.items()]
        unseen = ["-" if c.unseen_surfaces is None else f"{c.unseen_surfaces:.1%}" for c in columns]
        rows.append(["entities whose surface form train lacks", *unseen])
        rows.append(["labels without an entity", *(", ".join(c.missing_labels) or "-" for c in columns)])
        rows.append(["labels outside the inventory", *(", ".join(c.unknown_labels) or "-" for c in columns)])
        labels = [[label, *(str(c.labels.get(label, 0)) for c in columns)] for label in dict.fromkeys(x for c in columns for x in c.labels)]
        lengths = [[length, *(str(c.lengths[length]) for c in columns)] for length in columns[0].lengths] if columns else []
        parts = [
            f"# Audit of {self.corpus}",
            "Counted and reported; nothing was dropped." + (" Entities nest." if self.is_nested else ""),
            _table(["", *names], rows),
            "## Sentences that stand in another split",
            _table(
                ["split", "occur in", "sentences", "annotated otherwise there"],
                [[o.split, o.within, str(o.sentences), str(o.conflicting)] for o in self.overlaps],
            ),
            "## Entities by label",
            _table(["label", *names], labels),
            "## Sentences by length in tokens",
            _table(["tokens", *names], lengths),
        ]
        if self.draws:
            shares = [[str(d.size), str(d.draws), _share(d.expected), _share(d.observed), "yes" if d.flagged else ""] for d in self.draws]
            parts += ["## Sentences that two draws share", _table(["size", "draws", "expected", "observed", "above half"], shares)]
        return "\n\n".join(parts) + "\n"


COUNTS = {
    "sentences": "sentences",
    "tokens": "tokens",
    "entities": "entities",
    "repeated": "repeated sentences",
    "repeated_texts": "different texts among them",
    "conflicting": "texts annotated in more than one way",
    "repaired_tags": "repaired tags",
    "repaired_sentences": "sentences with a repaired tag",
    "empty": "sentences without a token",
    "one_token": "sentences of one token",
    "without_entities": "sentences without an entity",
    "nested": "entities that share a token with another",
    "repeated_spans": "entities listed twice",
}


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [[re.sub(r"([\\`*|<\[])", r"\\\1", cell) for cell in row] for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def audit(corpus: Corpus, sizes: Sequence[Size] = (), draws: int = 10) -> Audit:
    """Count what is odd in a corpus, and how much its draws of `sizes` overlap (a size larger than train is left out)."""
    train = corpus.splits.get("train", [])
    known = {tuple(surface) for surface in surfaces(train)}
    splits = {name: _split(sentences, corpus.labels.names, None if name == "train" else known) for name, sentences in corpus.splits.items()}
    pairs = [(later, earlier) for earlier, later in combinations(corpus.splits, 2)]
    overlaps = tuple(_overlap(corpus, split, within) for split, within in pairs)
    shares = tuple(_draws(train, corpus.name, size, draws) for size in sizes if isinstance(size, str) or size <= len(train))
    return Audit(corpus.name, any(is_nested(s) for s in corpus.splits.values()), splits, overlaps, shares)


def _split(sentences: Sequence[Sentence], inventory: Sequence[str], known: set[Text] | None) -> SplitAudit:
    copies: dict[Text, list[Sentence]] = defaultdict(list)
    for sentence in sentences:
        copies[sentence.text].append(sentence)
    repeats = [copy for same in copies.values() for copy in same[1:]]
    labels = Counter(entity.label for s in sentences for entity in s.entities)
    mentions = list(surfaces(sentences))
    lengths = dict.fromkeys(_bins(), 0)
    for sentence in sentences:
        lengths[_bin(len(sentence.text))] += 1
    return SplitAudit(
        sentences=len(sentences),
        tokens=sum(len(s.text) for s in sentences),
        entities=len(mentions),
        repeated=len(repeats),
        repeated_texts=sum(len(same) > 1 for same in copies.values()),
        conflicting=sum(len({s.spans for s in same}) > 1 for same in copies.values()),
        repaired_tags=sum(s.repaired for s in sentences),
        repaired_sentences=sum(s.repaired > 0 for s in sentences),
        empty=sum(not s.text for s in sentences),
        one_token=sum(len(s.text) == 1 for s in sentences),
        without_entities=sum(not s.entities for s in sentences),
        nested=sum(_sharing(s.spans) for s in sentences),
        repeated_spans=sum(len(s.entities) - len(s.spans) for s in sentences),
        lengths=lengths,
        labels={label: labels[label] for label in (*inventory, *sorted(set(labels) - set(inventory)))},
        missing_labels=tuple(label for label in inventory if not labels[label]),
        unknown_labels=tuple(sorted(set(labels) - set(inventory))),
        unseen_surfaces=sum(m not in known for m in mentions) / len(mentions) if known is not None and mentions else None,
        repeated_ids=tuple(s.id for s in repeats[:LISTED]),
    )


def _bins() -> list[str]:
    ends = [edge - 1 for edge in LENGTH_EDGES[1:]]
    closed = [str(start) if start == end else f"{start}-{end}" for start, end in zip(LENGTH_EDGES, ends, strict=False)]
    return ["0", *closed, f"{LENGTH_EDGES[-1]}+"]


def _bin(length: int) -> str:
    return _bins()[sum(length >= edge for edge in LENGTH_EDGES)]


def _sharing(spans: frozenset[Span]) -> int:
    """Spans that share a token with another one."""
    holders = Counter(i for start, end, _ in spans for i in range(start, end))
    return sum(any(holders[i] > 1 for i in range(start, end)) for start, end, _ in spans)


def _overlap(corpus: Corpus, split: str, within: str) -> Overlap:
    there: dict[Text, set[frozenset[Span]]] = defaultdict(set)
    for sentence in corpus.splits[within]:
        there[sentence.text].add(sentence.spans)
    found = [s for s in corpus.splits[split] if s.text in there]
    conflicting = sum(s.spans not in there[s.text] for s in found)
    return Overlap(split, within, len(found), conflicting, tuple(s.id for s in found[:LISTED]))


def _draws(train: Sequence[Sentence], corpus: str, size: Size, draws: int) -> DrawOverlap:
    observed = observed_overlap([sample(train, corpus, size, draw) for draw in range(draws)])
    expected = expected_overlap(size, len(train)) if isinstance(size, int) else None
    share = expected if expected is not None else observed
    return DrawOverlap(size, draws, expected, observed, (share or 0) > 0.5)
