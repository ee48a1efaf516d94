"""Kinds of errors: what became of each gold entity, and what each predicted one is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from splits.schema import Span

KINDS = {
    "correct": "boundaries and type are right",
    "type": "right boundaries, wrong type",
    "boundary": "right type, overlapping boundaries",
    "both": "overlapping boundaries, wrong type",
    "missed": "nothing was predicted for it",
    "spurious": "predicted where nothing is left to find",
}
ERRORS = tuple(kind for kind in KINDS if kind != "correct")


@dataclass(frozen=True, slots=True)
class Finding:
    """A gold entity and what was predicted for it; `missed` has no prediction, `spurious` no gold."""

    kind: str
    gold: Span | None
    predicted: Span | None


def order(span: Span) -> tuple[int, int, str]:
    """Text order, an entity before those within it."""
    return span[0], -span[1], span[2]


def compare(gold: Collection[Span], predicted: Collection[Span]) -> list[Finding]:
    """Pair gold and predicted spans one to one: equal ones first, then same boundaries, then same type, then any overlap.

    Within a kind of overlap the pair that shares most tokens goes first, then text order. Every span is in exactly one
    finding, so correct + type + boundary + both + missed are the gold entities and, with spurious instead of missed, the
    predicted ones (MUC's categories, Chinchor and Sundheim 1993, with a wrong boundary split by whether the type is right).
    """
    right = sorted(set(gold) & set(predicted), key=order)
    findings = [Finding("correct", span, span) for span in right]
    left, found = (sorted(set(spans).difference(right), key=order) for spans in (gold, predicted))
    for kind in ("type", "boundary", "both") if left and found else ():
        for one, other in _pairs(kind, left, found):
            if one in left and other in found:
                left.remove(one)
                found.remove(other)
                findings.append(Finding(kind, one, other))
    findings += [Finding("missed", span, None) for span in left]
    findings += [Finding("spurious", None, span) for span in found]
    return findings


def _pairs(kind: str, gold: list[Span], predicted: list[Span]) -> list[tuple[Span, Span]]:
    """Candidates of a kind, the best first."""
    pairs = [(one, other) for one in gold for other in predicted if _fits(kind, one, other)]
    return sorted(pairs, key=lambda pair: -_shared(*pair))  # stable: ties stay in text order


def _fits(kind: str, one: Span, other: Span) -> bool:
    if kind == "type":
        return one[:2] == other[:2]
    return _shared(one, other) > 0 and (kind == "both" or one[2] == other[2])


def _shared(one: Span, other: Span) -> int:
    """Tokens that two spans have in common."""
    return min(one[1], other[1]) - max(one[0], other[0])
