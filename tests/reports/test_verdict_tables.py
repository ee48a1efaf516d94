"""Tables of differences, ranks and variance: what they show, and that nothing is bold without evidence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from benchmark.config import load_params
from benchmark.result import METRICS, CellId
from reports.aggregate import Results, read_results
from reports.formats import Table, to_csv, to_latex, to_markdown
from reports.significance import Verdicts, verdicts
from reports.tables import f1_table
from reports.verdict_tables import difference_table, probability, rank_table, variance_table
from tests.reports.fakes import REASON, Profile, external


def judged(root: Path, *gone: int, **changes: Any) -> tuple[Results, Verdicts]:
    """A profile's results without the cells at the given places, and the verdicts."""
    profile = Profile(root, **changes)
    for i in gone:
        (profile.folder(profile.cells()[i]) / METRICS).unlink()
    found = read_results(load_params(root / "params.yaml"), root / "results")
    return found, verdicts(found, replicates=300)


def rows(table: Table | None) -> list[list[str]]:
    assert table is not None
    return [[cell.plain for cell in line.cells] for line in table.lines]


def test_ten_draws_set_the_clearly_best_in_bold_in_every_format(tmp_path: Path) -> None:
    found, said = judged(tmp_path, draws=10)
    table = f1_table(found, {}, {}, said)
    bold = {(c, s): {v for v in ("bert_crf", "cnn_ner", "knowfree_zero") if said.best(c, s) == v} for c, s in said.groups}
    assert set.union(*bold.values()) == {"knowfree_zero"}
    assert to_markdown(table).count("**") == 2 + 2 * 4  # the title, and a number in each of four columns
    assert to_latex(table).count(r"\textbf{") == 1 + 4
    assert re.search(r"\\textbf\{\d+\.\d\} \{\\scriptsize \[\d+\.\d, \d+\.\d\]\} \{\\scriptsize \$\\pm\$", to_latex(table))
    assert "mean [95 % interval]" in table.caption
    assert re.search(r"simulated with 10 draws they held the truth in \d+(–\d+)? % of cases", table.caption)


def test_five_draws_set_nothing_in_bold_and_say_why(tmp_path: Path) -> None:
    found, said = judged(tmp_path, draws=5, sizes=[50])
    assert not any(cell.strong for line in f1_table(found, {}, {}, said).lines for cell in line.cells)
    table = difference_table(found, said, {})
    assert not any(cell.strong for line in table.lines for cell in line.cells)
    assert "demo_zh 50: with 5 draws no difference of 2 can be significant at 0.05, however clear." in table.notes
    [first, second] = rows(table)
    assert first[:3] == ["demo_zh", "50", "cnn_ner"]
    assert re.fullmatch(r"\+\d+\.\d \[[+-]\d+\.\d, \+\d+\.\d\]", first[3])
    assert first[4:] == ["0.062", "0.12", "0.062", "100 %", "5"]
    assert second[2] == "knowfree_zero"
    assert {row[3] for row in rows(rank_table(found, said, {})) if row[3] != "–"} == {"1–3", "1–2"}


def test_differences_are_the_comparisons_with_all_their_digits(tmp_path: Path) -> None:
    found, said = judged(tmp_path, draws=6, baseline="cnn_ner")
    table = difference_table(found, said, {})
    assert table.title == "Difference to cnn_ner"
    assert [(r["corpus"], r["size"], r["variant"]) for r in table.records] == [
        *[("demo_zh", size, variant) for size in (50, 100, "all") for variant in ("bert_crf", "knowfree_zero")],
        *[("demo_en", size, "knowfree_zero") for size in (50, 100, "all")],
    ]
    for record in table.records:
        compared = said.comparison(record["corpus"], record["variant"], None if record["size"] == "all" else record["size"])
        assert record["difference"] == compared.mean
        assert (record["low"], record["high"]) == (compared.difference.low, compared.difference.high)
        assert (record["p"], record["p_holm"], record["smallest_p"]) == (compared.p, compared.p_holm, 1 / 32)
    assert to_csv(table.records).startswith(
        "corpus,size,variant,baseline,difference,low,high,level,p,p_holm,smallest_p,improvement,draws\n"
    )
    lines = [line for line in table.lines if any(cell.strong for cell in line.cells)]
    alone = [r for r in table.records if r["corpus"] == "demo_en"]  # a family of one: 0.031 is enough
    assert {line.about["corpus"] for line in lines} == {"demo_en"} == {r["corpus"] for r in alone if r["p_holm"] <= 0.05}


def test_one_draw_shows_differences_and_no_p(tmp_path: Path) -> None:
    found, said = judged(tmp_path, draws=1, sizes=[50])
    table = difference_table(found, said, {})
    for row in rows(table):
        assert re.fullmatch(r"[+-]\d+\.\d", row[3])
        assert row[4:7] == ["n/a"] * 3
    assert table.records[0]["p"] is table.records[0]["low"] is None
    assert "demo_zh 50: with 1 draw no test is possible." in table.notes
    f1 = f1_table(found, {}, {}, said)
    assert "no interval, which takes two draws" in f1.caption
    assert not any(cell.interval for line in f1.lines for cell in line.cells)


def test_a_baseline_that_cannot_be_on_a_corpus_is_said(tmp_path: Path) -> None:
    found, said = judged(tmp_path, sizes=[50])
    assert f"demo_en: the baseline cannot be here: {REASON}." in difference_table(found, said, {}).notes


def test_missing_cells_leave_the_draws_that_both_have(tmp_path: Path) -> None:
    found, said = judged(tmp_path, 0, 7, sizes=[50], draws=4)  # a draw of bert_crf, another of cnn_ner
    [cnn, knowfree] = rows(difference_table(found, said, {}))
    assert (cnn[2], cnn[-1]) == ("cnn_ner", "2")
    assert (knowfree[2], knowfree[-1]) == ("knowfree_zero", "3")


def test_nothing_at_all_has_no_tables_of_verdicts(tmp_path: Path) -> None:
    found, said = judged(tmp_path, *range(30))
    assert difference_table(found, said, {}) is rank_table(found, said, {}) is variance_table(found, said, {}) is None
    assert "no interval" in f1_table(found, {}, {}, said).caption


def test_ranks_end_with_the_mean_over_all_columns(tmp_path: Path) -> None:
    found, said = judged(tmp_path, draws=10)
    table = rank_table(found, said, {})
    assert [row[3] for row in rows(table)[:3]] == ["1", "2", "3"]
    assert [row[2] for row in rows(table)[:3]] == ["knowfree_zero", "cnn_ner", "bert_crf"]
    assert [row[:3] + row[-1:] for row in rows(table)[-2:]] == [["all", "all", "knowfree_zero", "1.0"], ["", "", "cnn_ner", "2.0"]]


def test_several_seeds_have_a_table_of_variance(tmp_path: Path) -> None:
    found, said = judged(tmp_path / "two", draws=4, seeds=[0, 1], sizes=[50])
    table = variance_table(found, said, {})
    assert len(table.lines) == 5
    assert rows(table)[0][-1] == "4 × 2"
    for record in table.records:
        part = said.variances[record["corpus"], record["variant"], record["size"]]
        assert record["draw_sd"] ** 2 == pytest.approx(part.draw)
        assert record["sentences_sd"] ** 2 == pytest.approx(part.sentences)
    assert r"4 $\times$ 2" in to_latex(table)
    assert variance_table(*judged(tmp_path / "one", sizes=[50]), {}) is None


def test_k_shot_sizes_and_external_rows_are_compared_as_well(tmp_path: Path) -> None:
    profile = Profile(tmp_path, sizes=["k5", 50])
    for draw in range(3):
        external(profile, CellId(corpus="demo_zh", variant="theirs", size="k5", draw=draw, seed=0))
    found = read_results(load_params(tmp_path / "params.yaml"), tmp_path / "results")
    said = verdicts(found, replicates=200)
    table = difference_table(found, said, {})
    assert ("k5", "theirs†") in [(line.about.get("size"), line.cells[2].text) for line in table.lines]
    assert any(note.startswith("† theirs on demo_zh") for note in table.notes)
    ranks = rank_table(found, said, {})
    assert {line.cells[2].text: line.cells[3].text for line in ranks.lines[:4]}["theirs†"] == "1–4"
    assert said.comparison("demo_zh", "theirs", None).p == said.comparison("demo_zh", "theirs", "k5").p


def test_an_external_system_with_fewer_draws_ties_nobody(tmp_path: Path) -> None:
    profile = Profile(tmp_path, draws=10, sizes=[50])
    external(profile, CellId(corpus="demo_zh", variant="theirs", size=50, draw=0, seed=0))
    found = read_results(load_params(tmp_path / "params.yaml"), tmp_path / "results")
    said = verdicts(found, replicates=300)
    assert said.best("demo_zh", 50) == "knowfree_zero"
    table = rank_table(found, said, {})
    assert [row[2:4] for row in rows(table)[:4]] == [["knowfree_zero", "1"], ["cnn_ner", "2"], ["bert_crf", "3"], ["theirs†", "–"]]
    assert table.records[3]["tie_group"] is table.records[3]["first_place"] is None
    assert "External systems that lack one of our draws have no place." in table.caption
    alone = difference_table(found, said, {}).lines[2]
    assert [cell.text for cell in alone.cells][2:] == ["theirs†", alone.cells[3].text, "n/a", "n/a", "n/a", alone.cells[7].text, "1"]


@pytest.mark.parametrize(("p", "shown"), [(1.0, "1.00"), (0.24, "0.24"), (0.0625, "0.062"), (1 / 512, "0.002"), (1e-5, "<0.001")])
def test_probabilities_are_short(p: float, shown: str) -> None:
    assert probability(p) == shown
