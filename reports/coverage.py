"""How often the intervals of a report hold the truth: `python -m reports.coverage` simulates coverage.json, --show prints it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import track

from reports.bootstrap import LEVEL, Floats, f1, sentence_weights, spread, weighted_f1
from reports.permutation import sign_flip
from reports.simulation import World
from splits.files import write_text

FILE = Path(__file__).parent / "coverage.json"
TRIALS, REPLICATES, SEED = 2000, 1000, 20_260
FLIPS = 1999  # of runs that are too many to flip exactly
DRAWS = (3, 5, 10)
WORLDS = (  # between draws F1 varies by 1.4, 2.6 and 6 points; test splits as small as Weibo's, and larger
    World("steady draws", sentences=300, draw=0.03, own_draw=0.02, seed=0.02),
    World("uneven draws", sentences=300, draw=0.15, own_draw=0.1),
    World("wild draws", sentences=300, draw=0.4, own_draw=0.25, seed=0.15),
    World("small test split", sentences=150, draw=0.15, own_draw=0.1),
)
# Nulls of equal methods. Alike: they err on the same sentences. Apart: each has its own hard ones, equal over all test splits.
NULLS = (
    World("alike", sentences=300, ability=(0.8, 0.8), draw=0.15, own_draw=0.1, own_sentence=0.0),
    World("apart", sentences=300, ability=(0.8, 0.8), draw=0.15, own_draw=0.1, own_sentence=0.5),
)
TESTS = ("sign flips of draws", "sign flips and interval", "sign flips of runs")
USED = "crossed t"  # the interval of `reports.bootstrap`
METHODS = {
    USED: "variance of draws plus covariance by shared sentences, t quantile with Satterthwaite degrees of freedom: ours",
    "percentile": "draws and sentences resampled together, percentiles",
    "bca": "the same replicates, bias-corrected and accelerated",
    "bootstrap t": "the same replicates' standard deviation, t quantile with draws - 1 degrees of freedom",
    "draws t": "t interval of the draws alone: test sentences taken for fixed",
}


def intervals(values: Floats, resampled: Floats, influence: Floats, sentences: int, random: np.random.Generator) -> dict[str, Floats]:
    """Low and high of each method for one mean over draws.

    Args:
        values: [draws]; resampled: [replicates, draws], under resampled sentences.
        influence: [sentences], how much leaving one out would move the estimate, times the number of sentences.
    """
    from scipy.special import ndtr, ndtri, stdtrit

    n, estimate = len(values), values.mean()
    chosen = random.integers(0, n, resampled.shape)
    both = np.sort(np.take_along_axis(resampled, chosen, axis=1).mean(axis=1))
    tails = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    ours = spread(values, resampled, sentences)
    assert ours is not None
    found = ours.interval(LEVEL, floor=-1.0)
    # Acceleration of a statistic of two samples (Efron and Tibshirani 1993, section 14.3).
    parts = [(values - estimate) / n, influence / len(influence)]
    square = sum(float((part**2).sum()) for part in parts)
    skew = sum(float((part**3).sum()) for part in parts) / (6 * square**1.5) if square else 0.0
    below = np.clip(
        (np.count_nonzero(both < estimate) + np.count_nonzero(both == estimate) / 2) / len(both), 0.5 / len(both), 1 - 0.5 / len(both)
    )
    z0, z = ndtri(below), ndtri(tails)
    quantile = float(stdtrit(n - 1, tails[1]))
    return {
        USED: np.array([found.low, found.high]),
        "percentile": np.quantile(both, tails),
        "bca": np.quantile(both, ndtr(z0 + (z0 + z) / (1 - skew * (z0 + z)))),
        "bootstrap t": estimate + np.array([-1, 1]) * quantile * both.std(ddof=1),
        "draws t": estimate + np.array([-1, 1]) * quantile * values.std(ddof=1) / np.sqrt(n),
    }


def cover(
    world: World, draws: int, *, seeds: int = 1, trials: int = TRIALS, replicates: int = REPLICATES, seed: int = SEED
) -> list[dict[str, Any]]:
    """A record for F1 and for the difference and each method: how many intervals hold the truth, and their mean width."""
    random = np.random.default_rng([seed, draws, *world.name.encode()])
    # Each trial has sentences of its own, so all may be resampled with the same weights.
    weights = list(sentence_weights(world.sentences, seed=seed, replicates=replicates))
    truth = world.expected_f1()
    expected = {"f1": truth[1], "difference": truth[1] - truth[0]}
    held = {(what, method): 0 for what in expected for method in METHODS}
    width = dict.fromkeys(held, 0.0)
    for _ in range(trials):
        counts = world.runs(random, draws, seeds)
        again = weighted_f1(counts, weights).mean(axis=-1)  # [replicates, method, draws]
        values = f1(counts.sum(axis=-2)).mean(axis=-1)
        influence = _influence(counts)
        with_gold = int((counts[0, 0, 0, :, 2] > 0).sum())
        for what, sign in (("f1", np.array([0, 1])), ("difference", np.array([-1, 1]))):
            found = intervals(sign @ values, np.einsum("rmd,m->rd", again, sign), sign @ influence, with_gold, random)
            for method, (low, high) in found.items():
                held[what, method] += int(low <= expected[what] <= high)
                width[what, method] += (high - low) / trials
    head = {"world": world.name, "draws": draws, "seeds": seeds}
    return [
        head | {"of": what, "method": method, "coverage": held[what, method] / trials, "width": round(100 * width[what, method], 2)}
        for what, method in held
    ]


def _influence(counts: npt.NDArray[Any]) -> Floats:
    """[method, sentences]: the influence of each sentence on the mean F1 of a method's runs."""
    sizes = counts[..., 1] + counts[..., 2]
    value = f1(counts.sum(axis=-2))[..., None]
    found = (2 * counts[..., 0] - value * sizes) / np.maximum(sizes.mean(axis=-1, keepdims=True), 1e-9)
    return np.asarray(found.mean(axis=(1, 2)), dtype=np.float64)


def reject(
    world: World, draws: int, *, seeds: int = 2, trials: int = TRIALS, replicates: int = REPLICATES, seed: int = SEED
) -> dict[str, Any]:
    """How often each test rejects at 5 % that two methods are equal, which they are."""
    random = np.random.default_rng([seed, draws, seeds, *world.name.encode()])
    weights = list(sentence_weights(world.sentences, seed=seed, replicates=replicates))
    rejected = dict.fromkeys(TESTS, 0)
    for _ in range(trials):
        counts = world.runs(random, draws, seeds)
        runs = f1(counts.sum(axis=-2))
        again = weighted_f1(counts, weights).mean(axis=-1)
        difference = runs[1] - runs[0]
        found = spread(difference.mean(axis=1), again[:, 1] - again[:, 0], int((counts[0, 0, 0, :, 2] > 0).sum()))
        assert found is not None
        p = sign_flip(difference.mean(axis=1))
        rejected["sign flips of draws"] += int(p <= 1 - LEVEL)
        rejected["sign flips and interval"] += int(max(p, found.p) <= 1 - LEVEL)
        rejected["sign flips of runs"] += int(sign_flip(difference.ravel(), flips=FLIPS) <= 1 - LEVEL)
    return {"world": world.name, "draws": draws, "seeds": seeds} | {name: count / trials for name, count in rejected.items()}


def simulate(
    *, worlds: Sequence[World] = WORLDS, nulls: Sequence[World] = NULLS, trials: int = TRIALS, replicates: int = REPLICATES
) -> dict[str, Any]:
    """All of coverage.json."""
    pairs = [(world, draws) for world in worlds for draws in DRAWS]
    covered = [cover(w, d, trials=trials, replicates=replicates) for w, d in track(pairs, "coverage", transient=True)]
    true = [(world, draws) for world in nulls for draws in (5, 6, 10)]
    rejected = [reject(w, d, trials=trials, replicates=replicates) for w, d in track(true, "rejections", transient=True)]
    return {
        "command": "python -m reports.coverage",
        "level": LEVEL,
        "trials": trials,
        "replicates": replicates,
        "seed": SEED,
        "methods": METHODS,
        "worlds": [asdict(world) for world in (*worlds, *nulls)],
        "coverage": [record for several in covered for record in several],
        "rejections": rejected,
    }


@cache
def measured() -> Mapping[str, Any]:
    """coverage.json as it was committed."""
    found: Mapping[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def simulated(draws: int, of: str = "f1") -> tuple[int, float, float]:
    """The number of draws nearest to `draws` that was simulated, and the lowest and highest coverage over all worlds.

    Args:
        of: `f1` or `difference`.
    """
    records: Iterable[Mapping[str, Any]] = [r for r in measured()["coverage"] if r["of"] == of and r["method"] == USED]
    nearest = min((r["draws"] for r in records), key=lambda n: (abs(n - draws), n))
    found = [r["coverage"] for r in records if r["draws"] == nearest]
    return nearest, min(found), max(found)


def shown() -> str:
    """The committed figures as Markdown, in percent."""
    found, parts = measured(), []
    for of, title in (("f1", "Mean F1"), ("difference", "Paired difference")):
        cells = {(r["world"], r["draws"], r["method"]): r for r in found["coverage"] if r["of"] == of}
        rows = []
        for world, draws in dict.fromkeys((w, d) for w, d, _ in cells):
            percent = [f"{100 * cells[world, draws, method]['coverage']:.1f}" for method in METHODS]
            rows.append([world, str(draws), *percent, f"±{cells[world, draws, USED]['width'] / 2:.1f}"])
        parts += [
            f"{title}: cases in which the {100 * found['level']:.0f} % interval holds the truth",
            "",
            *_lines(("world", "draws", *METHODS, f"{USED}, points"), rows),
            "",
        ]
    rows = [[r["world"], str(r["draws"]), *(f"{100 * r[name]:.1f}" for name in TESTS)] for r in found["rejections"]]
    parts += ["Equal methods, two seeds a draw: cases in which a test at 5 % rejects", "", *_lines(("world", "draws", *TESTS), rows)]
    return "\n".join(parts) + "\n"


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *["--:"] * (len(head) - 1)]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]


def main(arguments: Sequence[str]) -> None:
    """Simulate and write, then print; with --show print what is committed."""
    if "--show" not in arguments:
        write_text(FILE, json.dumps(simulate(), ensure_ascii=False, indent=1) + "\n")
    print(shown(), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
