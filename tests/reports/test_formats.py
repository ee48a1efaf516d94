"""Tables as text: names survive escaping, structure survives names."""

from __future__ import annotations

import csv
import io
import re

from hypothesis import given
from hypothesis import strategies as st

from reports.formats import Cell, Line, Table, latex_escape, to_csv, to_latex, to_markdown

NAMES = st.text(st.sampled_from("ab_%&$#{}\\~^<>|\"[]*`人物を한글é -'"), min_size=1, max_size=12).filter(lambda t: t.strip())
COMMANDS = {"textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textless": "<", "textgreater": ">", "textbar": "|"}


def read_latex(text: str) -> str:
    """What LaTeX prints for text with commands, escaped specials and groups; fails on a special that is active."""
    pattern = r"\\(?P<command>[a-z]+)\{\}|\\(?P<escaped>[&%$#_{}])|\{(?P<group>[\[\]*])\}|(?P<plain>[^&%$#_{}\\~^])"
    out, at = [], 0
    for match in re.finditer(pattern, text):
        assert match.start() == at, f"active special in {text!r} at {at}"
        at = match.end()
        command = match["command"]
        out.append((COMMANDS | {"textquotedbl": '"'})[command] if command else match["escaped"] or match["group"] or match["plain"])
    assert at == len(text)
    return "".join(out)


@given(NAMES)
def test_latex_prints_every_name_as_it_is(name):
    assert read_latex(latex_escape(name)) == " ".join(name.split())


def table(*names: str) -> Table:
    lines = tuple(Line((Cell(name), Cell("61.2", "1.3", "10")), rule=i == 1) for i, name in enumerate(names))
    return Table("t", names[0], "Caption 100%", ("type", "F1"), lines, ({"a": 1},), notes=("(a) why_not",))


@given(st.lists(NAMES, min_size=2, max_size=4))
def test_a_latex_table_has_its_rows_and_columns_whatever_the_names(names):
    lines = to_latex(table(*names)).split("\n")
    rows = [line for line in lines if line.endswith(r"\\")]
    assert len(rows) == 1 + len(names)
    assert all(len(re.findall(r"(?<!\\)&", row)) == 1 for row in rows)
    assert not any(row.lstrip().startswith(("[", "*")) for row in rows)
    assert [lines.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 2, 1]
    first = lines.index(r"\midrule") + 1
    assert lines[first : first + 3] == [rows[1], r"\midrule", rows[2]]


@given(st.lists(NAMES, min_size=2, max_size=4))
def test_a_markdown_table_has_its_rows_and_columns_whatever_the_names(names):
    rows = [line for line in to_markdown(table(*names)).split("\n") if line.startswith("|")]
    assert len(rows) == 2 + len(names)
    assert all(len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 3 for row in rows)


def test_cjk_stays_and_says_what_latex_needs():
    text = to_latex(table("人物", "組織名"))
    assert "人物" in text
    assert text.startswith("% needs: booktabs; CJK needs XeLaTeX")
    assert to_latex(table("a_b", "c")).startswith("% needs: booktabs\n")


@given(st.lists(st.fixed_dictionaries({"name": NAMES, "value": st.none() | st.floats(0, 1)}), min_size=1))
def test_csv_parses_back(records):
    read = list(csv.DictReader(io.StringIO(to_csv(records), newline="")))
    formulas = {name: f"'{name}" for name in (r["name"] for r in records) if len(name) > 1 and name[0] in "=+-@\t\r"}
    assert [r["name"] for r in read] == [formulas.get(r["name"], r["name"]) for r in records]
    for got, given_value in zip(read, records, strict=True):
        value = given_value["value"]
        assert (got["value"] == "") if value is None else abs(float(got["value"]) - value) <= 5e-7


def test_only_keeps_the_rows_of_one_corpus_named_in_full_and_the_notes_that_they_need():
    rows = [("zh", "one", True), ("", "two", False), ("en", "one", True), ("", "two", False)]
    lines, corpus = [], ""
    for i, (name, variant, first) in enumerate(rows):
        corpus = name or corpus
        cells = (Cell(name), Cell(variant), Cell(f"{i}", remark="a" if i == 3 else ""))
        lines.append(Line(cells, rule=first, about={"corpus": corpus, "variant": variant}))
    lines.insert(2, Line((Cell(""), Cell("(shared)"), Cell("9%")), aside=True, about={"corpus": "zh"}))
    notes = ("(a) two on en: nested", "n/a: one on en: why", "zh: kept", "! flagged", "of all")
    whole = Table("t", "T", "", ("corpus", "variant", "F1"), tuple(lines), (), labels=2, notes=notes)
    zh = whole.only(corpus="zh")
    assert [[cell.text for cell in line.cells] for line in zh.lines] == [["zh", "one", "0"], ["zh", "two", "1"], ["", "(shared)", "9%"]]
    assert zh.notes == ("zh: kept", "of all")
    assert whole.only(corpus="en").notes == ("(a) two on en: nested", "n/a: one on en: why", "of all")
    two = whole.only(variant="two")
    assert [[cell.text for cell in line.cells][:2] for line in two.lines] == [["zh", "two"], ["en", "two"]]
    assert two.notes == ("(a) two on en: nested", "zh: kept", "of all")
