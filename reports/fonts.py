"""Fonts of the figures: a chain that holds Chinese, Japanese and Korean where such a font is installed."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

LATIN = "DejaVu Sans"  # comes with matplotlib
# A font of all three scripts goes before one of a single script.
CJK = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans CJK TC", "Source Han Sans SC", "Source Han Sans"),
    *(
        "Arial Unicode MS",
        "Droid Sans Fallback",
        "WenQuanYi Zen Hei",
        "WenQuanYi Micro Hei",
        "Noto Sans SC",
        "Noto Sans JP",
        "Noto Sans KR",
    ),
    *("PingFang SC", "Hiragino Sans GB", "Hiragino Sans", "Apple SD Gothic Neo", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic"),
    *("SimHei", "MS Gothic", "IPAexGothic", "IPAGothic", "TakaoGothic", "VL Gothic", "NanumGothic", "UnDotum", "Baekmuk Dotum"),
)
MEND = "install a font such as Noto Sans CJK (Debian: apt-get install fonts-noto-cjk) and report again"


def chain() -> list[str]:
    """Families to try in turn for each letter."""
    installed = _installed()
    return [LATIN, *(name for name in CJK if name in installed)]


def lacking(texts: Iterable[str]) -> str:
    """The letters of `texts` that no font of the chain has, each once."""
    letters = {letter for text in texts for letter in text if not letter.isascii() and unicodedata.category(letter)[0] not in "CZM"}
    if not letters:
        return ""
    from matplotlib import font_manager

    installed = _installed() | {LATIN: font_manager.findfont(LATIN)}
    fonts = [font_manager.get_font(installed[name]) for name in chain()]
    return "".join(sorted(letter for letter in letters if not any(font.get_char_index(ord(letter)) for font in fonts)))


@cache
def _installed() -> dict[str, str]:
    """Known CJK families that are here, with their files.

    matplotlib remembers the fonts of its first run: one that was installed since is not among them, so where it knows none
    the system is asked again.
    """
    from matplotlib import font_manager

    known = {font.name: font.fname for font in font_manager.fontManager.ttflist}
    if not any(name in known for name in CJK):
        old = set(known.values())
        for path in font_manager.findSystemFonts():
            if path not in old:
                try:
                    font_manager.fontManager.addfont(path)
                except (OSError, RuntimeError, ValueError):  # not a font that matplotlib can use
                    continue
        known = {font.name: font.fname for font in font_manager.fontManager.ttflist}
    return {name: known[name] for name in CJK if name in known and Path(known[name]).is_file()}
