"""Japanese by fugashi (MeCab) with unidic-lite: short-unit words and their UniDic classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby, pairwise
from typing import Any

from knowfree.synthesis.morph import Analysis, clean, laid, load
from splits.schema import Span

VERSIONS = ("fugashi", "unidic-lite")

# The longest prefix of UniDic's four levels wins; classes as in the Japanese treebanks of Universal Dependencies.
UPOS = {
    "代名詞": "PRON",
    "副詞": "ADV",
    "助動詞": "AUX",
    "助詞": "ADP",
    "助詞,接続助詞": "SCONJ",
    "助詞,準体助詞": "SCONJ",
    "助詞,終助詞": "PART",
    "動詞": "VERB",
    "名詞": "NOUN",
    "名詞,助動詞語幹": "AUX",
    "名詞,固有名詞": "PROPN",
    "名詞,数詞": "NUM",
    "形容詞": "ADJ",
    "形状詞": "ADJ",
    "形状詞,助動詞語幹": "AUX",
    "感動詞": "INTJ",
    "接尾辞": "NOUN",
    "接尾辞,動詞的": "AUX",
    "接尾辞,形容詞的": "AUX",
    "接尾辞,形状詞的": "PART",
    "接続詞": "CCONJ",
    "接頭辞": "NOUN",
    "記号": "SYM",
    "補助記号": "PUNCT",
    "補助記号,ＡＡ": "SYM",
    "連体詞": "DET",
}
NAMES = {"名詞,固有名詞,一般": "OTHER", "名詞,固有名詞,人名": "PERSON", "名詞,固有名詞,地名": "LOCATION"}


@cache
def _tagger() -> Any:
    return load("fugashi").Tagger(f'-d "{load("unidic_lite").DICDIR}"')


def analyse(tokens: Sequence[str]) -> Analysis:
    """Words of a sentence of characters; family and given name side by side are one name."""
    found = [(word.surface, word.pos) for word in _tagger()(clean("".join(tokens))) if word.feature.pos1 != "空白"]
    words = list(laid(found, tokens))
    return Analysis(
        parts=tuple((start, end, _longest(pos, UPOS) or "X") for start, end, pos in words),
        words=tuple((start, end) for start, end, _ in words),
        names=tuple(_names(words)),
    )


def _names(words: Sequence[Span]) -> Iterator[Span]:
    for kind, members in groupby(words, key=lambda word: _longest(word[2], NAMES)):
        group = list(members)
        if kind == "PERSON" and all(a[1] == b[0] for a, b in pairwise(group)):
            yield group[0][0], group[-1][1], kind
        elif kind:
            yield from ((start, end, kind) for start, end, _ in group)


def _longest(pos: str, table: dict[str, str]) -> str | None:
    levels = pos.split(",")
    return next((table[key] for n in range(len(levels), 0, -1) if (key := ",".join(levels[:n])) in table), None)
