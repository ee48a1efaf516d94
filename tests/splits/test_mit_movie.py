"""MIT Movie: tag first, CRLF, and a dev split that is the same everywhere."""

from __future__ import annotations

from collections import Counter

import pytest

from splits import corpora
from splits.corpora import mit_movie
from splits.errors import CorpusError

SMALL = "O\twho\r\nB-Character_Name\tcaptain\r\nI-Character_Name\tfoo\r\n\r\nB-Year\t1907\r\n"


@pytest.fixture
def file(tmp_path):
    def write(text: str):
        path = tmp_path / "small.bio"
        path.write_bytes(text.encode())
        return path

    return write


@pytest.mark.parametrize("end", ["", "\r\n"])
def test_the_tag_stands_first_and_types_are_upper_case(file, end):
    first, second = mit_movie.sentences(file(SMALL + end), "train")
    assert (first.id, first.text, first.spans) == ("train-0", ("who", "captain", "foo"), {(1, 3, "CHARACTER_NAME")})
    assert (second.id, second.spans) == ("train-1", {(0, 1, "YEAR")})


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (SMALL.replace("O\twho\r\n", "O\twho\n"), "bio:1: line ends in LF, expected CRLF"),
        (SMALL.replace("B-Year\t1907", "1907\tB-Year"), "bio:5: unknown tag '1907'"),
        (SMALL.replace("O\twho", "O\t"), "bio:1: expected TAG<TAB>WORD, found 'O\\\\t'"),
        (SMALL.replace("B-Year", "B-Decade"), "bio:5: unknown tag 'B-DECADE'"),
    ],
)
def test_a_bad_line_is_named(file, text, what):
    with pytest.raises(CorpusError, match=what):
        list(mit_movie.sentences(file(text), "train"))


def test_dev_does_not_depend_on_the_order_of_train():
    ids = [f"train-{i}" for i in range(3000)]
    forward, backward = mit_movie.partition(ids), mit_movie.partition(ids[::-1])
    assert len(forward["dev"]) == mit_movie.DEV_SIZE
    assert forward["dev"] == backward["dev"][::-1]
    assert sorted(forward["train"] + forward["dev"]) == sorted(ids)


@pytest.mark.real
def test_counts_of_upstream(mirror):
    corpus = corpora.read("mit_movie", {key: mirror / "mit_movie" / file.name for key, file in mit_movie.SOURCE.files.items()})
    train, dev, test = (corpus.splits[s] for s in ("train", "dev", "test"))
    assert (len(train) + len(dev), len(dev), len(test)) == (7816, 1000, 1953)
    assert sum(len(s.entities) for s in train + dev) == 23030
    assert sum(len(s.entities) for s in test) == 5686
    everything = [s for split in corpus.splits.values() for s in split]
    assert not any(s.repaired for s in everything)  # clean BIO
    assert max(Counter(s.text for s in everything).values()) == 1  # no duplicate, no overlap
    assert {e.label for s in everything for e in s.entities} == set(mit_movie.LABELS)
    assert all(s.id.startswith("train-") for s in dev)
