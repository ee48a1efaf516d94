"""Weibo: its tokens, its repair, and upstream's counts."""

from __future__ import annotations

from collections import Counter

import pytest

from splits import corpora
from splits.corpora import weibo
from splits.errors import CorpusError


@pytest.fixture
def file(tmp_path):
    def write(text: str):
        path = tmp_path / "small.conll"
        path.write_bytes(text.encode())
        return path

    return write


def test_an_index_may_have_two_digits_and_a_lost_emoji_is_one_token(file):
    token = "".join(f"{c}{i}\tO\n" for i, c in enumerate("abcdefghijk"))
    (sentence,) = weibo.sentences(file(f"\ufffd\ufffd0\tO\n70\tO\n{token}\n"), "x")
    assert sentence.text == ("\ufffd\ufffd", "7", *"abcdefghijk")


def test_an_inside_tag_with_nothing_open_starts_an_entity(file):
    lines = ["甲0\tI-PER.NAM", "乙0\tI-PER.NAM", "丙0\tI-ORG.NAM", "丁0\tB-ORG.NAM", "戊0\tO"]
    (sentence,) = weibo.sentences(file("\n".join(lines) + "\n\n"), "x")
    assert [e.span for e in sentence.entities] == [(0, 2, "PER.NAM"), (2, 3, "ORG.NAM"), (3, 4, "ORG.NAM")]
    assert sentence.repaired == 2


def test_gold_words_begin_where_the_index_is_zero(file):
    path = file("甲0\tO\n乙1\tO\n丙0\tO\n丁0\tO\n戊1\tO\n\n己0\tO\n\n")
    assert list(weibo.gold_words(path, "x")) == [("x-0", ((0, 2), (2, 3), (3, 5))), ("x-1", ((0, 1),))]


def test_nothing_of_the_segmentation_reaches_a_sentence(file):
    sentences = [next(weibo.sentences(file(text), "x")) for text in ("甲0\tO\n乙1\tO\n\n", "甲0\tO\n乙0\tO\n\n")]
    assert sentences[0] == sentences[1]
    assert not sentences[0].extra


@pytest.mark.parametrize("token", ["甲", "甲x", "甲-1", "甲²"])
def test_a_token_without_its_index_is_an_error(file, token):
    with pytest.raises(CorpusError, match=r"small\.conll:1: expected a character and its index"):
        list(weibo.sentences(file(f"{token}\tO\n\n"), "x"))


@pytest.mark.real
def test_counts_of_upstream(mirror):
    corpus = corpora.read("weibo", {key: mirror / "weibo" / file.name for key, file in weibo.SOURCE.files.items()})
    splits = corpus.splits
    assert [len(splits[s]) for s in ("train", "dev", "test")] == [1350, 270, 270]
    assert [sum(len(x.entities) for x in splits[s]) for s in ("train", "dev", "test")] == [1895, 389, 418]
    assert [sum(x.repaired for x in splits[s]) for s in ("train", "dev", "test")] == [10, 0, 4]  # B- tags alone: 1885, 389, 414
    types = {s: Counter(e.label for x in splits[s] for e in x.entities) for s in splits}
    assert {label: tuple(types[s][label] for s in ("train", "dev", "test")) for label in weibo.LABELS} == {
        "PER.NAM": (578, 90, 113),
        "PER.NOM": (772, 208, 172),
        "GPE.NAM": (205, 26, 47),
        "GPE.NOM": (8, 1, 2),
        "ORG.NAM": (183, 47, 39),
        "ORG.NOM": (42, 5, 17),
        "LOC.NAM": (56, 6, 19),
        "LOC.NOM": (51, 6, 9),
    }
    assert all(len(token) == 1 or token == weibo.LOST_EMOJI for rows in splits.values() for s in rows for token in s.text)
    seen = [{s.text for s in splits[name]} for name in ("train", "dev")]
    assert sum(s.text in seen[0] for s in splits["dev"]) == 42
    assert sum(s.text in seen[0] for s in splits["test"]) == 40
    assert sum(s.text in seen[1] for s in splits["test"]) == 8


@pytest.mark.real
def test_gold_words_cover_every_sentence(mirror):
    path = mirror / "weibo" / weibo.SOURCE.files["dev"].name
    for sentence, (name, words) in zip(weibo.sentences(path, "dev"), weibo.gold_words(path, "dev"), strict=True):
        assert sentence.id == name
        assert [i for start, end in words for i in range(start, end)] == list(range(len(sentence.text)))
