"""Figures: the same bytes for the same numbers, light and dark, and fonts that hold what they must."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from reports import fonts
from reports.figures import DARK_INK, INK, Figure, canvas, save
from reports.formats import Cell, Line, Table
from reports.heat import draw_types

HAN, KANA, HANGUL = "人物", "カタ", "한글"


def drawn(text: str) -> Figure:
    with canvas(2, 2) as figure:
        figure.subplots().set_title(text)
        return save(figure, "name", "alt", corpus="demo_zh")


def test_the_same_figure_has_the_same_bytes_in_another_process():
    code = "import sys; from tests.reports.test_figures import drawn; f = drawn('F1'); sys.stdout.buffer.write(f.svg + f.pdf)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    figure = drawn("F1")
    assert done.stdout == figure.svg + figure.pdf
    assert figure.pdf.startswith(b"%PDF")
    assert b"CreationDate" not in figure.pdf


def test_an_svg_is_ink_on_white_but_for_a_reader_in_the_dark():
    root = ET.fromstring(drawn("F1").svg)
    [style] = [
        element.text or "" for element in root.iter() if element.tag.endswith("style") and "prefers-color-scheme" in (element.text or "")
    ]
    assert re.search(rf"prefers-color-scheme:dark.*stroke: {INK}.*stroke:{DARK_INK}!important", style)
    said = " ".join(element.get("style", "") for element in root.iter())
    assert f"stroke: {INK}" in said, "a program without style sheets sees the inks as they are"
    assert "fill: #ffffff" in said
    assert "var(" not in said


def test_text_of_an_svg_stays_text_and_no_name_is_mathematics():
    assert "人物 $x_1$" in drawn("人物 $x_1$").svg.decode()


def with_glyphs(letters: str, name: str, path: Path) -> Path:
    """A font of that name that has the letters, a square each."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    def square() -> object:
        pen = TTGlyphPen(None)
        pen.moveTo((0, 0))
        for corner in ((0, 700), (700, 700), (700, 0)):
            pen.lineTo(corner)
        pen.closePath()
        return pen.glyph()

    glyphs = [".notdef", *(f"u{ord(letter):X}" for letter in letters)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(glyphs)
    builder.setupCharacterMap({ord(letter): f"u{ord(letter):X}" for letter in letters})
    builder.setupGlyf({glyph: square() for glyph in glyphs})
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (800, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": name, "styleName": "Regular", "psName": name.replace(" ", "")})
    builder.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    builder.save(path)
    return path


@pytest.fixture
def no_cjk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose only font is matplotlib's own."""
    from matplotlib import font_manager

    own = [font for font in font_manager.fontManager.ttflist if font.name == fonts.LATIN]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda *_: [])
    fonts._installed.cache_clear()
    yield
    fonts._installed.cache_clear()


@pytest.mark.usefixtures("no_cjk")
def test_without_a_cjk_font_the_letters_are_named_and_the_figure_is_drawn_in_silence():
    assert fonts.chain() == [fonts.LATIN]
    assert set(fonts.lacking([f"F1 ± é {HAN}", KANA, HANGUL])) == set(HAN + KANA + HANGUL)
    assert fonts.lacking(["PER", "LOC_%", "naïve – ±"]) == ""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert drawn(HAN).pdf.startswith(b"%PDF")


@pytest.mark.usefixtures("no_cjk")
def test_a_cjk_font_that_was_installed_since_matplotlib_looked_is_found_and_used(tmp_path, monkeypatch):
    from matplotlib import font_manager

    path = with_glyphs(HAN + KANA, "Noto Sans CJK JP", tmp_path / "cjk.ttf")
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda *_: [str(tmp_path / "broken.ttf"), str(path)])
    assert fonts.chain() == [fonts.LATIN, "Noto Sans CJK JP"]
    assert set(fonts.lacking([HAN, KANA, HANGUL])) == set(HANGUL)
    assert b"NotoSansCJKJP" in drawn(HAN).pdf, "the PDF carries the font"
    assert b"NotoSansCJKJP" not in drawn("PER").pdf


def test_a_heat_map_has_every_type_and_number():
    lines = tuple(
        Line((Cell(label), Cell("9"), Cell(f"{f1:.1f}", heat=f1 / 100), Cell("–")), about={"corpus": "demo_zh", "size": "50"})
        for label, f1 in ((HAN, 61.2), ("LOC", 88.0))
    )
    table = Table("types-demo_zh-50", "demo_zh: F1 per type", "", ("type", "gold", "bert_crf", "n/a one"), lines, ())
    figure = draw_types(table, "demo_zh", "50")
    assert figure is not None
    text = figure.svg.decode()
    for said in (HAN, "LOC", "61.2", "88.0", "bert_crf"):
        assert said in text
    assert "n/a one" not in text, "a column without a number is left out"
