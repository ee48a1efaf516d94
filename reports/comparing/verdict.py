"""What may be said of two methods, in numbers and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any

from reports.aggregate import VALUES, by_draw
from reports.bootstrap import LEVEL
from reports.comparing.cells import Ran
from reports.comparing.request import Request, Size
from reports.permutation import smallest_p
from reports.significance import Comparison, verdicts

ALPHA = 1 - LEVEL


@dataclass(frozen=True)
class Line:
    """One corpus and size, or all sizes of a corpus jointly (`size` None).

    Attributes:
        f1, baseline_f1: means over draws, as shares; None jointly.
        comparison: of the method with the baseline.
        words: what it means.
    """

    f1: float | None
    baseline_f1: float | None
    comparison: Comparison
    words: str


@dataclass(frozen=True)
class Verdict:
    """What a comparison found.

    Attributes:
        lines: in the order of the profile.
        notes: what else to know: budgets that differ, data that one has and the other has not, draws beyond the profile.
    """

    variant: str
    baseline: str
    protocol: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        rows = [{"f1": one.f1, "baseline_f1": one.baseline_f1, **asdict(one.comparison), "words": one.words} for one in self.lines]
        return {
            "method": self.variant,
            "baseline": self.baseline,
            "protocol": self.protocol,
            "comparisons": rows,
            "notes": list(self.notes),
        }


def judge(asked: Request, ran: Ran, settings: Mapping[str, Mapping[str, Any]], artefacts: Mapping[str, Sequence[str]]) -> Verdict:
    """The verdict over the cells that are there.

    Args:
        settings: variant -> every hyper-parameter, resolved.
        artefacts: variant -> names of what it is trained on beside the sample.
    """
    found = verdicts(ran.results, baseline=asked.baseline)
    lines = []
    for comparison in found.comparisons:
        means = [_mean(ran, comparison, variant) for variant in (asked.variant, asked.baseline)]
        lines.append(Line(means[0], means[1], comparison, words(comparison, deviation(ran, comparison))))
    notes = (*unequal(asked, settings, artefacts), *_others(asked, ran))
    return Verdict(asked.variant, asked.baseline, asked.params.protocol.name, tuple(lines), notes)


def _mean(ran: Ran, comparison: Comparison, variant: str) -> float | None:
    if comparison.size is None:
        return None
    return ran.results.summary(VALUES["f1"], comparison.corpus, variant, comparison.size).mean


def deviation(ran: Ran, found: Comparison) -> float | None:
    """Of the paired difference between draws, in F1 points; None from one draw, or where all are the same."""
    sizes = ran.results.params.sizes if found.size is None else [found.size]
    by_size = []
    for size in sizes:
        one, other = (by_draw(ran.results.block(found.corpus, v, size), VALUES["f1"]) for v in (found.variant, found.baseline))
        by_size.append({draw: 100 * (one[draw] - other[draw]) for draw in one.keys() & other.keys()})
    draws = sorted(set.intersection(*(set(one) for one in by_size)))
    return (stdev(fmean(one[draw] for one in by_size) for draw in draws) or None) if len(draws) > 1 else None


def words(found: Comparison, deviation: float | None = None) -> str:
    """One comparison in a sentence or two; F1 in points.

    Args:
        deviation: of the difference between draws, for who wants to know how many it takes.
    """
    where = f"on {found.corpus}, " + (f"{_sentences(found.size)}" if found.size is not None else "all sizes jointly")
    gap = f"{100 * found.mean:+.1f} F1 {where}"
    if found.difference is None or found.draws < 2:
        return f"{gap}, from one draw: that proves nothing, another draw may turn it round. {_more(found.draws)}"
    interval = f"[{100 * found.difference.low:+.1f}, {100 * found.difference.high:+.1f}]"
    if found.smallest_p > ALPHA:
        return (
            f"{gap}, {interval}: no evidence either way can come from {found.draws} draws, whose p is {found.smallest_p:.3g} at best. "
            f"{_more(found.draws)}"
        )
    if found.p <= ALPHA and found.difference.excludes_zero:
        better, worse = (found.variant, found.baseline) if found.mean > 0 else (found.baseline, found.variant)
        return f"{gap}, {interval}, p {found.p:.3g}: evidence that {better} is better than {worse} here."
    if found.p <= ALPHA:
        return f"{gap}, {interval}, p {found.p:.3g}: the draws agree, but other test sentences might not: not settled."
    return (
        f"{gap}, {interval}, p {found.p:.3g}: no evidence of a difference, nor that there is none: the interval says what is left open."
        + (f" `kfbench power --sd {deviation:.2g}` says how many draws a difference needs." if deviation else "")
    )


def _sentences(size: Size) -> str:
    return f"{size} sentences" if isinstance(size, int) else f"{size[1:]} shots"


def _more(draws: int) -> str:
    """How many draws it takes before p can be small."""
    enough = next(n for n in range(draws + 1, 100) if smallest_p(n) <= ALPHA)
    return f"With --draws {enough} p can fall to {smallest_p(enough):.3g}; each draw adds a cell to each method, what is done is kept."


def unequal(asked: Request, settings: Mapping[str, Mapping[str, Any]], artefacts: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """In what the two are not trained alike, as far as params can say."""
    a, b = asked.variant, asked.baseline
    one, other = (asked.params.training_of(name).model_dump() for name in (a, b))
    for key in one:
        if one[key] != other[key]:
            yield f"unequal budgets: training.{key} is {one[key]} for {a}, {other[key]} for {b}."
    given = asked.params.methods[b].params
    for key, value in given.items():
        mine = settings[a].get(key, value)
        if key in settings[a] and key not in asked.params.methods[a].params and mine != settings[b][key]:
            yield (
                f"the profile gives {b} {key}={settings[b][key]}; {a} has the field too and runs with its own default, {mine}. "
                f"For the same, --param {key}={settings[b][key]}."
            )
    for name, rival in ((a, b), (b, a)):
        if more := [artefact for artefact in artefacts[name] if artefact not in artefacts[rival]]:
            yield f"{name} is trained on more than the sample: {', '.join(more)}; {rival} is not."


def _others(asked: Request, ran: Ran) -> Iterator[str]:
    if asked.taken:
        said = ", ".join(f"{key}={value}" for key, value in asked.taken.items())
        yield f"{asked.variant} runs with {said}, as the profile's methods do; --own-params leaves it its defaults."
    for pair in ran.unfit:
        yield f"n/a: {pair.corpus}: {pair.variant}: {pair.reason}; it is not compared there."
    if ran.results.gaps:
        yield f"{len(ran.results.gaps)} cells are missing; only draws that both have are compared."
    for corpus, size in sorted(ran.flagged, key=str):
        yield f"{corpus}, {_sentences(size)}: draws share more than half of their sentences, so their spread says too little."
    for beyond in asked.beyond:
        yield f"beyond the profile: {beyond}. Cells are kept in the store; a report shows them once params.yaml has them."
    if len(ran.seconds) == 2:
        a, b = asked.variant, asked.baseline
        yield f"mean time of a fit: {ran.seconds[a]:.1f} s {a}, {ran.seconds[b]:.1f} s {b}."
