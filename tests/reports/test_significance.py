"""Verdicts of whole profiles: paired on the draws that both have, one family of Holm a column, no rank without evidence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.config import Params
from benchmark.result import CellId, Counts, Score
from reports.aggregate import Results, Row
from reports.bootstrap import difference_interval, f1_interval
from reports.permutation import holm, sign_flip
from reports.significance import Verdicts, counts_of, verdicts
from splits.errors import KfbenchError
from tests.reports.fakes import PARAMS, Profile, external

SENTENCES = 80
GOLD = np.random.default_rng(0).integers(0, 4, SENTENCES)


def row(variant: str, size: int | str, draw: int, recall: float, seed: int = 0, gold: np.ndarray = GOLD, corpus: str = "demo_zh") -> Row:
    random = np.random.default_rng([abs(hash_of(variant)), hash_of(str(size)), draw, seed])
    tp = random.binomial(gold, recall)
    pred = tp + random.poisson(0.1, len(gold))
    total = Counts(tp=int(tp.sum()), pred=int(pred.sum()), gold=int(gold.sum()))
    rows = [(int(a), int(b), int(c)) for a, b, c in zip(tp, pred, gold, strict=True)]
    score = Score(micro=total, types={}, boundary=total, unseen=total, no_overlap=total, sentences=rows)
    return Row(CellId(corpus=corpus, variant=variant, size=size, draw=draw, seed=seed), "dev", score, "")


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode(), "big") % 2**31


def results(rows: list[Row], **changes: object) -> Results:
    variants = list(dict.fromkeys(r.cell.variant for r in rows))
    profile = PARAMS | {"corpora": ["demo_zh"], "variants": variants, "methods": {v: {"method": "bert_crf"} for v in variants}}
    profile |= {"sizes": list(dict.fromkeys(r.cell.size for r in rows)), "draws": 10} | changes
    return Results(Params(**profile), tuple(rows), (), {})


def grid(levels: dict[str, float], draws: int = 10, sizes: tuple[int | str, ...] = (50,), seeds: int = 1) -> list[Row]:
    return [row(v, z, d, level, s) for v, level in levels.items() for z in sizes for d in range(draws) for s in range(seeds)]


def judged(rows: list[Row], **changes: object) -> Verdicts:
    return verdicts(results(rows, **changes), replicates=300)


def f1_of(rows: list[Row], variant: str, size: int | str) -> dict[int, float]:
    found: dict[int, list[float]] = {}
    for r in rows:
        if (r.cell.variant, r.cell.size) == (variant, size):
            found.setdefault(r.cell.draw, []).append(r.score.micro.f1)
    return {draw: float(np.mean(values)) for draw, values in found.items()}


def test_verdicts_are_what_the_single_functions_say() -> None:
    rows = grid({"a": 0.6, "b": 0.65, "c": 0.9}, draws=6, sizes=(50, "k5"), seeds=2)
    found, given = judged(rows), results(rows)
    assert found.baseline == "a"
    for size in (50, "k5"):
        counts = {v: counts_of(given, "demo_zh", v, size) for v in "abc"}
        assert {v: c.shape for v, c in counts.items()} == dict.fromkeys("abc", (6, 2, SENTENCES, 3))
        p = {}
        for v in "abc":
            assert found.intervals["demo_zh", v, size] == f1_interval(counts[v], replicates=300)
        for v in "bc":
            compared = found.comparison("demo_zh", v, size)
            assert compared.difference == difference_interval(counts[v], counts["a"], replicates=300)
            ours, theirs = f1_of(rows, v, size), f1_of(rows, "a", size)
            differences = np.array([ours[d] - theirs[d] for d in range(6)])
            assert compared.mean == pytest.approx(differences.mean()) == pytest.approx(compared.difference.estimate)
            p[v] = compared.p
            assert compared.p == sign_flip(differences)
            assert (compared.draws, compared.smallest_p) == (6, 2 / 64)
        assert [found.comparison("demo_zh", v, size).p_holm for v in "bc"] == holm([p["b"], p["c"]])
    joint = found.comparison("demo_zh", "b", None)
    differences = np.mean([[f1_of(rows, "b", z)[d] - f1_of(rows, "a", z)[d] for z in (50, "k5")] for d in range(6)], axis=1)
    assert joint.p == sign_flip(differences)
    assert joint.difference.estimate == pytest.approx(differences.mean())
    assert found.comparison("demo_zh", "a", 50) is None


def test_a_baseline_is_named_or_the_profiles_or_the_first() -> None:
    rows = grid({"a": 0.6, "b": 0.65}, draws=3)
    assert judged(rows).baseline == "a"
    assert judged(rows, baseline="b").baseline == "b"
    assert verdicts(results(rows, baseline="b"), baseline="a", replicates=50).baseline == "a"
    with pytest.raises(KfbenchError, match=r"no variant .z. to compare with(.|\n)*a, b"):
        verdicts(results(rows), baseline="z")


def test_clear_differences_make_groups_and_the_best_is_named() -> None:
    found = judged(grid({"a": 0.5, "b": 0.95, "c": 0.5}))
    assert found.groups["demo_zh", 50][0] == ("b",)
    assert sorted(found.groups["demo_zh", 50][1]) == ["a", "c"]
    assert found.best("demo_zh", 50) == "b"
    assert found.ranks["demo_zh", "b", 50] == 1
    assert found.comparison("demo_zh", "b", 50).improvement == 1


def test_five_draws_separate_nothing_however_clear() -> None:
    found = judged(grid({"a": 0.3, "b": 0.95}, draws=5))
    assert found.groups["demo_zh", 50] == (("b", "a"),)
    assert found.best("demo_zh", 50) is None
    assert found.comparison("demo_zh", "b", 50).p == 0.0625


def test_draws_that_agree_on_a_few_sentences_are_no_evidence_for_other_sentences() -> None:
    """The flips reject: all ten draws find what two sentences hold. Another test split may have no such sentence."""
    rows = []
    for draw in range(10):
        one = row("a", 50, draw, 0.6)
        for variant in "ab":
            sentences = list(one.score.sentences)
            for i in np.flatnonzero(GOLD)[:2]:
                sentences[i] = (GOLD[i], GOLD[i], GOLD[i]) if variant == "b" else (0, 0, GOLD[i])
            score = one.score.model_copy(update={"sentences": sentences})
            rows.append(Row(one.cell.model_copy(update={"variant": variant}), "dev", score, ""))
    found = judged(rows)
    compared = found.comparison("demo_zh", "b", 50)
    assert compared.p == compared.smallest_p
    assert compared.mean > 0
    assert not compared.difference.excludes_zero
    assert found.groups["demo_zh", 50] == (("b", "a"),)


def test_one_draw_has_means_and_no_verdict() -> None:
    found = judged(grid({"a": 0.5, "b": 0.9}, draws=1, seeds=2))
    assert dict(found.intervals) == {}
    compared = found.comparison("demo_zh", "b", 50)
    assert compared.mean > 0.1
    assert (compared.difference, compared.p, compared.p_holm, compared.smallest_p, compared.draws) == (None, 1, 1, 1, 1)
    assert found.groups["demo_zh", 50] == (("b", "a"),)
    assert dict(found.variances) == {}


def test_missing_cells_are_paired_on_what_both_have() -> None:
    rows = [
        r
        for r in grid({"a": 0.5, "b": 0.7}, draws=6, sizes=(50, 100))
        if (r.cell.variant, r.cell.size, r.cell.draw) not in {("a", 50, 0), ("b", 50, 3), ("b", 100, 5)}
    ]
    found = judged(rows)
    compared = found.comparison("demo_zh", "b", 50)
    ours, theirs = f1_of(rows, "b", 50), f1_of(rows, "a", 50)
    assert compared.draws == 4
    assert compared.mean == pytest.approx(np.mean([ours[d] - theirs[d] for d in (1, 2, 4, 5)]))
    assert found.comparison("demo_zh", "b", None).draws == 3
    assert found.intervals["demo_zh", "a", 50].estimate == pytest.approx(np.mean(list(theirs.values())))


def test_variants_that_share_no_draw_are_not_compared() -> None:
    rows = [row("a", 50, 0, 0.5), row("a", 50, 1, 0.5), row("b", 50, 2, 0.9), row("b", 50, 3, 0.9)]
    found = judged(rows)
    assert found.comparison("demo_zh", "b", 50) is None
    assert found.groups["demo_zh", 50] == (("b", "a"),)
    assert dict(found.ranks) == {}


def test_a_size_that_one_of_them_lacks_is_left_out_of_the_joint_verdict() -> None:
    rows = grid({"a": 0.5, "b": 0.7}, draws=6, sizes=(50, 100)) + grid({"c": 0.7}, draws=6, sizes=(50,))
    found = judged(rows)
    assert found.comparison("demo_zh", "c", 100) is None
    assert found.comparison("demo_zh", "c", None).p == found.comparison("demo_zh", "c", 50).p
    assert found.groups["demo_zh", 100] == (("b", "a"),) or found.groups["demo_zh", 100] == (("b",), ("a",))
    assert set(found.overall_ranks) == {"a", "b"}


def test_seeds_give_a_split_of_variance() -> None:
    found = judged(grid({"a": 0.5}, draws=4, seeds=3)).variances["demo_zh", "a", 50]
    assert (found.draws, found.seeds) == (4, 3)
    assert found.seed is not None
    assert found.sentences >= 0
    one = judged(grid({"a": 0.5}, draws=4)).variances["demo_zh", "a", 50]
    assert (one.seed, one.residual, one.seeds) == (None, None, 1)


def test_draws_with_fewer_seeds_keep_their_mean() -> None:
    rows = [r for r in grid({"a": 0.5}, draws=3, seeds=3) if (r.cell.draw, r.cell.seed) not in {(0, 1), (2, 0), (2, 2)}]
    counts = counts_of(results(rows), "demo_zh", "a", 50)
    assert counts.shape == (3, 6, SENTENCES, 3)
    found = judged(rows)
    assert f1_interval(counts, replicates=300).estimate == pytest.approx(np.mean(list(f1_of(rows, "a", 50).values())))
    assert found.intervals["demo_zh", "a", 50].high == pytest.approx(f1_interval(counts, replicates=300).high)


def test_counts_come_in_the_order_of_the_draws_asked_for() -> None:
    given = results(grid({"a": 0.5}, draws=4))
    whole = counts_of(given, "demo_zh", "a", 50)
    np.testing.assert_array_equal(counts_of(given, "demo_zh", "a", 50, draws=[2, 0]), whole[[2, 0]])
    assert counts_of(given, "demo_zh", "a", 50, draws=[0, 7]) is None
    assert counts_of(given, "demo_zh", "nobody", 50) is None


def test_other_test_sentences_are_refused() -> None:
    rows = [row("a", 50, 0, 0.5), row("b", 50, 0, 0.5, gold=GOLD[::-1])]
    with pytest.raises(KfbenchError, match="demo_zh/b/50/0-0: scored on another test split than demo_zh/a/50/0-0"):
        judged(rows)
    with pytest.raises(KfbenchError, match="another test split"):
        judged([row("a", 50, 0, 0.5), row("a", 50, 1, 0.5, gold=GOLD[:-1])])


def test_a_profile_on_disk_with_a_pair_that_cannot_be_and_an_external_row(tmp_path: Path) -> None:
    from benchmark.config import load_params
    from reports.aggregate import read_results

    profile = Profile(tmp_path)
    for draw in (0, 2):
        external(profile, CellId(corpus="demo_zh", variant="theirs", size=50, draw=draw, seed=0))
    found = verdicts(read_results(load_params(tmp_path / "params.yaml"), tmp_path / "results"), replicates=200)
    assert {c.corpus for c in found.comparisons} == {"demo_zh"}, "the baseline cannot be on demo_en"
    assert found.comparison("demo_zh", "theirs", 50).draws == 2
    assert found.groups["demo_en", 50]
    assert "bert_crf" not in found.overall_ranks
    other = verdicts(
        read_results(load_params(tmp_path / "params.yaml"), tmp_path / "results"), protocol="last", baseline="cnn_ner", replicates=200
    )
    assert {c.corpus for c in other.comparisons} == {"demo_zh", "demo_en"}
    assert other.intervals["demo_zh", "cnn_ner", 50] != found.intervals["demo_zh", "cnn_ner", 50]


def test_nothing_at_all_gives_empty_verdicts() -> None:
    found = verdicts(Results(Params(**PARAMS), (), (), {}))
    assert (dict(found.intervals), found.comparisons, dict(found.groups)) == ({}, (), {})
