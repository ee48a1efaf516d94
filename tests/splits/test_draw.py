"""Draws: the order against sha256sum, k-shot against brute force, manifests against tampering."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splits import draw as draws_room
from splits.corpus import Corpus
from splits.draw import (
    expected_overlap,
    flagged,
    load_draws,
    materialise,
    observed_overlap,
    order,
    read_manifest,
    sample,
    take,
    verify,
    write_draws,
)
from splits.draw_manifest import MANIFESTS, manifest_path, write_manifest
from splits.errors import ConfigError, CorpusError
from splits.labels import Inventory
from splits.sample import parse_size
from splits.schema import Entity, Sentence, content_hash


def make(rows: list[list[str]], prefix: str = "s") -> list[Sentence]:
    """A sentence a row: row i has a token and an entity for each label in rows[i]."""
    return [
        Sentence(
            f"{prefix}-{i}", (*(f"w{i}{j}" for j in range(len(labels))), "."), tuple(Entity(j, j + 1, x) for j, x in enumerate(labels))
        )
        for i, labels in enumerate(rows)
    ]


trains = st.lists(st.lists(st.sampled_from("ABCDE"), max_size=5), min_size=1, max_size=30).map(make)
TRAIN = make([["A"], ["B", "A"], [], ["A", "A", "B"], ["C"], ["A"], ["B"], ["A", "C", "B"], [], ["A"]])


def count(sentences: list[Sentence]) -> Counter[str]:
    return Counter(label for s in sentences for _, _, label in s.spans)


def test_order_is_that_of_sha256sum():
    # printf 'kfbench-draw-1\x1fhand\x1f0\x1fa-0' | sha256sum   begins 43d8..., and so on for each id; in UTF-8
    assert order("hand", ["a-0", "a-1", "b-2", "b-3", "ü-4"], 0) == ["b-3", "a-0", "b-2", "a-1", "ü-4"]
    assert order("hand", ["a-0", "a-1", "b-2", "b-3", "ü-4"], 1) == ["b-2", "b-3", "ü-4", "a-0", "a-1"]


@given(st.sets(st.text(max_size=8), max_size=30), st.randoms(use_true_random=False))
def test_order_is_a_permutation_that_the_order_of_the_file_cannot_change(ids, random):
    shuffled = list(ids)
    random.shuffle(shuffled)
    assert order("c", shuffled, 3) == order("c", sorted(ids), 3)
    assert sorted(order("c", shuffled, 3)) == sorted(ids)


@given(trains, st.integers(0, 9))
def test_sizes_of_a_draw_are_prefixes(train, draw):
    whole = sample(train, "c", len(train), draw)
    for size in range(1, len(train) + 1):
        part = sample(train, "c", size, draw)
        assert part.ids == whole.ids[:size]
        assert part.ids == tuple(train[row].id for row in part.rows)
        assert part.sha256 == content_hash(take(part, train))


@given(trains, st.integers(1, 6), st.integers(0, 9))
def test_a_k_shot_sample_has_k_of_every_type_and_no_sentence_to_spare(train, k, draw):
    found = sample(train, "c", f"k{k}", draw)
    chosen, available = take(found, train), count(train)

    def enough(sentences):
        return all(count(sentences)[label] >= min(k, n) for label, n in available.items())

    assert enough(chosen)
    assert not any(enough(chosen[:i] + chosen[i + 1 :]) for i in range(len(chosen)))
    assert found.short == {label: n for label, n in available.items() if n < k}
    assert list(found.ids) == [id for id in order("c", [s.id for s in train], draw) if id in set(found.ids)]


def test_draws_differ():
    train = make([["A"]] * 50)
    assert len({sample(train, "c", 25, draw).ids for draw in range(10)}) == 10
    assert sample(train, "c", 25, 0).ids != sample(train, "d", 25, 0).ids


def test_a_size_beyond_the_train_split_names_the_largest_possible():
    with pytest.raises(ConfigError, match="c: size 11 is larger than its train split; the largest possible is 10"):
        sample(TRAIN, "c", 11, 0)


@pytest.mark.parametrize("size", [0, -1, "k0", "k", "5", "many", "k-1"])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(ConfigError, match="a size is"):
        sample(TRAIN, "c", size, 0)


def test_sizes_on_a_command_line():
    assert (parse_size("250"), parse_size("k5")) == (250, "k5")
    with pytest.raises(ConfigError):
        parse_size("2.5")


def test_overlap_of_draws_is_as_expected():
    train = make([["A"]] * 400)
    samples = [sample(train, "c", 240, draw) for draw in range(10)]
    shares = [len(set(a.ids) & set(b.ids)) / 240 for i, a in enumerate(samples) for b in samples[:i]]
    assert observed_overlap(samples) == pytest.approx(sum(shares) / len(shares))
    assert observed_overlap(samples) == pytest.approx(expected_overlap(240, 400), abs=0.03)
    assert flagged(240, 400)
    assert not flagged(200, 400)
    assert observed_overlap(samples[:1]) is None


@pytest.fixture
def manifests(tmp_path):
    write_manifest(TRAIN, "toy", [4, "k2", 8, "k9"], 3, tmp_path)
    return tmp_path


def test_a_manifest_holds_what_the_rule_draws(manifests):
    manifest = read_manifest("toy", manifests)
    assert manifest.train == content_hash(TRAIN)
    for size in (4, 8, "k2", "k9"):
        for draw in range(3):
            drawn = sample(TRAIN, "toy", size, draw)
            assert verify(drawn, manifest)
            assert manifest.entries[size, draw].short == drawn.short
    assert manifest.entries["k9", 0].short == {"A": 7, "B": 4, "C": 2}


def test_what_a_manifest_does_not_hold_is_drawn_by_the_rule_and_said_to_be_unverified(manifests):
    manifest = read_manifest("toy", manifests)
    assert not verify(sample(TRAIN, "toy", 5, 0), manifest)
    assert not verify(sample(TRAIN, "toy", 4, 3), manifest)
    assert not verify(sample(TRAIN, "toy", 4, 0), None)


def test_a_changed_sentence_is_noticed(manifests):
    first = sample(TRAIN, "toy", 4, 1).rows[0]
    changed = list(TRAIN)
    changed[first] = replace(changed[first], text=("other", *changed[first].text[1:]))
    with pytest.raises(ConfigError, match=r"toy: size 4, draw 1: the sentences' sha256 is [0-9a-f]{12}\.\.\., the manifest has") as caught:
        verify(sample(changed, "toy", 4, 1), read_manifest("toy", manifests))
    assert "kfbench corpora prepare toy" in caught.value.mend


def test_other_rows_are_noticed(manifests):
    with pytest.raises(ConfigError, match=r"toy: size 4, draw 0: other sentences than in the manifest, from place \d"):
        verify(sample([*make([["A"]], "new"), *TRAIN], "toy", 4, 0), read_manifest("toy", manifests))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"corpus": "toy", "train": {"sha256": ""}, "draws": [{"rows": [], "many": {}}]}'])
def test_a_damaged_manifest_is_named(manifests, text):
    manifest_path("toy", manifests).write_text(text)
    with pytest.raises(CorpusError, match=r"toy\.draws\.json: not a manifest of draws"):
        read_manifest("toy", manifests)


def toy() -> Corpus:
    return Corpus("toy", {"train": TRAIN, "dev": [], "test": []}, Inventory.of_targets("ABC"))


def test_materialised_draws_come_back_from_the_file(manifests, tmp_path):
    made = materialise(toy(), [4, 5, "k2", "k9"], 4, manifests)
    write_draws(tmp_path / "draws" / "toy.json", made)
    again = load_draws(tmp_path / "draws" / "toy.json")
    assert again == made
    assert {(size, d) for (size, d), one in again.drawn.items() if one.verified} == {(s, d) for s in (4, "k2", "k9") for d in range(3)}
    assert again.get(5, 0).expected_overlap == 0.5
    assert not again.get(5, 0).flagged
    assert again.get("k2", 1).expected_overlap is None
    assert take(again.get("k2", 1).sample, TRAIN) == take(sample(TRAIN, "toy", "k2", 1), TRAIN)
    with pytest.raises(ConfigError, match="toy: size 6, draw 0 was not drawn; sizes: 4, 5, k2, k9; draws: 4"):
        again.get(6, 0)


def test_the_file_of_draws_is_the_same_each_time(manifests, tmp_path):
    for name in ("a", "b"):
        write_draws(tmp_path / f"{name}.json", materialise(toy(), [4, "k2"], 3, manifests))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_sample_is_not_taken_from_another_train_split():
    drawn = sample(TRAIN, "toy", 4, 0)
    for other in (TRAIN[:2], TRAIN[::-1]):
        with pytest.raises(ConfigError, match="toy: size 4, draw 0: the train split is"):
            take(drawn, other)


@pytest.mark.parametrize("text", ["", "{}", "[1]"])
def test_a_damaged_or_missing_file_of_draws_says_what_to_run(tmp_path, text):
    (tmp_path / "toy.json").write_text(text)
    with pytest.raises(CorpusError, match=r"not a file of draws(.|\n)*kfbench draw toy"):
        load_draws(tmp_path / "toy.json")
    with pytest.raises(CorpusError, match=r"no such file(.|\n)*kfbench draw toy"):
        load_draws(tmp_path / "none" / "toy.json")


@pytest.mark.parametrize("name", ["demo_zh", "demo_en", "demo_ja", "demo_ko"])
def test_committed_manifests_of_the_demo_corpora(name):
    from importlib import import_module

    corpus = import_module(f"splits.corpora.{name}").read({})
    made = materialise(corpus, [60, 120, 240, "k5"], 10)
    assert all(one.verified for one in made.drawn.values())
    assert made.get(240, 0).flagged
    assert not made.get(120, 0).flagged


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "largest"), [("weibo", 1350), ("mit_movie", 6816), ("stockmark_ja", None), ("klp_ko", 2928), ("genia", 15038)]
)
def test_committed_manifests_of_the_real_corpora(mirror, name, largest):
    from splits import corpora

    corpus = corpora.read(name, {key: mirror / name / file.name for key, file in corpora.source(name).files.items()})
    made = materialise(corpus, [250, 500, 1000, "k5", "k10"], 10)
    assert all(one.verified for one in made.drawn.values())
    assert [size for size in (250, 500, 1000) if made.get(size, 0).flagged] == ([1000] if name == "weibo" else [])
    assert made.get("k10", 0).sample.short == ({"GPE.NOM": 8} if name == "weibo" else {})
    if largest:
        with pytest.raises(ConfigError, match=f"the largest possible is {largest}"):
            materialise(corpus, [largest + 1], 1)


def test_committed_manifests_are_small_and_hold_no_text():
    for path in MANIFESTS.glob("*.draws.json"):
        assert path.stat().st_size < 400_000
        value = json.loads(path.read_text(encoding="utf-8"))
        assert set(value) == {"corpus", "salt", "train", "draws"}
        assert all(isinstance(row, int) for block in value["draws"] for row in block["rows"])


def test_everything_that_the_room_promises_is_there():
    assert all(hasattr(draws_room, name) for name in draws_room.__all__)
