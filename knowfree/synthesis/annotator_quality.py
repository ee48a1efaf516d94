"""How good an annotator is, against gold words and parts of speech that no method is ever shown.

Weibo's files number the characters of a word; KLP's files give eojeol and Sejong tags. Both are read from the raw files
here and nowhere in training.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from splits.corpora import klp_ko, weibo
from splits.download import fetch
from splits.errors import ConfigError

Words = Sequence[tuple[int, int]]
CORPORA = ("klp_ko", "weibo")

ONE_TAG: Mapping[str, str] = {"SSO": "SS", "SSC": "SS"}

Split = Literal["train", "dev", "test"]


@dataclass(frozen=True, slots=True)
class Quality:
    """Micro figures over sentences: segmentation P, R and F1 of word spans; the share of gold parts of speech found (None: no gold)."""

    precision: float
    recall: float
    f1: float
    sentences: int
    pos_accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class Gold:
    """A sentence with its gold words, and the part of speech of each token where the corpus has it."""

    id: str
    tokens: tuple[str, ...]
    words: tuple[tuple[int, int], ...]
    parts: tuple[str, ...] | None = None


def quality(pairs: Iterable[tuple[Words, Words]], parts: Iterable[tuple[Sequence[str], Sequence[str]]] = ()) -> Quality:
    """Of (gold, found) words of each sentence, and of (gold, found) parts of speech of the same tokens.

    Raises:
        ValueError: the parts of speech of a sentence differ in number.
    """
    right = gold_words = found_words = sentences = 0
    for gold, found in pairs:
        right += len(set(gold) & set(found))
        gold_words += len(set(gold))
        found_words += len(set(found))
        sentences += 1
    same = tokens = 0
    for gold_parts, found_parts in parts:
        same += sum(a == b for a, b in zip(gold_parts, found_parts, strict=True))
        tokens += len(gold_parts)
    precision = right / found_words if found_words else 0.0
    recall = right / gold_words if gold_words else 0.0
    f1 = 2 * right / (gold_words + found_words) if gold_words + found_words else 0.0
    return Quality(precision, recall, f1, sentences, same / tokens if tokens else None)


def gold(corpus: str, split: Split = "test", mirror: Path | None = None) -> Iterator[Gold]:
    """The gold words of a corpus that has them: `weibo` or `klp_ko`.

    Raises:
        ConfigError: the corpus has no gold words.
        KfbenchError: its files are missing or not the pinned ones.
    """
    if corpus not in CORPORA:
        raise ConfigError(f"{corpus}: there are no gold words in this corpus", f"There are in: {', '.join(CORPORA)}.")
    path = fetch(corpus, mirror=mirror)[split]
    return _weibo(path, split) if corpus == "weibo" else _klp(path, split)


def _weibo(path: Path, split: str) -> Iterator[Gold]:
    for sentence, (_, words) in zip(weibo.sentences(path, split), weibo.gold_words(path, split), strict=True):
        yield Gold(sentence.id, sentence.text, words)


def _klp(path: Path, split: str) -> Iterator[Gold]:
    for sentence, (_, rows) in zip(klp_ko.sentences(path, split), klp_ko.gold_morphology(path, split), strict=True):
        starts = [i for i, (eojeol, _) in enumerate(rows) if i == 0 or eojeol != rows[i - 1][0]]
        words = tuple(zip(starts, [*starts[1:], len(rows)], strict=True))
        yield Gold(sentence.id, sentence.text, words, tuple(pos for _, pos in rows))


def morph_quality(corpus: str, split: Split = "test", mirror: Path | None = None) -> Quality:
    """The morphological analyser of a corpus's language: words for Weibo, eojeol and Sejong tags for KLP.

    KLP has one tag for opening and closing marks where the analyser has two (SSO, SSC): these count as the same.

    Raises:
        ConfigError: the corpus has no gold words, or the analyser is not installed.
    """
    from knowfree.synthesis.morph import analyser, ko

    sentences = list(gold(corpus, split, mirror))
    analyse = analyser("zh" if corpus == "weibo" else "ko").analyse
    words = [(s.words, analyse(s.tokens).words) for s in sentences]
    parts = [(s.parts, [ONE_TAG.get(tag, tag) for tag in ko.tags(s.tokens)]) for s in sentences if s.parts is not None]
    return quality(words, parts)
