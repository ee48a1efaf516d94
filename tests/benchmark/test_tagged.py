"""Tags against seqeval, both ways of it, and files that cannot be read."""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB2, IOBES, Tokens

from benchmark.tagged import SCHEMES, decode, read_tagged, scheme_of, sentences_of
from splits.errors import CorpusError
from splits.schema import Span, from_tags

KINDS = ("PER", "LOC", "geo-loc")
LIKE_BIOES = {"bioes": "BIES", "bmes": "BMES", "bilou": "BILU"}


def tag_rows(letters: str) -> st.SearchStrategy[list[str]]:
    """Any sequence at all, most of them ill-formed."""
    tags = ["O", *(f"{letter}-{kind}" for letter in letters for kind in KINDS[:2])]
    return st.lists(st.sampled_from(tags), min_size=1, max_size=9)


@st.composite
def flat(draw: st.DrawFn) -> tuple[int, list[Span]]:
    """A sentence's length and entities that do not touch a token twice."""
    spans, at = [], 0
    for _ in range(draw(st.integers(0, 4))):
        start = at + draw(st.integers(0, 2))
        at = start + draw(st.integers(1, 4))
        spans.append((start, at, draw(st.sampled_from(KINDS))))
    return at + draw(st.integers(0 if at else 1, 2)), spans


def encode(length: int, spans: Sequence[Span], scheme: str) -> list[str]:
    """The tags of flat entities, written from the schemes' definitions."""
    tags = ["O"] * length
    for start, end, kind in spans:
        if scheme == "bio":
            letters = "B" + "I" * (end - start - 1)
        elif scheme == "iob1":
            touches = any(other[1] == start and other[2] == kind for other in spans)
            letters = ("B" if touches else "I") + "I" * (end - start - 1)
        else:
            begin, inside, last, single = {"bioes": "BIES", "bmes": "BMES", "bilou": "BILU"}[scheme]
            letters = single if end - start == 1 else begin + inside * (end - start - 2) + last
        tags[start:end] = [f"{letter}-{kind}" for letter in letters]
    return tags


@given(flat(), st.sampled_from(sorted(SCHEMES)))
def test_what_is_written_in_a_scheme_is_read_back_and_well_formed(case: tuple[int, list[Span]], scheme: str) -> None:
    length, spans = case
    assert decode(encode(length, spans, scheme), scheme) == [(span, True) for span in spans]


@given(tag_rows("BIES"))
def test_any_tags_give_the_entities_of_seqeval_as_it_is_by_default(tags: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval's own about ill-formed tags
        theirs = [(start, end + 1, kind) for kind, start, end in get_entities(tags)]
    assert [span for span, _ in decode(tags, "bioes")] == theirs
    assert [span for span, _ in decode([tag.replace("E-", "L-").replace("S-", "U-") for tag in tags], "bilou")] == theirs


@given(st.one_of(*(st.tuples(st.just(scheme), tag_rows(SCHEMES[scheme])) for scheme in ("bio", "bioes", "bilou"))))
def test_the_well_formed_ones_are_those_of_strict_seqeval(case: tuple[str, list[str]]) -> None:
    scheme, tags = case
    strict: Any = {"bio": IOB2, "bioes": IOBES, "bilou": BILOU}[scheme]
    theirs = [(entity.start, entity.end, entity.tag) for entity in Tokens(tags, strict).entities]
    assert [span for span, fine in decode(tags, scheme) if fine] == theirs


@given(tag_rows("BI"))
def test_bio_is_read_as_the_corpora_are(tags: list[str]) -> None:
    found = decode(tags, "bio")
    assert ([span for span, _ in found], sum(not fine for _, fine in found)) == from_tags(tags)


@given(
    st.lists(flat(), min_size=1, max_size=4),
    st.sampled_from(sorted(SCHEMES)),
    st.sampled_from(["\t", " ", "   "]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_a_file_gives_back_its_entities_whatever_its_scheme(cases: list[tuple[int, list[Span]]], scheme: str, gap: str, end: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "theirs.txt"
        rows = [encode(length, spans, scheme) for length, spans in cases]
        path.write_bytes((end + end).join(end.join(f"t{i}{gap}{tag}" for i, tag in enumerate(row)) for row in rows).encode())
        found = sentences_of(path)
    assert [[e.span for e in s.entities] for s in found] == [spans for _, spans in cases]
    assert [len(s.text) for s in found] == [length for length, _ in cases]
    assert not any(s.repaired for s in found), "the scheme was recognised, so nothing is amiss"


def test_columns_between_the_first_and_the_last_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "conll.txt"
    path.write_text("-DOCSTART- -X- O O\n\nU.N. NNP I-NP B-ORG\nsaid VBD I-VP O\n\n\n\nParis NNP I-NP B-LOC\n", encoding="utf-8")
    found = sentences_of(path)
    assert [(s.id, s.text, [e.span for e in s.entities]) for s in found] == [
        ("conll-0", ("U.N.", "said"), [(0, 1, "ORG")]),
        ("conll-1", ("Paris",), [(0, 1, "LOC")]),
    ]


def test_between_tabs_a_token_may_be_or_hold_a_blank(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("　\tO\nNew York\tS-LOC\n", encoding="utf-8")
    assert [one.text for one in read_tagged(path)] == [("　", "New York")]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a\tO\nb O\n", 2, "2 columns that end at tabs"),
        ("a O\nb\n", 2, "2 columns that end at spaces"),
        ("a O\n\nb x O\n", 3, "2 columns"),
        ("a\n", 1, "2 columns"),
        ("a\tO\n\tO\n", 2, "2 columns"),
        ("a\tO\nb\tPER\n", 2, "'PER' is no tag"),
        ("a\tB\n", 1, "'B' is no tag"),
        ("a\tB-\n", 1, "'B-' is no tag"),
        ("a\tX-PER\n", 1, "'X-PER' is no tag"),
        ("a\tB-PER\nb\tM-PER\nc\tL-PER\n", 3, "'L-PER' is not of the scheme bmes"),
        ("a\tO\r\nb\tO\n", 2, "line ends"),
        ("", None, "empty"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(text: str, line: int | None, what: str, tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(text.encode())
    with pytest.raises(CorpusError, match=re.escape(what)) as caught:
        sentences_of(path)
    assert (caught.value.file, caught.value.line) == (str(path), line)


def test_a_scheme_that_is_asked_for_is_held_to(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("a\tB-X\nb\tE-X\n", encoding="utf-8")
    assert scheme_of(path, read_tagged(path)) == "bioes"
    with pytest.raises(CorpusError, match="'E-X' is not of the scheme bio") as caught:
        sentences_of(path, "bio")
    assert caught.value.line == 2


def test_iob1_is_told_from_iob2_by_what_its_b_means(tmp_path: Path) -> None:
    for text, scheme, repaired in (
        ("a\tI-X\nb\tB-X\nc\tO\n", "iob1", 0),
        ("a\tI-X\nb\tO\nc\tB-X\n", "bio", 1),  # a B- that divides nothing: IOB2 with a lost B-
        ("a\tB-X\nb\tI-X\nc\tO\n", "bio", 0),
    ):
        path = tmp_path / "x.txt"
        path.write_text(text, encoding="utf-8")
        assert scheme_of(path, read_tagged(path)) == scheme
        assert sum(s.repaired for s in sentences_of(path)) == repaired
