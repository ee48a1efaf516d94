"""Numbers of a report against numpy, and what happens to cells that are not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.config import load_params
from benchmark.result import METRICS, CellId, Counts, Score
from reports.aggregate import VALUES, Row, long_form, read_overlaps, read_results, require_all, summarise, type_f1
from splits.errors import KfbenchError
from tests.reports.fakes import REASON, Profile


def row(draw: int, seed: int, tp: int) -> Row:
    nothing = Counts(tp=0, pred=0, gold=0)
    found = Counts(tp=tp, pred=100, gold=100)
    score = Score(micro=found, types={"A": found, "B": nothing}, boundary=found, unseen=nothing, no_overlap=found, sentences=[])
    return Row(CellId(corpus="c", variant="v", size=1, draw=draw, seed=seed), "dev", score, "")


@given(st.lists(st.lists(st.integers(0, 100), min_size=1, max_size=4), min_size=2, max_size=8))
def test_seeds_are_averaged_inside_a_draw_and_only_draws_are_replicates(hits):
    rows = [row(draw, seed, tp) for draw, seeds in enumerate(hits) for seed, tp in enumerate(seeds)]
    draws = np.array([np.mean(seeds) / 100 for seeds in hits])
    found = summarise(rows, VALUES["f1"], planned=99)
    assert found.n == len(hits)
    assert (found.cells, found.planned, found.complete) == (len(rows), 99, False)
    got = [found.mean, found.std, found.median, found.min, found.max]
    np.testing.assert_allclose(got, [draws.mean(), draws.std(ddof=1), np.median(draws), draws.min(), draws.max()], atol=1e-12)


def test_one_draw_has_no_spread_and_no_draw_has_nothing():
    assert summarise([row(0, 0, 50)], VALUES["f1"], planned=1).std is None
    nothing = summarise([], VALUES["f1"], planned=3)
    assert (nothing.mean, nothing.std, nothing.n, nothing.cells, nothing.planned) == (None, None, 0, 0, 3)


@pytest.mark.parametrize("value", [VALUES["unseen_f1"], type_f1("B"), type_f1("not in test")])
def test_a_value_without_gold_entities_is_undefined_and_not_zero(value):
    found = summarise([row(0, 0, 50), row(1, 0, 50)], value, planned=2)
    assert (found.mean, found.n, found.cells) == (None, 0, 2)


def test_exactly_the_planned_cells_are_read(tmp_path: Path):
    profile = Profile(tmp_path)
    profile.write(CellId(corpus="demo_zh", variant="cnn_ner", size=50, draw=7, seed=0))  # of an older plan
    found = read_results(load_params(tmp_path / "params.yaml"), tmp_path / "results")
    require_all(found)
    assert {r.cell for r in found.rows} == set(profile.cells())
    assert found.reasons == {("demo_en", "bert_crf"): REASON}
    assert {r.protocol for r in found.rows} == {"dev", "last"}
    last = found.summary(VALUES["f1"], "demo_zh", "cnn_ner", 50, "last")
    block = ("demo_zh", "cnn_ner", 50, "last")
    f1 = [r.score.micro.f1 for r in found.rows if (r.cell.corpus, r.cell.variant, r.cell.size, r.protocol) == block]
    assert last.mean == pytest.approx(np.mean(f1))
    assert len(f1) == last.n == 3


def test_a_missing_damaged_foreign_or_outdated_cell_is_a_gap_that_is_named(tmp_path: Path):
    profile = Profile(tmp_path)
    a, b, c, d = profile.cells()[:4]
    (profile.folder(a) / METRICS).unlink()
    (profile.folder(b) / METRICS).write_text('{"schema_version": 1, "ce')
    profile.write(c, cell=d)
    profile.write(d, protocol="dev")  # of the profile before it had a dev_size
    found = read_results(load_params(tmp_path / "params.yaml"), tmp_path / "results")
    assert [gap.cell for gap in found.gaps] == [a, b, c, d]
    planned = len(profile.cells())
    with pytest.raises(KfbenchError, match=rf"4 of {planned} planned cells have no result(.|\n)*{a}: not run(.|\n)*--partial"):
        require_all(found)
    assert found.summary(VALUES["f1"], a.corpus, a.variant, a.size).cells == 0


def test_a_long_list_of_missing_cells_is_cut_but_counted(tmp_path: Path):
    profile = Profile(tmp_path)
    for cell in profile.cells()[:9]:
        (profile.folder(cell) / METRICS).unlink()
    with pytest.raises(KfbenchError, match=r"9 of 30(.|\n)*and 4 more"):
        require_all(read_results(load_params(tmp_path / "params.yaml"), tmp_path / "results"))


def test_the_long_form_holds_every_count(tmp_path: Path):
    profile = Profile(tmp_path)
    found = read_results(load_params(tmp_path / "params.yaml"), tmp_path / "results")
    records = long_form(found)
    types = {"demo_zh": 3, "demo_en": 3}
    assert len(records) == sum(2 * (4 + types[cell.corpus]) for cell in profile.cells())
    assert all(r["f1"] == Counts(tp=r["tp"], pred=r["pred"], gold=r["gold"]).f1 for r in records)


def test_overlaps_of_a_corpus_that_was_not_drawn_here_are_left_out(tmp_path: Path):
    Profile(tmp_path)
    head = '{"corpus": "demo_zh", "sentences": 80, "train": "x", "draws": [\n'
    line = '{"size": 50, "draw": 0, "sha256": "y", "verified": true, "expected_overlap": 0.625, "observed_overlap": 0.6, "flagged": true'
    (tmp_path / "data" / "draws").mkdir(parents=True)
    (tmp_path / "data" / "draws" / "demo_zh.json").write_text(head + line + ', "short": {}, "rows": [1], "ids": ["a"]}\n]}\n')
    found = read_overlaps(load_params(tmp_path / "params.yaml"), tmp_path / "data")
    assert list(found) == [("demo_zh", 50)]
    assert found["demo_zh", 50].expected == 0.625
    assert found["demo_zh", 50].flagged
