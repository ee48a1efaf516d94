"""The leaderboard says what the verdicts say, and nothing where they say nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.config import load_params
from reports.aggregate import VALUES, read_results
from reports.board import BASELINE, board
from reports.cost import cost_table, costs
from reports.page import largest
from reports.runs import read_runs
from reports.significance import Verdicts, verdicts
from reports.size_curves import draw_sizes, lines_of
from tests.reports.fakes import Profile, external
from tests.reports.test_external import cell
from tests.reports.worlds import World


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Verdicts]:
    root = tmp_path_factory.mktemp("world")
    World(root, corpora=["demo_zh"], draws=4, baseline="cnn_ner")
    return root, verdicts(read_results(load_params(root / "params.yaml"), root / "results"))


def test_rows_are_best_first_with_the_verdicts_of_their_entry(judged):
    root, said = judged
    results = read_results(load_params(root / "params.yaml"), root / "results")
    table = board(results, said)
    said_of_us = ("F1", "interval", "tie group", "against cnn_ner", "p (Holm)", "better in", "n", "protocol")
    assert table.head == ("corpus", "size", "variant", *said_of_us)
    shown = [record for record in table.records if record["protocol"] == "dev"]
    for size in (50, 100):
        means = [record["mean"] for record in shown if record["size"] == str(size)]
        assert means == sorted(means, reverse=True)
        groups = said.groups["demo_zh", size]
        assert [record["tie_group"] for record in shown if record["size"] == str(size)] == [
            i for i, names in enumerate(groups, 1) for _ in names
        ]
    for record in shown:
        entry = ("demo_zh", record["variant"], int(record["size"]))
        assert (record["low"], record["high"]) == (said.intervals[entry].low, said.intervals[entry].high)
        compared = said.comparison(*entry)
        assert record["p_holm"] == (compared.p_holm if compared else None)
        assert record["difference"] == (compared.difference.estimate if compared and compared.difference else None)
    baseline = [line.cells[6].text for line in table.lines if line.about["variant"] == "cnn_ner" and line.about["protocol"] == "dev"]
    assert baseline == [BASELINE, BASELINE]
    for line in table.lines:
        bar = line.cells[4].bar
        assert (bar is None) == (line.about["protocol"] == "last")
        assert bar is None or 0 <= bar[0] <= bar[1] <= bar[2] <= 1


def test_one_draw_has_no_columns_for_what_cannot_be_said(tmp_path):
    World(tmp_path, corpora=["demo_zh"], draws=1, sizes=[50])
    results = read_results(load_params(tmp_path / "params.yaml"), tmp_path / "results")
    table = board(results, verdicts(results))
    assert table.head == ("corpus", "size", "variant", "F1", "n", "protocol")
    assert "interval" not in table.caption


def test_an_external_row_stands_among_ours_under_the_protocol_that_it_declares(tmp_path):
    profile = Profile(tmp_path)
    for draw in range(3):
        external(profile, cell(draw))
    results = read_results(load_params(tmp_path / "params.yaml"), tmp_path / "results")
    lines = [line for line in board(results, verdicts(results)).lines if line.about["variant"] == "llama_0shot"]
    assert [(line.cells[2].text, line.cells[-1].text, line.about["protocol"]) for line in lines] == [("llama_0shot†", "test", "dev")]


def test_bands_of_the_curves_over_size_are_the_intervals(judged):
    root, said = judged
    results = read_results(load_params(root / "params.yaml"), root / "results")
    bands = {entry: (interval.low, interval.high) for entry, interval in said.intervals.items()}
    lines = lines_of(results, "demo_zh", bands)
    assert list(lines) == list(results.variants)
    for variant, points in lines.items():
        assert list(points) == [50, 100]
        for size, point in points.items():
            assert point.f1 == results.summary(VALUES["f1"], "demo_zh", variant, size).mean
            assert (point.low, point.high) == bands["demo_zh", variant, size]
    [figure] = draw_sizes("demo_zh", lines, results, "95 % intervals")
    text = figure.svg.decode()
    assert "sentences (log scale)" in text
    assert all(name.replace("<", "&lt;").replace(">", "&gt;") in text for name in lines)


def test_shots_and_sentences_are_not_on_one_axis(tmp_path):
    Profile(tmp_path, sizes=[50, 100, "k5"])
    results = read_results(load_params(tmp_path / "params.yaml"), tmp_path / "results")
    figures = {f.name: f.svg.decode() for f in draw_sizes("demo_zh", lines_of(results, "demo_zh", {}), results, "no intervals")}
    assert list(figures) == ["sizes-demo_zh", "shots-demo_zh"]
    assert "sentences (log scale)" in figures["sizes-demo_zh"]
    assert "5-shot" in figures["shots-demo_zh"]
    assert "sentences" not in figures["shots-demo_zh"]
    assert largest(results.params) == 100


def test_costs_are_means_over_the_runs_that_are_there(judged):
    root, _ = judged
    results = read_results(load_params(root / "params.yaml"), root / "results")
    runs = dict(read_runs(results, root / ".kfbench" / "store"))
    assert cost_table(results, {}) is None
    gone = results.block("demo_zh", "knowfree", 50)[0].hash
    del runs[gone]
    found = {(cost.variant, cost.size): cost for cost in costs(results, runs)}
    assert (found["knowfree", 50].runs, found["knowfree", 100].runs) == (3, 4)
    there = [runs[row.hash].seconds["fit"] for row in results.block("demo_zh", "knowfree", 50) if row.hash in runs]
    assert found["knowfree", 50].fit_seconds == pytest.approx(sum(there) / 3)
    table = cost_table(results, runs)
    assert table is not None
    assert "Some CPU, 1 thread." in table.caption
