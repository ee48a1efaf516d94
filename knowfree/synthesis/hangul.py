"""How Korean morphemes join into what is written: 보 + ㄴ is 본, 하 + 았 is 했.

Text is spelt in letters (compatibility jamo), an onset and a coda alike, so that the morpheme ㄴ is a part of the
syllable 본. A rule says how two morphemes may merge where they meet: (end of the left, head of the right, what is
written). The rules are those of standard orthography (contraction, the irregular verbs, dropped ㄹ and copula); they
over-generate a little, because a morpheme does not say whether its verb is irregular.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

ONSETS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
CODAS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
PARTS = "ㄱㅅㄴㅈㄴㅎㄹㄱㄹㅁㄹㅂㄹㅅㄹㅌㄹㅍㄹㅎㅂㅅ"  # of the clusters, two by two
CLUSTERS = {cluster: PARTS[2 * i : 2 * i + 2] for i, cluster in enumerate("ㄳㄵㄶㄺㄻㄼㄽㄾㄿㅀㅄ")}
COPULA = "ㅇㅣ"  # 이다 may lose its stem where no consonant stands before: 기자 + 이 + 다 is 기자다

Rule = tuple[str, str, str]


def _spelt(rules: str) -> Iterator[Rule]:
    """Rules written in syllables or letters, `left+right>written`."""
    for rule in rules.split():
        left, _, rest = rule.partition("+")
        right, _, written = rest.partition(">")
        yield letters(left), letters(right), letters(written)


def letters(text: str) -> str:
    """Hangul syllables, conjoining and compatibility jamo as letters; every other character as it is."""
    return "".join(map(_letters, text))


def _letters(character: str) -> str:
    code = ord(character)
    if 0xAC00 <= code <= 0xD7A3:
        onset, rest = divmod(code - 0xAC00, 588)
        vowel, coda = divmod(rest, 28)
        return ONSETS[onset] + VOWELS[vowel] + (_letters(CODAS[coda - 1]) if coda else "")
    if 0x1100 <= code <= 0x1112:
        return ONSETS[code - 0x1100]
    if 0x1161 <= code <= 0x1175:
        return VOWELS[code - 0x1161]
    if 0x11A8 <= code <= 0x11C2:
        return _letters(CODAS[code - 0x11A8])
    return CLUSTERS.get(character, character)


def _rules() -> tuple[Rule, ...]:
    found = [
        # a stem that ends in a vowel takes -아/-어 in: 가+아, 서+어, 보내+어, 보+아, 주+어, 그리+어, 되+어, 쓰+어
        *_spelt(
            "ㅏ+아>ㅏ ㅏ+어>ㅏ ㅓ+어>ㅓ ㅕ+어>ㅕ ㅐ+어>ㅐ ㅔ+어>ㅔ ㅗ+아>ㅘ ㅜ+어>ㅝ ㅜ+어>ㅓ ㅣ+어>ㅕ ㅚ+어>ㅙ ㅡ+어>ㅓ ㅡ+아>ㅏ ㅡ+어>ㅏ"
        ),
        # 하다: 해, 하여; 치 for 하지, 케 for 하게, 타 for 하다
        *_spelt("하+아>해 하+어>해 하+아>하여 하+어>하여 하+ㅈ>ㅊ 하+ㄱ>ㅋ 하+ㄷ>ㅌ"),
        # irregular in 르 and 러: 흘러, 이르러
        *_spelt("르+어>ㄹ러 르+아>ㄹ라 르+어>ㄹ라 르+어>르러"),
        # irregular in ㅅ, ㄷ, ㅂ: 지어, 들어, 도와, 추운
        *_spelt("ㅅ+ㅇ>ㅇ ㄷ+ㅇ>ㄹㅇ ㅂ+아>와 ㅂ+아>워 ㅂ+어>와 ㅂ+어>워 ㅂ+으>우 ㅂ+ㄴ>운 ㅂ+ㄹ>울 ㅂ+ㅁ>움 ㅂ+ㅂ>웁 ㅂ+시>우시"),
        # irregular in ㅎ: 그런, 그래, 빨개
        *_spelt(
            "ㅎ+ㄴ>ㄴ ㅎ+ㄹ>ㄹ ㅎ+ㅁ>ㅁ ㅎ+ㅂ>ㅂ ㅎ+은>ㄴ ㅎ+을>ㄹ ㅎ+으> ㅓㅎ+어>ㅐ ㅓㅎ+아>ㅐ ㅏㅎ+아>ㅐ ㅏㅎ+어>ㅐ ㅑㅎ+아>ㅒ ㅓ+어>ㅐ"
        ),
        # ㄹ falls before ㄴ, ㅂ, ㅅ, ㄹ and -오: 산, 삽니다, 사오
        *_spelt("ㄹ+ㄴ>ㄴ ㄹ+ㅂ>ㅂ ㄹ+ㅅ>ㅅ ㄹ+ㄹ>ㄹ ㄹ+오>오 ㄹ+ㅁ>ㄹㅁ"),
        # 으 that a vowel or ㄹ swallows: 가+으면, 살+으면
        *((vowel, "ㅇㅡ", vowel) for vowel in VOWELS),
        ("ㄹ", "ㅇㅡ", "ㄹ"),
        # pronouns and 것, 지 않, 하지 않
        *_spelt("나+의>내 저+의>제 너+의>네 나+가>내가 저+가>제가 너+가>네가 누구+가>누가 나+에게>내게 지+않>잖 치+않>찮"),
        *_spelt("것+이>게 것+은>건 것+을>걸 것+ㄴ>건 것+ㄹ>걸 터+이>테 스럽+ㄴ>스런 스럽+은>스런"),
        *_spelt("무엇+을>뭘 무엇+이>뭐 나+는>난 나+를>날 너+는>넌 너+를>널 저+는>전"),
        *_spelt("이것+은>이건 이것+이>이게 그것+은>그건 그것+이>그게 여기+는>여긴"),
        # a particle loses its vowel: 에서+는, 에+는, 로+는
        *((vowel, "ㄴㅡㄴ", vowel + "ㄴ") for vowel in "ㅓㅔㅗㅣㅏ"),
        *((vowel, "ㄹㅡㄹ", vowel + "ㄹ") for vowel in "ㅓㅔㅗㅣㅏ"),
    ]
    return tuple(sorted(set(found)))


RULES = _rules()
BY_EDGE: dict[tuple[str, str], list[Rule]] = {}  # by the two letters that meet
for _rule in RULES:
    BY_EDGE.setdefault((_rule[0][-1], _rule[1][0]), []).append(_rule)
OVERLAP = 2 * max(len(left) for left, _, _ in RULES)  # letters at the end of what stands that the next two morphemes may still rewrite


def grown(written: str, token: str) -> set[str]:
    """All that may stand after one more morpheme (both in letters); `written` alone where a copula is dropped."""
    after = {written + token}
    for left, right, to in BY_EDGE.get((written[-1:], token[:1]), ()):
        if written.endswith(left) and token.startswith(right):
            after.add(written[: len(written) - len(left)] + to + token[len(right) :])
    if token == COPULA and written and written[-1] not in ONSETS:
        after.add(written)
    return after


def spellings(tokens: Sequence[str]) -> set[str]:
    """All that a sequence of morphemes (in letters) may be written as; the last one writes something."""
    found = {tokens[0]} if tokens else set()
    for i, token in enumerate(tokens[1:], 2):
        found = {to for written, to in _pairs(found, token) if i < len(tokens) or to != written}
    return found


def _pairs(found: set[str], token: str) -> Iterator[tuple[str, str]]:
    for written in found:
        yield from product((written,), grown(written, token))
