"""Sets of spans into counts: what P, R and F1 are made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet

from benchmark.result import Counts, Score
from splits.schema import Sentence, Span

Surface = tuple[str, ...]


def score(
    gold: Sequence[Sentence],
    predicted: Sequence[Collection[Span]],
    *,
    labels: Iterable[str] = (),
    known: AbstractSet[Surface] = frozenset(),
    trained: AbstractSet[tuple[str, ...]] = frozenset(),
) -> Score:
    """Score predictions against gold, both as sets: an entity that stands twice counts once.

    Args:
        gold: the sentences of a split.
        predicted: the spans of each, in the same order.
        labels: types that the result lists even where none occurs.
        known: surface forms of the entities of the training sample; the others are `unseen`.
        trained: token sequences of the corpus's whole train split; sentences among them are not in `no_overlap`.

    Raises:
        ValueError: not as many rows as sentences.
    """
    pairs = [(sentence, sentence.spans, frozenset(spans)) for sentence, spans in zip(gold, predicted, strict=True)]
    rows = [_row(g, p) for _, g, p in pairs]
    return Score(
        micro=totals(rows),
        types={label: totals(_row(_of(g, label), _of(p, label)) for _, g, p in pairs) for label in _types(labels, pairs)},
        boundary=totals(_row({s[:2] for s in g}, {s[:2] for s in p}) for _, g, p in pairs),
        unseen=totals(_row(_unseen(s, g, known), _unseen(s, p, known)) for s, g, p in pairs),
        no_overlap=totals(row for row, sentence in zip(rows, gold, strict=True) if sentence.text not in trained),
        sentences=rows,
    )


def totals(rows: Iterable[tuple[int, int, int]]) -> Counts:
    """The sum of (tp, pred, gold) rows: of all sentences, or of any subset or resample of them."""
    tp = pred = gold = 0
    for row in rows:
        tp, pred, gold = tp + row[0], pred + row[1], gold + row[2]
    return Counts(tp=tp, pred=pred, gold=gold)


def micro_f1(gold: Sequence[Sentence], predicted: Sequence[Collection[Span]]) -> float:
    """F1 alone: what a monitor needs."""
    return totals(_row(sentence.spans, frozenset(spans)) for sentence, spans in zip(gold, predicted, strict=True)).f1


def _row(gold: AbstractSet[object], predicted: AbstractSet[object]) -> tuple[int, int, int]:
    return len(gold & predicted), len(predicted), len(gold)


def _of(spans: AbstractSet[Span], label: str) -> set[Span]:
    return {span for span in spans if span[2] == label}


def _unseen(sentence: Sentence, spans: AbstractSet[Span], known: AbstractSet[Surface]) -> set[Span]:
    return {span for span in spans if sentence.surface(span) not in known}


def _types(labels: Iterable[str], pairs: Iterable[tuple[Sentence, AbstractSet[Span], AbstractSet[Span]]]) -> list[str]:
    found = set(labels)
    for _, gold, predicted in pairs:
        found.update(span[2] for span in gold | predicted)
    return sorted(found)
