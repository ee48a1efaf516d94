"""Which cells a profile asks for, and how far they are."""

from __future__ import annotations

import shutil

import pytest

from benchmark.plan import Filter
from benchmark.status import seconds_left, states
from splits.errors import ConfigError, CorpusError
from tests.benchmark.conftest import DICTIONARY, Profile


def test_every_combination_is_a_cell_once(profile: Profile) -> None:
    cells = profile.plan().cells
    assert len(cells) == len({str(c.id) for c in cells}) == len({c.hash for c in cells}) == 2 * 2 * 2


def test_a_pair_that_cannot_be_is_in_the_plan_with_its_reason(profile: Profile) -> None:
    methods = {"lookup": {"method": DICTIONARY}, "flat": {"method": DICTIONARY, "params": {"flat_only": True}}}
    profile.write(corpora=["demo_zh", "demo_en"], variants=["lookup", "flat"], methods=methods)
    plan = profile.plan()
    assert [(p.corpus, p.variant, p.reason) for p in plan.not_applicable] == [("demo_en", "flat", "entities nest")]
    assert {(c.id.corpus, c.id.variant) for c in plan.cells} == {("demo_zh", "lookup"), ("demo_zh", "flat"), ("demo_en", "lookup")}
    assert ("demo_en", "flat") in plan.pairs


def test_a_filter_keeps_hashes_as_they_are(profile: Profile) -> None:
    whole = {str(c.id): c.hash for c in profile.plan().cells}
    part = profile.plan(Filter(sizes=[20], draws=[1], seeds=[0])).cells
    assert [(str(c.id), c.hash) for c in part] == [("demo_zh/lookup/20/1-0", whole["demo_zh/lookup/20/1-0"])]


@pytest.mark.parametrize(
    ("only", "what"),
    [
        (Filter(corpora=["weibo"]), "no corpus 'weibo'"),
        (Filter(variants=["x"]), "no variant 'x'"),
        (Filter(sizes=[11]), "no size 11"),
        (Filter(draws=[2]), "no draw 2"),
        (Filter(seeds=[7]), "no seed 7"),
    ],
)
def test_a_filter_that_names_nothing_is_an_error_that_lists_what_there_is(only: Filter, what: str, profile: Profile) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        profile.plan(only)
    assert "It has: " in caught.value.mend


def test_a_corpus_that_is_not_prepared_is_planned_as_missing(profile: Profile) -> None:
    shutil.rmtree(profile.root / "data")
    plan = profile.plan()
    assert {c.hash for c in plan.cells} == {None}
    assert set(states(plan, profile.store)) == {"missing"}


def test_a_size_that_was_not_drawn_says_how_to_draw_it(profile: Profile) -> None:
    profile.write(sizes=[10, 15])
    with pytest.raises(ConfigError, match="size 15, draw 0 was not drawn") as caught:
        profile.plan()
    assert "kfbench draw demo_zh" in caught.value.mend


def test_data_that_was_edited_by_hand_is_refused(profile: Profile) -> None:
    path = profile.root / "data" / "demo_zh" / "dev.jsonl"
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")
    with pytest.raises(CorpusError, match="content hash"):
        profile.plan()


def test_states_follow_a_cell_through_its_life(profile: Profile) -> None:
    profile.write(sizes=[10], draws=1)
    (profile.root / "trap").touch()
    assert states(profile.plan(), profile.store) == ["missing", "missing"]
    assert seconds_left(profile.plan(), ["missing", "missing"], profile.store) is None
    profile.run()
    assert states(profile.plan(), profile.store) == ["done", "failed"]
    left = seconds_left(profile.plan(), ["done", "failed"], profile.store)
    assert left is not None
    assert left > 0
    with profile.store.lock(profile.plan().cells[1].hash or ""):
        assert states(profile.plan(), profile.store) == ["done", "running"]
    profile.write(training={"epochs": 3})
    assert states(profile.plan(), profile.store) == ["stale", "missing"]


def test_dev_size_takes_the_same_sentences_whatever_their_order_in_the_file(profile: Profile) -> None:
    data = profile.workspace.data("demo_zh")
    chosen = [s.id for s in data.dev(30)]
    assert len(chosen) == 30
    assert chosen != [s.id for s in data.dev(None)][:30]
    data.corpus.splits["dev"].reverse()
    assert sorted(s.id for s in data.dev(30)) == sorted(chosen)
    assert set(chosen) <= {s.id for s in data.dev(60)}
