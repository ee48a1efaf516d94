"""Rows of other systems in a report: marked, on the draws that they declare, and never taken for ours."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from benchmark.config import load_params
from benchmark.external import FACTS, FOLDER
from benchmark.result import METRICS, CellId, dump, load_metrics
from reports import build
from reports.aggregate import VALUES, Results, read_results
from reports.significance import verdicts
from splits.errors import KfbenchError
from splits.files import write_text
from tests.reports.fakes import Profile, external


def cell(draw: int, name: str = "llama_0shot", size: int = 50, corpus: str = "demo_zh") -> CellId:
    return CellId(corpus=corpus, variant=name, size=size, draw=draw, seed=0)


def read(profile: Profile) -> Results:
    return read_results(load_params(profile.root / "params.yaml"), profile.root / "results")


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    made = Profile(tmp_path)
    for draw in (0, 2):
        external(made, cell(draw), note="zero-shot, 5 examples", url="https://example.org/a_b")
    return made


def test_external_rows_join_the_variants_and_leave_the_plan_alone(profile: Profile) -> None:
    before = read(Profile(profile.root / "alone"))
    found = read(profile)
    assert found.external == {"llama_0shot"}
    assert found.variants == (*found.params.rows, "llama_0shot")
    assert found.variants_on("demo_en") == tuple(found.params.rows)
    assert (found.done, found.gaps, found.params.rows) == (before.done, (), before.params.rows)
    assert [row for row in found.rows if row.cell.variant != "llama_0shot"] == list(before.rows)
    summary = found.summary(VALUES["f1"], "demo_zh", "llama_0shot", 50)
    assert (summary.n, summary.cells, summary.planned, summary.complete) == (2, 2, 2, True)
    assert [row.cell.draw for row in found.block("demo_zh", "llama_0shot", 50)] == [0, 2]
    assert found.block("demo_zh", "llama_0shot", 50, "dev") == (), "what was selected on test is in no column of dev"


def test_a_report_marks_them_and_says_what_is_declared(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(profile.root)
    found = read(profile)
    files = build.files(build.build(found.params, found, Path("data"), Path(".kfbench/store")))
    for name in ("f1", "supplement", "types"):
        text, latex = str(files[f"tables/{name}.md"]), str(files[f"tables/{name}.tex"])
        assert "llama_0shot†" in text
        assert "protocol test, draw-seed of size 50: 0-0, 2-0; zero-shot, 5 examples; https://example.org/a_b" in text
        assert "†" not in latex, "pdfLaTeX does not know the letter"
        assert r"llama\_0shot\textsuperscript{\textdagger}" in latex
    rows = [row for row in csv.DictReader(io.StringIO(str(files["tables/f1.csv"]))) if row["variant"] == "llama_0shot"]
    assert {(row["corpus"], row["size"], row["protocol"], row["n"]) for row in rows} == {
        ("demo_zh", "50", "test", "2"),
        ("demo_zh", "100", "test", "0"),
    }
    cells = [row for row in csv.DictReader(io.StringIO(str(files[build.MARK]))) if row["variant"] == "llama_0shot"]
    assert {row["protocol"] for row in cells} == {"test"}


def test_what_is_not_of_the_grid_is_not_looked_at(profile: Profile) -> None:
    before = read(profile).rows
    for other in (cell(3), cell(0, size=75), cell(0, corpus="weibo")):
        external(profile, other)
    assert read(profile).rows == before


def break_name(profile: Profile) -> None:
    external(profile, cell(0, "cnn_ner"))


def break_gold(profile: Profile) -> None:
    folder = profile.root / FOLDER / str(cell(2))
    metrics = load_metrics(folder)
    score = metrics.scores["test"].model_copy(update={"sentences": [(1, 2, 4)]})
    write_text(folder / METRICS, dump(metrics.model_copy(update={"scores": {"test": score}})))


def break_protocol(profile: Profile) -> None:
    external(profile, cell(1), protocol="dev")


def break_place(profile: Profile) -> None:
    folder = profile.root / FOLDER / str(cell(2))
    folder.rename(folder.with_name("1-0"))


def break_facts(profile: Profile) -> None:
    write_text(profile.root / FOLDER / str(cell(2)) / FACTS, "{}")


def break_metrics(profile: Profile) -> None:
    (profile.root / FOLDER / str(cell(2)) / METRICS).unlink()


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (break_name, "has a variant of this name"),
        (break_gold, "another test split"),
        (break_protocol, "declares protocol dev, .* declares test"),
        (break_place, "declares .*2-0, but lies in .*1-0"),
        (break_facts, "not the facts of an external row"),
        (break_metrics, "metrics.json"),
    ],
)
def test_a_damaged_row_is_an_error_that_names_it(profile: Profile, broken, what: str) -> None:
    broken(profile)
    with pytest.raises(KfbenchError, match=what):
        read(profile)


def test_they_change_no_interval_and_no_draw_of_ours(profile: Profile) -> None:
    alone = verdicts(read(Profile(profile.root / "alone")), replicates=200)
    found = verdicts(read(profile), replicates=200)
    ours = {entry: interval for entry, interval in found.intervals.items() if entry[1] != "llama_0shot"}
    assert ours == alone.intervals
    assert found.ranks == alone.ranks, "two draws of three: no rank, and ours are still over three"
    compared = {(c.corpus, c.variant, c.size): c for c in found.comparisons}
    for before in alone.comparisons:
        after = compared.pop((before.corpus, before.variant, before.size))
        assert (after.p, after.difference, after.draws) == (before.p, before.difference, before.draws)
        assert after.p_holm >= before.p_holm, "one more test in the family"
    assert {(key, c.draws) for key, c in compared.items()} == {(("demo_zh", "llama_0shot", 50), 2), (("demo_zh", "llama_0shot", None), 2)}
