"""What a gate prints and writes, read by the programs that will read it."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from reports.bootstrap import Interval
from reports.gate import output
from reports.gate.judge import Judgement, Row
from tests.benchmark.conftest import Profile
from tests.reports.gate.conftest import gate, judged

HOSTILE = 'a|b <&"\x00\x1b[31m_*`'
ROWS = (
    Row(("demo", "same", 10), "same", 1, 0.9, 0.9, Interval(0, 0, 0, 0.95), exact=1),
    Row(("demo", "worse", 10), "worse", 1, 0.9, 0.8, Interval(-0.1, -0.12, -0.08, 0.95), reasons=("it lies below",)),
    Row(("demo", "gone", 10), "unknown", 2, lacking=True, reasons=("missing: not run",)),
    Row((HOSTILE, HOSTILE, "k5"), "changed", 1, 0.5, 0.6, Interval(0.1, 0.08, 0.12, 0.95), reasons=(HOSTILE,), notes=(HOSTILE,)),
    Row(("demo", "fresh", 10), "new", 1, notes=("not in the reference",)),
)
RED = Judgement(ROWS, 1.0)


def suite(judgement: Judgement) -> ElementTree.Element:
    return next(ElementTree.fromstring(output.junit(judgement, "reference.json")).iter("testsuite"))


def test_junit_counts_what_it_holds() -> None:
    found = suite(RED)
    assert {key: found.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5",
        "failures": "3",
        "errors": "0",
        "skipped": "1",
    }
    cases = {case.get("name"): case for case in found.iter("testcase")}
    assert cases["same/10"].find("failure") is None
    failure = cases["worse/10"].find("failure")
    assert failure is not None
    assert "it lies below" in (failure.text or "")
    assert "--update" in (failure.text or "")
    assert cases["fresh/10"].find("skipped") is not None


def test_strict_fails_what_is_new_in_junit_too() -> None:
    assert suite(Judgement(ROWS, 1.0, strict=True)).get("failures") == "4"


def test_nothing_compared_is_a_failure_in_junit_too() -> None:
    assert suite(Judgement((), 1.0)).get("failures") == "1"


def test_an_error_is_an_error_in_junit() -> None:
    root = ElementTree.fromstring(output.junit_error("reference.json: \x00 is\n  mend <it>"))
    assert [suite.get("errors") for suite in root.iter("testsuite")] == ["1"]


def test_markdown_is_a_table_whatever_the_names() -> None:
    text = output.markdown(RED, "reference.json")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(ROWS)
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {len(output.HEAD) + 1}
    assert "gate: red: 1 same, 1 changed, 1 worse, 1 unknown, 1 new" in text
    assert "kfbench gate --reference reference.json --update" in text
    assert "demo/gone/10: missing: not run" in text


def test_a_terminal_of_eighty_columns_holds_the_table() -> None:
    out = io.StringIO()
    names = [("demo_zh", "knowfree_fusion", 1000), ("mit_movie", "bert_crf", "k5")]
    rows = tuple(Row(name, "unknown", 1, 0.8888, 0.8888, Interval(-0.1, -0.1234, 0.1234, 0.95)) for name in names)
    Console(file=out, width=80).print(output.on_terminal(Judgement(rows, 1.0)))
    assert "…" not in out.getvalue()


def test_advice_is_about_what_is_red() -> None:
    gone, worse = ROWS[2], ROWS[1]
    [run] = output.advice(Judgement((ROWS[0], gone), 1.0), "r.json")
    assert "kfbench run" in run, "an update would be refused"
    [accept] = output.advice(Judgement((ROWS[0], worse), 1.0), "r.json")
    assert "--reference r.json --update" in accept
    assert len(output.advice(RED, "r.json")) == 2
    assert output.advice(Judgement(ROWS[:1], 1.0), "r.json") == []


def test_no_difference_has_no_sign_of_its_own() -> None:
    assert output.points(-1e-12) == output.points(0.0) == "+0.00"
    assert output.points(-0.01234) == "-1.23"


def test_what_many_rows_say_is_said_once() -> None:
    rows = tuple(Row(("demo", f"m{i}", 10), "unknown", 1, reasons=("missing: not run",)) for i in range(9))
    [said] = output.remarks(Judgement(rows, 1.0))
    assert "and 5 more: missing: not run" in said


def test_files_and_terminal_and_json_say_the_same(profile: Profile) -> None:
    profile.write(variants=["flat"])
    shown = gate("--junit", "out/gate.xml", "--markdown", "out/gate.md")
    assert shown.exit_code == 1
    said = judged()
    red = {f"{row['corpus']}/{row['variant']}/{row['size']}" for row in said["rows"] if row["red"]}
    assert red == {"demo_zh/lookup/40", "demo_ko/lookup/40"}
    for text in (shown.stdout, Path("out/gate.md").read_text(encoding="utf-8"), Path("out/gate.xml").read_text(encoding="utf-8")):
        assert all(name in text for name in red)
        assert "not in the profile's plan" in text
    assert "gate: red: 2 same, 2 unknown" in shown.stdout


def test_json_has_what_a_machine_needs(profile: Profile) -> None:
    said = judged()
    row: dict[str, Any] = said["rows"][0]
    assert row["difference"] == {"estimate": 0.0, "low": 0.0, "high": 0.0, "level": 0.95}
    assert 0 < row["before"] == row["after"] < 1
    assert json.loads(json.dumps(said)) == said


def test_an_update_shows_what_it_changes(profile: Profile) -> None:
    profile.write(draws=1)
    shown = gate("--update")
    assert shown.exit_code == 0
    assert "unknown" in shown.stdout
    assert "reference.json: 4 cells" in shown.stdout
    assert judged()["exit"] == 0


@pytest.mark.parametrize("option", ["--help"])
def test_the_help_says_how_it_fails(option: str) -> None:
    assert "Exit 1" in gate(option).stdout
