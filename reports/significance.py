"""The verdicts of a report: intervals, paired differences to a baseline, tie groups; computed once, shown in many places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import numpy.typing as npt

from reports.aggregate import Results, Row, Size
from reports.bootstrap import LEVEL, REPLICATES, Floats, Interval, Spread, f1, of_sentences, resampled_f1, spread
from reports.permutation import holm, sign_flip, smallest_p
from reports.ranks import improvement, interquartile_mean, mean_ranks, tie_groups
from reports.variance import Components, crossed
from splits.errors import KfbenchError

Ints = npt.NDArray[np.int64]
Entry = tuple[str, str, Size]  # corpus, variant, size


@dataclass(frozen=True, slots=True)
class Comparison:
    """A variant against the baseline on the draws that both have; F1 as shares.

    Attributes:
        size: None: jointly over all sizes that both have.
        mean: the mean difference, variant minus baseline; it is there with a single draw too.
        difference: the same with its interval over draws and test sentences; None with a single draw.
        p: sign flips of whole draws, two-sided; 1 where no test is possible.
        p_holm: corrected for the variants of the corpus.
        smallest_p: what `p` cannot go below with so few draws.
        improvement: the chance that a run of the variant beats one of the baseline on the same draw.
    """

    corpus: str
    variant: str
    baseline: str
    size: Size | None
    mean: float
    difference: Interval | None
    p: float
    p_holm: float
    smallest_p: float
    improvement: float
    draws: int


@dataclass(frozen=True)
class Verdicts:
    """What a report may say about which variant is better. Entries without a draw are in no mapping.

    Attributes:
        intervals: of the mean F1; entries with two draws or more.
        groups: tie groups of a column, best first (`reports.ranks.tie_groups`); without external systems that lack one of our draws.
        ranks: mean rank over the draws that all our variants of the column have; external systems with fewer draws have none.
        overall_ranks: the mean of `ranks` over all columns, for the variants that stand in every column.
        interquartile: interquartile mean of F1 over draws.
        variances: where two draws or more were run.
    """

    baseline: str
    level: float
    intervals: Mapping[Entry, Interval]
    comparisons: Sequence[Comparison]
    groups: Mapping[tuple[str, Size], Sequence[tuple[str, ...]]]
    ranks: Mapping[Entry, float]
    overall_ranks: Mapping[str, float]
    interquartile: Mapping[Entry, float]
    variances: Mapping[Entry, Components]

    @cached_property
    def _compared(self) -> Mapping[tuple[str, str, Size | None], Comparison]:
        return {(c.corpus, c.variant, c.size): c for c in self.comparisons}

    def comparison(self, corpus: str, variant: str, size: Size | None) -> Comparison | None:
        """A variant against the baseline; None where they share no draw, and for the baseline itself."""
        return self._compared.get((corpus, variant, size))

    def tie_group(self, corpus: str, variant: str, size: Size) -> int | None:
        """1 for the group that no other is better than, and so on."""
        groups = self.groups.get((corpus, size), ())
        return next((i for i, group in enumerate(groups, 1) if variant in group), None)

    def best(self, corpus: str, size: Size) -> str | None:
        """The variant that is separable from all others of its column, if there is one."""
        groups = self.groups.get((corpus, size), ())
        return groups[0][0] if len(groups) > 1 and len(groups[0]) == 1 else None


@dataclass(frozen=True)
class Block:
    """The runs of one entry of a table.

    Shapes:
        runs: for each draw, the F1 of its seeds.
        resampled: [replicates, draws], their means under each resample of sentences.
    """

    draws: tuple[int, ...]
    runs: tuple[Floats, ...]
    resampled: Floats

    @cached_property
    def values(self) -> Floats:
        return np.array([run.mean() for run in self.runs])

    def on(self, draws: Sequence[int]) -> Block:
        """The same on some of its draws."""
        at = [self.draws.index(draw) for draw in draws]
        return Block(tuple(draws), tuple(self.runs[i] for i in at), self.resampled[:, at])

    def spread(self, sentences: int) -> Spread | None:
        return spread(self.values, self.resampled, sentences)


@dataclass(frozen=True)
class Pair:
    """Two variants on the draws that both have: differences of the first to the second, in the mean over some sizes."""

    values: Floats  # [draws]
    spread: Spread | None
    improvement: float

    @property
    def draws(self) -> int:
        return len(self.values)

    @cached_property
    def p(self) -> float:
        return sign_flip(self.values)

    @property
    def strict_p(self) -> float:
        """Evidence over draws AND over test sentences: the larger of both p-values.

        Flipped draws share their test sentences: they may agree on a difference that other sentences would not show.
        """
        return max(self.p, self.spread.p) if self.spread else 1.0


def verdicts(
    results: Results,
    *,
    baseline: str | None = None,
    protocol: str | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
    level: float = LEVEL,
) -> Verdicts:
    """All verdicts over the cells that are there.

    Args:
        baseline: None: the profile's, or its first variant.
        protocol: None: the one that tables show.

    Raises:
        KfbenchError: there is no such baseline, or runs of a corpus were scored on different test sentences.
    """
    base = baseline or results.params.baseline or results.params.rows[0]
    if base not in results.variants:
        raise KfbenchError(f"no variant {base!r} to compare with", f"There are: {', '.join(results.variants)}.")
    corpora = {corpus: _Corpus(results, corpus, protocol, seed, replicates) for corpus in results.params.corpora}
    entries = {(corpus, *key): block for corpus, one in corpora.items() for key, block in one.blocks.items()}
    spreads = {entry: block.spread(corpora[entry[0]].sentences) for entry, block in entries.items()}
    ranked = {(corpus, variant, size): rank for corpus, one in corpora.items() for size in one.sizes for variant, rank in one.ranks(size)}
    return Verdicts(
        baseline=base,
        level=level,
        intervals={entry: found.interval(level, floor=0.0) for entry, found in spreads.items() if found},
        comparisons=tuple(c for one in corpora.values() for c in one.comparisons(base, level)),
        groups={(corpus, size): one.groups(size, level) for corpus, one in corpora.items() for size in one.sizes},
        ranks=ranked,
        overall_ranks=_overall(ranked),
        interquartile={entry: interquartile_mean(block.values) for entry, block in entries.items()},
        variances={entry: _components(block) for entry, block in entries.items() if len(block.draws) > 1},
    )


class _Corpus:
    """The blocks of a corpus under the same resamples of its test sentences."""

    def __init__(self, results: Results, corpus: str, protocol: str | None, seed: int, replicates: int) -> None:
        self.corpus, self.external = corpus, results.external
        variants, sizes = results.variants_on(corpus), results.params.sizes
        rows = {(v, z): found for z in sizes for v in variants if (found := results.block(corpus, v, z, protocol))}
        arrays = _arrays([row for block in rows.values() for row in block])
        self.sentences = int((next(iter(arrays.values()))[:, 2] > 0).sum()) if arrays else 0
        again = resampled_f1(np.stack(list(arrays.values())), seed=seed, replicates=replicates) if arrays else np.zeros((replicates, 0))
        column = {cell: i for i, cell in enumerate(arrays)}
        self.blocks: dict[tuple[str, Size], Block] = {}
        for key, found in rows.items():
            by_draw = _by_draw(found)
            runs = tuple(f1(np.stack([arrays[row.cell].sum(axis=0) for row in of])) for of in by_draw.values())
            resampled = [again[:, [column[row.cell] for row in of]].mean(axis=1) for of in by_draw.values()]
            self.blocks[key] = Block(tuple(by_draw), runs, np.stack(resampled, axis=1))
        self.sizes = [size for size in sizes if any(z == size for _, z in self.blocks)]

    def variants(self, size: Size) -> list[str]:
        """Best mean first; equal ones in the order of the profile."""
        return sorted((v for v, z in self.blocks if z == size), key=lambda v: -self.blocks[v, size].values.mean())

    def pair(self, a: str, b: str, sizes: Sequence[Size]) -> Pair | None:
        """Two variants on the draws that both have in all of `sizes`; None without one."""
        blocks = [(self.blocks[a, size], self.blocks[b, size]) for size in sizes]
        draws = sorted(set.intersection(*(set(block.draws) for pair in blocks for block in pair)))
        if not draws:
            return None
        on = [(x.on(draws), y.on(draws)) for x, y in blocks]
        values = np.mean([x.values - y.values for x, y in on], axis=0)
        resampled = np.mean([x.resampled - y.resampled for x, y in on], axis=0)
        better = float(np.mean([improvement(x.runs, y.runs) for x, y in on]))
        return Pair(values, spread(values, resampled, self.sentences), better)

    def comparisons(self, baseline: str, level: float) -> Iterator[Comparison]:
        """Each size, then jointly where there are several; a family of Holm is the variants of one of these."""
        both: dict[str, list[Size]] = {}
        for variant, size in self.blocks:
            if variant != baseline and (baseline, size) in self.blocks:
                both.setdefault(variant, []).append(size)
        for family in [*self.sizes, None] if len(self.sizes) > 1 else self.sizes:
            pairs: dict[str, Pair] = {}
            for variant, sizes in both.items():
                over = sizes if family is None else [family]
                if family in (None, *sizes) and (found := self.pair(variant, baseline, over)) is not None:
                    pairs[variant] = found
            adjusted = _holm({variant: pair.p for variant, pair in pairs.items() if pair.draws > 1})
            for variant, pair in pairs.items():
                yield Comparison(
                    corpus=self.corpus,
                    variant=variant,
                    baseline=baseline,
                    size=family,
                    mean=float(pair.values.mean()),
                    difference=pair.spread.interval(level, floor=-1.0) if pair.spread else None,
                    p=pair.p,
                    p_holm=adjusted.get(variant, 1.0),
                    smallest_p=smallest_p(pair.draws),
                    improvement=pair.improvement,
                    draws=pair.draws,
                )

    def groups(self, size: Size, level: float) -> tuple[tuple[str, ...], ...]:
        """Tie groups of a column; all its pairs are one family of Holm.

        An external system that lacks one of our draws is in none: on one or two it is separable from nothing, and would tie all others.
        """
        ordered = self._ranked(size)[0]
        pairs = {names: self.pair(*names, [size]) for names in combinations(ordered, 2)}
        adjusted = _holm({names: pair.strict_p for names, pair in pairs.items() if pair and pair.draws > 1})

        def separable(above: str, below: str) -> bool:
            pair = pairs[above, below]
            # On the draws that both have the lower one may lead: then there is no evidence for this order.
            return pair is not None and pair.values.mean() > 0 and adjusted.get((above, below), 1.0) <= 1 - level

        return tie_groups(ordered, separable)

    def ranks(self, size: Size) -> Iterator[tuple[str, float]]:
        """Mean ranks over the draws that all our variants of the column have."""
        variants, draws = self._ranked(size)
        values = {variant: self.blocks[variant, size].on(draws).values for variant in variants}
        yield from mean_ranks([{variant: float(v[i]) for variant, v in values.items()} for i in range(len(draws))]).items()

    def _ranked(self, size: Size) -> tuple[list[str], list[int]]:
        """Our variants, with the external systems that have all draws that ours share; and these draws."""
        variants = self.variants(size)
        have = {variant: {*self.blocks[variant, size].draws} for variant in variants}
        shared = set.intersection(*([have[v] for v in variants if v not in self.external] or list(have.values())))
        return [v for v in variants if v not in self.external or shared <= have[v]], sorted(shared)


def counts_of(
    results: Results, corpus: str, variant: str, size: Size, protocol: str | None = None, draws: Sequence[int] | None = None
) -> Ints | None:
    """tp, pred and gold of one entry of a table: [draws, seeds, sentences, 3].

    Where draws have different numbers of seeds, runs are repeated so that each draw keeps the mean of its seeds.

    Args:
        draws: which, in this order; None: all there are.
    Returns:
        None without a run, or where one of `draws` has none.

    Raises:
        KfbenchError: runs were scored on different test sentences.
    """
    by_draw = _by_draw(results.block(corpus, variant, size, protocol))
    wanted = list(by_draw) if draws is None else list(draws)
    if not wanted or any(draw not in by_draw for draw in wanted):
        return None
    arrays = _arrays([row for draw in wanted for row in by_draw[draw]])
    seeds = int(np.lcm.reduce([len(by_draw[draw]) for draw in wanted]))
    return np.stack(
        [np.repeat(np.stack([arrays[row.cell] for row in by_draw[draw]]), seeds // len(by_draw[draw]), axis=0) for draw in wanted]
    )


def _by_draw(rows: Iterable[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.cell.draw, row.cell.seed)):
        found.setdefault(row.cell.draw, []).append(row)
    return found


def _arrays(rows: Sequence[Row]) -> dict[object, Ints]:
    """Each cell's counts, [sentences, 3].

    Raises:
        KfbenchError: their gold is not the same, so nothing can be paired.
    """
    arrays: dict[object, Ints] = {}
    first: Row | None = None
    for row in rows:
        found = np.array(row.score.sentences, dtype=np.int64).reshape(-1, 3)
        if first is None:
            first = row
        elif not np.array_equal(found[:, 2], arrays[first.cell][:, 2]):
            raise KfbenchError(
                f"{row.cell}: scored on another test split than {first.cell}",
                "The corpus was prepared anew in between: `kfbench run` runs again what is stale.",
            )
        arrays[row.cell] = found
    return arrays


def _holm(p: Mapping[object, float]) -> dict[object, float]:
    return dict(zip(p, holm(list(p.values())), strict=True))


def _overall(ranked: Mapping[Entry, float]) -> dict[str, float]:
    columns = {(corpus, size) for corpus, _, size in ranked}
    found: dict[str, list[float]] = {}
    for (_, variant, _), rank in ranked.items():
        found.setdefault(variant, []).append(rank)
    return {variant: float(np.mean(all_of)) for variant, all_of in found.items() if len(all_of) == len(columns)}


def _components(block: Block) -> Components:
    """Draws with fewer seeds than the others are left out of the split into draw, seed and residual."""
    seeds = max(len(run) for run in block.runs)
    whole = [run for run in block.runs if len(run) == seeds]
    _, sentences = of_sentences(block.resampled)
    if seeds > 1 and len(whole) > 1:
        draw, seed, residual = crossed(np.stack(whole))
        return Components(draw, seed, residual, sentences, len(whole), seeds)
    return Components(float(block.values.var(ddof=1)), None, None, sentences, len(block.draws), 1)
