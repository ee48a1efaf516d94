"""A report whose every word means harm: labels, reasons, failures, external rows, provenance; in a browser nothing of it runs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmark.external import FACTS, FOLDER
from benchmark.result import METRICS, NOT_APPLICABLE, RUN, load_run
from reports.formats import to_csv
from splits.files import write_text
from tests.reports import fakes
from tests.reports.browser import launched, tab
from tests.reports.test_pages import html
from tests.reports.worlds import report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RUNS = "<script>window.pwned=1</script>"
HANDLER = '" onmouseover="window.pwned=2" x=\''
IMAGE = "<img src=x onerror=window.pwned=3>"
ENDS = "</script><svg/onload=window.pwned=4>"
MARKDOWN = "[x](javascript:window.pwned=5) `|` ![y](http://elsewhere.example/z.png)"
HARM = (RUNS, HANDLER, IMAGE, ENDS, MARKDOWN, "{{ 7 * 7 }}{% raw %}", "\\input{/etc/passwd} & % $ # _")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("harm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(fakes.TYPES, "demo_zh", {HARM[i]: 30 * (i + 1) for i in range(3)})
        patch.setitem(fakes.TYPES, "demo_en", {HARM[i]: 20 * i for i in range(3, 7)})
        profile = fakes.Profile(root)
        for i, cell in enumerate(profile.cells()):
            hash = profile.write(cell).hash
            run = load_run(root / ".kfbench" / "store" / hash)
            harm = HARM[i % len(HARM)]
            git = {"commit": harm, "dirty": False}
            told = {"git": git, "machine": {"cpu": harm, "platform": harm}, "time": harm, "draw": harm, "packages": {harm: harm}}
            changed = run.model_copy(update={"provenance": told | {"config": {harm: [harm]}}})
            write_text(root / ".kfbench" / "store" / hash / RUN, changed.model_dump_json())
        write_text(root / "results" / "demo_en" / "bert_crf" / NOT_APPLICABLE, json.dumps({"reason": " ".join(HARM)}))
        gone = profile.cells()[0]
        write_text(profile.folder(gone) / METRICS, json.dumps({"schema_version": 1, "cell": " ".join(HARM)}))
        theirs = profile.cells()[-1].model_copy(update={"variant": "theirs"})
        fakes.external(profile, theirs, note=" ".join(HARM), url="javascript:window.pwned=6", file=IMAGE, format=RUNS)
        assert (root / FOLDER / str(theirs) / FACTS).is_file()
        return report(root, "--partial")


@pytest.fixture(scope="module")
def own_browser() -> Browser:
    with launched() as found:
        yield found


@pytest.mark.browser
def test_nothing_that_a_report_was_told_runs(own_browser: Browser, site: Path) -> None:
    shown = ""
    for path in html(site):
        with tab(own_browser, site) as opened:  # fails where a script, a request or an error is not the report's own
            page = opened.open(path.relative_to(site).as_posix())
            assert page.evaluate("window.pwned") is None
            assert page.locator("[onmouseover], [onerror], [onload], a[href^='javascript:'], svg[onload], img[src=x]").count() == 0
            for element in page.locator("main td, main th, main p").all()[:40]:
                element.dispatch_event("mouseover")
            assert page.evaluate("window.pwned") is None
            shown += page.locator("body").text_content() or ""
    for harm in HARM:
        assert " ".join(harm.split()) in " ".join(shown.split()), f"{harm} is nowhere to be read"
    assert "javascript:window.pwned=6" in shown


def test_tables_for_paper_and_markdown_hold_it_as_text(site: Path) -> None:
    for path in (*site.rglob("*.md"), *site.rglob("*.tex")):
        text = path.read_text(encoding="utf-8")
        raw = [line for line in text.splitlines() if "<script>" in line.replace("\\<", "")]
        assert raw == [], path
        if path.suffix == ".tex":
            assert "\\input{" not in text
    for path in site.rglob("*.svg"):
        assert "<script" not in path.read_text(encoding="utf-8")


FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", '=HYPERLINK("http://x")']


@pytest.mark.parametrize("text", FORMULAS)
def test_no_field_of_a_csv_is_a_formula(text: str) -> None:
    """A type's name may begin with a sign that a spreadsheet takes for a formula; numbers stay numbers."""
    row = next(csv.DictReader(io.StringIO(to_csv([{"type": text, "f1": -0.5, "n": -1, "hole": "-"}]))))
    assert row == {"type": f"'{text}", "f1": "-0.5", "n": "-1", "hole": "-"}
