"""In which scripts a text is written, and whether they are those of a language."""

from __future__ import annotations

import re
from collections.abc import Mapping

_LATIN = re.compile(r"[A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\uff21-\uff3a\uff41-\uff5a]+")
_SCRIPTS = {
    "han": re.compile("[\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]"),
    "kana": re.compile("[\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f]"),
    "hangul": re.compile("[\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb]"),
}
OWN: Mapping[str, tuple[str, ...]] = {"zh": ("han",), "ja": ("han", "kana"), "ko": ("hangul",), "en": ("latin",)}


def shares(text: str) -> dict[str, float]:
    """The share of each script in the letters of a text, `other` included; a Latin word counts as one letter.

    Digits, signs and blanks do not count. A text without a letter has no script: the shares are all 0.
    """
    latin = len(_LATIN.findall(text))
    rest = "".join(c for c in _LATIN.sub("", text) if c.isalpha())
    counts = {name: len(pattern.findall(rest)) for name, pattern in _SCRIPTS.items()}
    total = latin + len(rest)
    known = counts | {"latin": latin, "other": len(rest) - sum(counts.values())}
    return {name: count / total if total else 0.0 for name, count in known.items()}


def own_share(text: str, language: str) -> float:
    """The share of the language's own scripts.

    Scripts tell Chinese from Korean, not English from French. Japanese without a single kana counts as Chinese (0).
    """
    found = shares(text)
    if language == "ja" and not found["kana"]:
        return 0.0
    return sum(found[name] for name in OWN[language])
