"""`kfbench report` over results on disk."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from statistics import mean, stdev

import pytest
from typer.testing import CliRunner

from benchmark.result import METRICS, load_metrics
from reports.cli import commands
from splits.errors import KfbenchError
from tests.reports.fakes import REASON, Profile

TABLES = ("board", "f1", "differences", "ranks", "types", "supplement", "seen", "cost")


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KFBENCH_STORE", raising=False)
    return Profile(tmp_path)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Profile, Path]:
    """A report over a whole profile, for tests that only read it."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("profile")
        patch.chdir(root)
        patch.delenv("KFBENCH_STORE", raising=False)
        profile = Profile(root)
        report()
    return profile, root / "site"


def report(*options: str) -> str:
    result = CliRunner().invoke(commands, ["report", *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def no_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No learning curves: drawing them is what takes time."""
    monkeypatch.setenv("KFBENCH_STORE", str(tmp_path / "nowhere"))


def test_everything_is_written_and_a_second_run_gives_the_same_bytes(profile):
    assert report().strip().endswith("site/index.html")
    first = contents(Path("site"))
    tables = {f"tables/{name}.{kind}" for name in TABLES for kind in ("md", "tex", "csv")}
    corpora, variants = ("demo_zh", "demo_en"), ("bert_crf", "cnn_ner", "knowfree_zero")
    names = [f"curves-{c}-{s}" for c in corpora for s in (50, 100)] + [f"{kind}-{c}" for c in corpora for kind in ("sizes", "cost")]
    figures = {f"figures/{name}.{kind}" for name in (*names, *(f"types-{c}-100" for c in corpora)) for kind in ("svg", "pdf")}
    pages = {f"{kind}/{c}.html" for c in corpora for kind in ("corpora", "provenance")} | {f"methods/{v}.html" for v in variants}
    assets = {f"assets/{name}" for name in ("site.css", "tables.js", "errors.js")}
    assert set(first) == tables | figures | pages | assets | {"cells.csv", "index.md", "index.html"}
    report()
    assert contents(Path("site")) == first
    report("--out", "elsewhere")
    assert contents(Path("elsewhere")) == first
    assert not [p for p in Path().iterdir() if p.name.startswith(".site")]


def test_the_f1_table_is_the_mean_and_spread_over_draws(site):
    profile, folder = site
    cells = [c for c in profile.cells() if (c.corpus, c.variant, c.size) == ("demo_zh", "knowfree_zero", 100)]
    f1 = [load_metrics(profile.folder(cell)).score.micro.f1 for cell in cells]
    shown = rf"{100 * mean(f1):.1f} \[\d+\.\d, \d+\.\d\] ± {100 * stdev(f1):.1f} \(3\)"
    assert re.search(shown, (folder / "tables/f1.md").read_text())
    [found] = [
        r
        for r in rows(folder / "tables/f1.csv")
        if (r["corpus"], r["variant"], r["size"], r["protocol"]) == ("demo_zh", "knowfree_zero", "100", "dev")
    ]
    assert float(found["mean"]) == pytest.approx(mean(f1), abs=1e-6)
    assert (found["n"], found["cells"], found["planned"]) == ("3", "3", "3")


@pytest.mark.parametrize("name", ["f1", "differences", "ranks", "types", "supplement"])
@pytest.mark.parametrize("kind", ["md", "tex"])
def test_every_caption_says_how_the_numbers_were_obtained(site, name, kind):
    text = (site[1] / f"tables/{name}.{kind}").read_text().replace("\\", "")
    for said in ("Protocol dev_size 100", "3 draws, seed 0", "Output bias: cnn_ner prior, knowfree_zero zero", "knowfree_zero (epochs 40)"):
        assert said in text
    assert "scratch (2 layers, hidden 64, untrained)" in text
    assert "SOMEWHERE/e5_small with frozen word embeddings" in text


@pytest.mark.usefixtures("no_store")
def test_missing_cells_are_an_error_unless_partial_and_then_they_are_marked(profile):
    gone = [c for c in profile.cells() if (c.corpus, c.variant, c.size) == ("demo_zh", "cnn_ner", 50)][1:]
    for cell in gone:
        (profile.folder(cell) / METRICS).unlink()
    with pytest.raises(KfbenchError, match=f"2 of 30 planned cells(.|\n)*{gone[0]}"):
        report()
    assert not Path("site").exists()
    assert "2 planned cells are missing" in report("--partial")
    assert re.search(r"cnn_ner +\| +\d+\.\d \(1/3\)", Path("site/tables/f1.md").read_text())
    for page in ("site/index.md", "site/index.html"):
        assert f"{gone[0]}: not run" in Path(page).read_text()


@pytest.mark.usefixtures("no_store")
def test_nothing_at_all_is_still_a_partial_report(profile):
    for cell in profile.cells():
        (profile.folder(cell) / METRICS).unlink()
    assert json.loads(report("--partial", "--json"))["cells"] == 0
    assert "(0/3)" in Path("site/tables/f1.md").read_text()
    assert rows(Path("site/cells.csv")) == []


@pytest.mark.usefixtures("no_store")
def test_a_pair_that_cannot_be_says_why(profile):
    said = json.loads(report("--json"))
    assert said["not_applicable"] == [{"corpus": "demo_en", "variant": "bert_crf", "reason": REASON}]
    assert said["missing"] == []
    for name in ("tables/f1.md", "tables/types.tex", "tables/supplement.md", "index.html", "index.md"):
        text = Path("site", name).read_text()
        assert "n/a" in text
        assert REASON in text


def test_types_without_gold_entities_have_no_number_and_absences_are_counted(site):
    text = (site[1] / "tables/types.md").read_text()
    assert re.search(r"\| NONE +\| +0 \| +– \| +n/a \(a\) \| +– \|", text)
    assert re.search(r"\| A&B +\| +30 \| +1 \|", text)


@pytest.mark.usefixtures("no_store")
def test_a_failure_leaves_the_old_report_untouched(profile, monkeypatch):
    report()
    before = contents(Path("site"))
    profile.write(profile.cells()[0], absent=["人物"])

    def full(path: Path, data: bytes) -> None:
        if path.name == "index.html":
            raise KfbenchError("no space")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    monkeypatch.setattr("reports.build.write_bytes", full)
    with pytest.raises(KfbenchError, match="no space"):
        report()
    assert contents(Path("site")) == before
    assert not [p for p in Path().iterdir() if p.name.startswith(".site")]


@pytest.mark.usefixtures("no_store")
def test_a_folder_that_is_no_report_is_never_replaced(profile):
    Path("mine").mkdir()
    Path("mine/thesis.tex").write_text("years")
    with pytest.raises(KfbenchError, match="not a report"):
        report("--out", "mine")
    assert contents(Path("mine")) == {"thesis.tex": b"years"}


@pytest.mark.usefixtures("profile", "no_store")
def test_a_machine_without_the_store_reports_without_curves():
    figures = json.loads(report("--json"))["figures"]
    assert not [name for name in figures if name.startswith(("curves", "cost"))]
    assert not [path for path in Path("site").rglob("*") if path.stem.startswith(("curves", "cost"))]


@pytest.mark.usefixtures("no_store")
def test_seeds_of_one_draw_are_named_in_captions_and_holes_count_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    profile = Profile(tmp_path, seeds=[0, 7])
    (profile.folder(profile.cells()[1]) / METRICS).unlink()
    report("--partial")
    text = Path("site/tables/f1.md").read_text()
    assert "seeds 0, 7, averaged within a draw" in text
    assert "(5/6)" in text


def test_reports_import_no_torch_and_no_matplotlib():
    import subprocess
    import sys

    code = "import reports.cli, sys; print([m for m in ('torch', 'matplotlib', 'transformers', 'knowfree') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
