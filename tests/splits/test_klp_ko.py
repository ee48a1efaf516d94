"""KLP: the untyped I, the two head lines, and no gold morphology in a sentence."""

from __future__ import annotations

import pytest

from splits import corpora
from splits.corpora import klp_ko
from splits.errors import CorpusError

ROWS = [
    "; 나는 큰서울에",
    "$나는 <큰서울:LC>에",
    "1\t나\tNP\tO",
    "1\t는\tJX\tO",
    "2\t큰\tMM\tB_LC",
    "2\t서울\tNNP\tI",
    "2\t에\tJKB\tO",
    "",
    "",
]
SMALL = "\r\n".join(ROWS)


@pytest.fixture
def file(tmp_path):
    def write(text: str):
        path = tmp_path / "small.ner"
        path.write_bytes(text.encode())
        return path

    return write


def test_an_untyped_inside_tag_continues_the_open_entity(file):
    (sentence,) = klp_ko.sentences(file(SMALL), "dev")
    assert (sentence.id, sentence.text, sentence.spans) == ("dev-0", ("나", "는", "큰", "서울", "에"), {(2, 4, "LC")})


def test_neither_raw_text_nor_eojeol_nor_pos_reaches_a_sentence(file):
    (sentence,) = klp_ko.sentences(file(SMALL), "dev")
    other = SMALL.replace("NNP", "XX").replace("2\t큰", "1\t큰").replace("; 나는", "; 나 는")
    assert next(klp_ko.sentences(file(other), "dev")) == sentence
    assert not sentence.extra


def test_gold_morphology_is_read_apart(file):
    assert list(klp_ko.gold_morphology(file(SMALL), "dev")) == [("dev-0", ((1, "NP"), (1, "JX"), (2, "MM"), (2, "NNP"), (2, "JKB")))]


def test_a_head_line_mark_is_no_head_line_further_down(file):
    (sentence,) = klp_ko.sentences(file(SMALL.replace("1\t는\tJX", "1\t;\tSP")), "dev")
    assert sentence.text[1] == ";"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (SMALL.replace("B_LC", "O"), "ner:6: an `I` with no open entity"),
        (SMALL.replace("B_LC", "B_QT"), "ner:5: unknown tag 'B-QT'"),
        (SMALL.replace("; 나", "나"), "ner:1: expected `; raw text`"),
        (SMALL.replace("$나", "나"), "ner:2: expected .* annotated text"),
        (SMALL.replace("1\t는\tJX\tO", "1\t는\tO"), "ner:4: expected EOJEOL<TAB>MORPHEME<TAB>POS<TAB>TAG"),
        (SMALL.replace("1\t는", "a\t는"), "ner:4: expected the number of an eojeol"),
        (SMALL[:-2], "ner:7: the file ends inside a sentence"),
        ("; a\r\n$a\r\n\r\n", "ner:2: expected EOJEOL"),
        (SMALL.replace("\r\n", "\n"), "ner:1: line ends in LF, expected CRLF"),
    ],
)
def test_a_bad_line_is_named(file, text, what):
    with pytest.raises(CorpusError, match=what):
        list(klp_ko.sentences(file(text), "dev"))


@pytest.mark.real
def test_counts_of_upstream(mirror):
    corpus = corpora.read("klp_ko", {key: mirror / "klp_ko" / file.name for key, file in klp_ko.SOURCE.files.items()})
    assert [len(corpus.splits[s]) for s in ("train", "dev", "test")] == [2928, 366, 366]
    assert [sum(len(x.entities) for x in corpus.splits[s]) for s in ("train", "dev", "test")] == [6275, 750, 754]
    everything = [s for split in corpus.splits.values() for s in split]
    assert not any(s.repaired or s.extra for s in everything)
    texts = {name: {s.text for s in rows} for name, rows in corpus.splits.items()}
    assert not (texts["train"] & texts["dev"])
    assert not (texts["train"] & texts["test"])
    assert not (texts["dev"] & texts["test"])
