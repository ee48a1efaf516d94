"""Stockmark: spans in characters, pages that stay together, and errors that name a line of the JSON."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splits import corpora
from splits.corpora import stockmark_ja
from splits.corpora.stockmark_ja import _rows
from splits.errors import CorpusError


def row(text="山本 花子が来た", page="1", **entity):
    entity = {"name": "山本 花子", "span": [0, 5], "type": "人名"} | entity
    return {"curid": page, "text": text, "entities": [entity]}


@pytest.fixture
def file(tmp_path):
    def write(rows):
        path = tmp_path / "small.json"
        path.write_bytes((rows if isinstance(rows, str) else json.dumps(rows, ensure_ascii=False, indent=1)).encode())
        return path

    return write


def test_a_space_is_a_token_in_an_entity_too(file):
    ((sentence, page),) = _rows(file([row()]))
    assert sentence.text == tuple("山本 花子が来た")
    assert (sentence.id, page, sentence.spans) == ("ner-0", "1", {(0, 5, "人名")})


FIRST = json.dumps([row()], ensure_ascii=False, indent=1)[:-2] + ",\n"
NEXT = FIRST.count("\n") + 1  # line of the row that follows


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (FIRST + json.dumps(row(span=[0, 4])) + "]", NEXT, "entity 0:4 says '山本 花子', the text there '山本 花'"),
        (FIRST + json.dumps(row(span=[0, 99])) + "]", NEXT, "entity 0:99 says"),
        (FIRST + json.dumps(row(span=[0])) + "]", NEXT, "an entity needs a `span` of two integers"),
        (FIRST + json.dumps(row(type="人物")) + "]", NEXT, "unknown type '人物', expected one of: 人名"),
        (FIRST + json.dumps(row(text="")) + "]", NEXT, "`text` must be a string, and not empty"),
        (FIRST + "3]", NEXT, "expected an object with a string `curid`"),
        (FIRST + '{"curid": ]', NEXT, "not JSON: Expecting value at column 11"),
        (FIRST[: FIRST.index("name")], 7, "not JSON: Unterminated string"),
        (FIRST.rstrip(",\n"), NEXT - 1, "expected , or ], found the end of the file"),
        ("{}", 1, "expected [, found {"),
        ("[] []", 1, "not JSON"),
        (json.dumps([row()]) + "\n]", 2, "something follows the end of the list"),
    ],
)
def test_a_bad_row_is_named_by_its_line(file, text, line, what):
    with pytest.raises(CorpusError) as caught:
        list(_rows(file(text)))
    assert caught.value.what.split("small.json")[1].startswith(f":{line}: {what}")


@given(st.lists(st.integers(0, 60), min_size=100, max_size=300))
def test_rows_of_a_page_stay_together_and_parts_have_their_share(pages):
    rows = [(f"ner-{i}", str(page)) for i, page in enumerate(pages)]
    parts = stockmark_ja.partition(rows)
    page_of = dict(rows)
    found = {part: {page_of[name] for name in ids} for part, ids in parts.items()}
    assert not (found["train"] & found["dev"])
    assert not (found["train"] & found["test"])
    assert not (found["dev"] & found["test"])
    assert sorted(name for ids in parts.values() for name in ids) == sorted(page_of)
    largest = max(Counter(pages).values())
    if largest <= len(rows) / 5:  # with larger pages dev may take what test needs
        assert all(len(rows) / 10 <= len(parts[part]) < len(rows) / 10 + largest for part in ("dev", "test"))


@pytest.mark.real
def test_counts_of_upstream(mirror):
    path = mirror / "stockmark_ja" / "ner.json"
    corpus = corpora.read("stockmark_ja", {"ner": path})
    everything = [s for split in corpus.splits.values() for s in split]
    assert [len(corpus.splits[s]) for s in ("train", "dev", "test")] == [4273, 535, 535]
    assert len(everything) == 5343
    entities = [(s, e) for s in everything for e in s.entities]
    assert len(entities) == 13185
    assert Counter(e.label for _, e in entities) == {
        "人名": 2980,
        "法人名": 2485,
        "地名": 2157,
        "製品名": 1215,
        "政治的組織名": 1180,
        "施設名": 1108,
        "その他の組織名": 1051,
        "イベント名": 1009,
    }
    assert sum(" " in s.text for s in everything) == 288
    assert sum(" " in s.surface(e) for s, e in entities) == 310
    pages = {s.id: page for s, page in _rows(path)}
    shared = Counter(pages.values())
    assert sum(count - 1 for count in shared.values()) == 108  # rows that share a page with an earlier row
    assert all(
        len({split for split, rows in corpus.splits.items() if page in {pages[s.id] for s in rows}}) == 1
        for page in shared
        if shared[page] > 1
    )
