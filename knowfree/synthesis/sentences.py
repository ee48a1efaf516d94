"""Prose of a reply: its lines without markup, and the sentences of a line."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a reply without its markup; `prose` is False for headings and rows of tables."""

    text: str
    prose: bool = True


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line; `ended` says that it stops at a sentence end, not just where the line does."""

    text: str
    ended: bool


# --- markup ---

LONGEST = 10_000  # characters; a longer line is a loop, not prose, and the patterns below need not be fast on it
_RULE = frozenset(" -=_*~#|:`+.")
_HEADING = re.compile(r"#{1,6}\s+\S|#{2,6}\S|(\*\*|__)[^*_]+\1[:：]?$|\|.*\|$")
_MARKERS = re.compile(r"(?:>\s*|[-*+•●▪◦‣·]\s+|\(?\d{1,2}[.)]\s+|（?\d{1,2}[、．）]\s*(?!\d)|[①-⑳]\s*)+")
_INLINE = (
    (re.compile(r"!\[[^\[\]]*\]\([^()\s]*\)"), ""),
    (re.compile(r"\[([^\[\]]*)\]\([^()\s]*\)"), r"\1"),
    (re.compile(r"</?[A-Za-z][^<>]{0,200}>"), ""),
    (re.compile(r"(\*{2,3}|~~|__)(?=\S)([^*~]*?\S)\1"), r"\2"),
    (re.compile(r"(?<![A-Za-z0-9*])([*_])(?=[^\s*_])([^*_]*[^\s*_])\1(?![A-Za-z0-9*])"), r"\2"),
    (re.compile(r"`{1,3}([^`]+)`{1,3}"), r"\1"),
)


def lines(reply: str) -> list[Line]:
    """The lines of a reply that hold anything, without list markers, emphasis, links, tags, rules and code fences.

    Control characters and lone surrogates, which UTF-8 cannot write, are dropped; runs of blanks become one.
    """
    found = []
    for raw in reply.splitlines():
        line = " ".join("".join(c for c in raw if c == "\t" or unicodedata.category(c) not in {"Cc", "Cs", "Cf"}).split())
        if not _RULE.issuperset(line) and not line.startswith("```"):
            if len(line) > LONGEST or _HEADING.match(line):
                found.append(Line(line, prose=False))
            elif text := _plain(line):
                found.append(Line(text))
    return found


def _plain(line: str) -> str:
    if found := _MARKERS.match(line):
        line = line[found.end() :]
    for pattern, kept in _INLINE:
        line = pattern.sub(kept, line)
    return _unquoted(line.strip())


def _unquoted(line: str) -> str:
    """The line without quotation marks that hold the whole of it."""
    inside = line[:1] in QUOTES and (0, len(line) - 1) in pairs(line)
    return line[1:-1].strip() if inside else line


# --- quotation marks and brackets ---

BRACKETS = {
    "“": "”",
    "「": "」",
    "『": "』",
    "（": "）",
    "(": ")",
    "《": "》",
    "〈": "〉",
    "【": "】",
    "[": "]",
    "［": "］",
    "«": "»",
    '"': '"',
}
QUOTES = '"“「『«'
_ASIDES = "（(《〈【[［"


def pairs(line: str) -> list[tuple[int, int]]:
    """Places of the quotation marks and brackets that belong together; what has no partner on the line is in no pair."""
    found: list[tuple[int, int]] = []
    opened: list[tuple[int, str]] = []  # place, and the mark that would close it
    waiting: dict[str, int] = {}
    for i, c in enumerate(line):
        if waiting.get(c):
            while opened:
                start, closer = opened.pop()
                waiting[closer] -= 1
                if closer == c:
                    found.append((start, i))
                    break
        elif c in BRACKETS:
            opened.append((i, BRACKETS[c]))
            waiting[BRACKETS[c]] = waiting.get(BRACKETS[c], 0) + 1
    return sorted(found)


# --- sentence ends ---


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_STOPS = re.compile(r"[.!?。！？｡．…]+")
_WIDE = frozenset("。！？｡")
_SIGHT = 24  # characters looked at before and after a stop
_HANGUL = re.compile(r"[가-힣]")
# What goes on after a quotation that ends like a sentence: 「…。」と言った, "…다." 라고 했다
_GOES_ON = {
    "zh": re.compile(r"[，、；：,;:]|的"),
    "ja": re.compile(r"[、，：,:]|[とのはがをにも]|って|など"),
    "ko": re.compile(r"[,;:]|이?라[고는며]|고\s|며\s|하[고며였는]|란\s|[은는을를의]\s"),
    "en": re.compile(r"[,;:\u2014-]"),
}
_BEFORE_NAMES = _set(
    "mr mrs ms mx dr prof rev hon st mt ft gen col lt sgt capt cmdr adm maj gov sen rep pres messrs mme mlle "
    "vs v e.g i.e eg ie cf viz al approx ca c esp incl"
)
_BEFORE_NUMBERS = _set("no nos nr vol fig figs eq sec ch chap p pp art par para op jan feb mar apr jun jul aug sep sept oct nov dec")
_MAY_END = _set("etc inc ltd co corp bros jr sr dept univ est ave blvd rd ph.d m.d b.a m.a b.sc m.sc d.c")
_INITIALS = re.compile(r"[^\W\d_](?:\.[^\W\d_])*")  # J, U.S, a.m
_STARTERS = _set(
    "A After Also Although An And As At Because Before Both But By During Each For From He Her His How However I If In It Its Later Many "
    "Most My No Now On One Or Our She Since So Some Such That The Their Then There These They This Those Though To Today We What When "
    "Where Which While Who With Yet You Your"
)


def pieces(line: str, language: str) -> list[Piece]:
    """The sentences of a line, with the closing marks that belong to them; the last one may be unfinished.

    Cut at `。！？` in every language and at `.?!` before a blank; never inside a pair of quotation marks or brackets, nor
    where the full stop is that of a number, an abbreviation, initials, an ellipsis or an address.
    """
    found, start = [], 0
    spans = pairs(line)
    opener = {end: start for start, end in spans}
    reach = _reach(spans, len(line))
    cased = any(c.isupper() for c in line)
    for run in _STOPS.finditer(line):
        end = run.end()
        while end < len(line) and (end in opener or line[end] == "’"):
            end += 1
        closed = [opener[i] for i in range(run.end(), end) if i in opener]
        if any(line[i] in _ASIDES and line[start:i].strip() for i in closed):
            continue  # (He was ill.) inside a sentence
        if reach[run.start()] >= end or not _is_end(line, run.start(), run.end(), end, language, cased):
            continue
        found.append(Piece(line[start:end].strip(), True))
        start = end
    rest = line[start:].strip()
    return [*found, Piece(rest, False)] if rest else found


def _reach(spans: list[tuple[int, int]], length: int) -> list[int]:
    """For each place the farthest closing mark of a pair opened before it."""
    opened = [-1] * (length + 1)
    for start, end in spans:
        opened[start + 1] = max(opened[start + 1], end)
    return list(accumulate(opened, max))


def _is_end(line: str, start: int, stop: int, end: int, language: str, cased: bool) -> bool:
    """Whether the stops at [start, stop), closing marks up to `end`, end a sentence."""
    run = line[start:stop]
    goes_on_at = next((i for i in range(end, len(line)) if not line[i].isspace()), len(line))
    following = line[goes_on_at : goes_on_at + _SIGHT]
    if not following:
        return True
    if end > stop and (goes_on := _GOES_ON.get(language)) and goes_on.match(following):
        return False
    if not _WIDE.isdisjoint(run):
        return True
    if set(run) <= {".", "．", "…"} and run not in {".", "．"}:
        return False  # an ellipsis
    if goes_on_at == end:  # 3.5, example.com, U.S.; but Korean writers forget the blank
        return language == "ko" and end == stop and bool(start and _HANGUL.match(line, start - 1) and _HANGUL.match(following))
    if following[0].islower() and (end > stop or "." not in run):
        return not cased and end == stop  # "Stop!" she said; Yahoo! is
    before = line[max(0, start - _SIGHT) : start].split()
    return "." not in run or not before or not _abbreviates(before[-1], following, language, cased)


def _abbreviates(word: str, following: str, language: str, cased: bool) -> bool:
    """Whether a full stop after this word, with this text behind it, is that of an abbreviation or a Korean date (`5. 3.`)."""
    word = word.lstrip("([{\"'“‘「（").lower()
    if word.isdigit():
        return language == "ko"  # whose sentences end in a verb
    if word in _BEFORE_NUMBERS:
        return following[0].isdigit()
    if word in _BEFORE_NAMES:
        return True
    if word in _MAY_END or _INITIALS.fullmatch(word):
        found = re.match(r"\w+", following)
        first = found.group() if found else ""
        return (first if cased else first.capitalize()) not in _STARTERS
    return False
