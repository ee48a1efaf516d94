"""Which sentences a draw takes: hash order, nested sizes, k-shot."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from splits.errors import ConfigError
from splits.schema import Sentence, content_hash

SALT = "kfbench-draw-1"  # another salt gives other draws: it changes only with a new version of all manifests

Size = int | str  # 250 sentences, or `k5`


@dataclass(frozen=True, slots=True)
class Sample:
    """The sentences of one (size, draw), in hash order.

    `rows` are their places in the train split, `ids` their ids, `sha256` the content hash of the sentences themselves.
    `short` holds, for a k-shot size, the types of which train has fewer than k mentions, and how many those are.
    """

    corpus: str
    size: Size
    draw: int
    rows: tuple[int, ...]
    ids: tuple[str, ...]
    sha256: str
    short: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)


def order(corpus: str, ids: Sequence[str], draw: int) -> list[str]:
    """The ids in the order of a draw: by sha256 of salt, corpus, draw and id, so that it does not depend on their order in the file."""

    def key(id: str) -> tuple[str, str]:
        return hashlib.sha256("\x1f".join((SALT, corpus, str(draw), id)).encode()).hexdigest(), id

    return sorted(ids, key=key)


def sample(train: Sequence[Sentence], corpus: str, size: Size, draw: int) -> Sample:
    """The sentences of a size in a draw.

    Raises:
        ConfigError: the size is neither a positive number nor `k5`-like, or is larger than the train split.
    """
    shots = k_of(size)
    if isinstance(size, int) and size > len(train):
        raise ConfigError(
            f"{corpus}: size {size} is larger than its train split; the largest possible is {len(train)}",
            "Lower the size in params.yaml, or leave the corpus out.",
        )
    row_of = {sentence.id: row for row, sentence in enumerate(train)}
    ordered = [row_of[id] for id in order(corpus, list(row_of), draw)]
    counts = mentions(train)
    rows = ordered[: int(size)] if shots is None else k_shot(train, ordered, shots)
    return of_rows(train, corpus, size, draw, rows, {} if shots is None else {t: n for t, n in sorted(counts.items()) if n < shots})


def of_rows(train: Sequence[Sentence], corpus: str, size: Size, draw: int, rows: Sequence[int], short: Mapping[str, int]) -> Sample:
    """A sample of given rows of the train split, in the order given."""
    return Sample(corpus, size, draw, tuple(rows), tuple(train[r].id for r in rows), content_hash(train[r] for r in rows), dict(short))


def k_of(size: Size) -> int | None:
    """5 of `k5`; None for a number of sentences.

    Raises:
        ConfigError: neither.
    """
    if isinstance(size, int) and size > 0:
        return None
    if isinstance(size, str) and size[:1] == "k" and size[1:].isdecimal() and int(size[1:]) > 0:
        return int(size[1:])
    raise ConfigError(f"size {size!r}: a size is a number of sentences (250) or k-shot (k5)", "Correct `sizes` in params.yaml, or --size.")


def parse_size(text: str) -> Size:
    """A size as written on a command line or as a JSON key.

    Raises:
        ConfigError: it is no size.
    """
    size: Size = int(text) if text.isdecimal() else text
    k_of(size)
    return size


def mentions(sentences: Sequence[Sentence]) -> Counter[str]:
    """Entities of each type; one that stands twice in a sentence's list counts once."""
    return Counter(label for sentence in sentences for _, _, label in sentence.spans)


def k_shot(train: Sequence[Sentence], ordered: Sequence[int], k: int) -> list[int]:
    """Rows, in the order given, such that every type has k mentions (or all that there are) and no row can be spared.

    Types by ascending count in train, then name: a sentence taken for a rare type often serves a frequent one too.
    Redundant sentences are dropped in the order in which they were taken.
    """
    held = [mentions([sentence]) for sentence in train]
    available = mentions(train)
    wanted = {label: min(k, count) for label, count in available.items()}
    have: Counter[str] = Counter()
    taken: dict[int, None] = {}
    for label in sorted(available, key=lambda label: (available[label], label)):
        for row in ordered:
            if have[label] >= wanted[label]:
                break
            if label in held[row] and row not in taken:
                taken[row] = None
                have += held[row]
    for row in list(taken):
        if all(have[label] - count >= wanted[label] for label, count in held[row].items()):
            del taken[row]
            have -= held[row]
    return [row for row in ordered if row in taken]


def expected_overlap(size: int, n: int) -> float:
    """The share of its sentences that a draw of `size` out of `n` is expected to have in common with another draw."""
    return size / n


def flagged(size: int, n: int) -> bool:
    """True where draws share more than half of their sentences, so that their spread says too little."""
    return size > n / 2


def observed_overlap(samples: Sequence[Sample]) -> float | None:
    """Mean share of its sentences that a draw has in common with another, over all ordered pairs; None for fewer than two draws."""
    sets = [frozenset(s.rows) for s in samples]
    shares = [len(a & b) / len(a) for i, a in enumerate(sets) for j, b in enumerate(sets) if i != j and a]
    return sum(shares) / len(shares) if shares else None
