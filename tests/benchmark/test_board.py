"""Predictions of other systems on the board: scored as a cell is, and nothing written of what does not hold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.external import FACTS, FOLDER, Declared, read_externals
from benchmark.result import PREDICTIONS, load_metrics
from reports.aggregate import read_results
from splits.errors import KfbenchError
from splits.schema import read_jsonl
from tests.benchmark.conftest import Profile
from tests.benchmark.test_cli import call
from tests.benchmark.test_tagged import encode

AS = ("--as", "theirs", "--corpus", "demo_zh", "--size", "20", "--draw", "1", "--seed", "0")


@pytest.fixture
def here(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """A profile with one recorded cell, the working directory."""
    monkeypatch.chdir(profile.root)
    call("run", "--size", "20", "--draw", "1", "--seed", "0", "--record")
    return profile


def cell(profile: Profile) -> Path:
    return profile.root / "results/demo_zh/lookup/20/1-0"


def tags(profile: Profile, path: Path, scheme: str = "bioes") -> Path:
    """Gold itself, as a file of tags."""
    test = read_jsonl(profile.root / "data/demo_zh/test.jsonl")
    rows = [(s.text, encode(len(s.text), sorted(s.spans), scheme)) for s in test]
    path.write_text("\n".join("".join(f"{a}\t{b}\n" for a, b in zip(text, row, strict=True)) for text, row in rows), encoding="utf-8")
    return path


def listed(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_our_own_predictions_as_those_of_another_get_the_numbers_of_the_cell(here: Profile) -> None:
    given = here.root / "given.jsonl"
    shutil.copy(cell(here) / PREDICTIONS, given)
    status, text = call("score", str(given), *AS, "--note", "copied \n twice", "--url", "https://example.org/x", "--json")
    assert status == 0
    row = here.root / FOLDER / "demo_zh/theirs/20/1-0"
    ours, theirs = load_metrics(cell(here)), load_metrics(row)
    assert theirs.scores["dev"] == ours.scores["dev"], "unseen, no-overlap, boundaries and types included"
    assert theirs.absent == ours.absent
    assert (row / PREDICTIONS).read_bytes() == given.read_bytes()
    declared = Declared.model_validate_json((row / FACTS).read_text())
    assert (declared.note, declared.url, declared.protocol, declared.format) == ("copied twice", "https://example.org/x", "dev", "jsonl")
    micro = json.loads(text[text.index("{") :])["micro"]
    assert micro["f1"] == ours.scores["dev"].micro.f1
    found = read_results(here.params, here.root / "results")
    assert found.external == {"theirs"}


def test_the_same_row_again_is_the_same_bytes_and_another_needs_replace(here: Profile) -> None:
    given = tags(here, here.root / "theirs.bioes")
    call("score", str(given), *AS, "--protocol", "test")
    before = listed(here.root / FOLDER)
    call("score", str(given), *AS, "--protocol", "test")
    assert listed(here.root / FOLDER) == before
    assert b"2026" not in b"".join(before.values()), "no date"
    with pytest.raises(KfbenchError, match="another row stands there"):
        call("score", str(given), *AS, "--protocol", "last")
    assert listed(here.root / FOLDER) == before
    call("score", str(given), *AS, "--protocol", "last", "--replace")
    (row,) = read_externals(here.root / FOLDER)
    assert (row.declared.protocol, row.metrics.shown, row.score.micro.f1) == ("last", "last", 1.0)


def test_tags_become_spans_of_the_test_splits_ids(here: Profile) -> None:
    call("score", str(tags(here, here.root / "x.txt", "bmes")), *AS)
    rows = [json.loads(line) for line in (here.root / FOLDER / "demo_zh/theirs/20/1-0" / PREDICTIONS).read_text().splitlines()]
    test = read_jsonl(here.root / "data/demo_zh/test.jsonl")
    assert [row["id"] for row in rows] == [s.id for s in test]
    assert [{(e["start"], e["end"], e["entity"]) for e in row["entities"]} for row in rows] == [set(s.spans) for s in test]


def test_gold_may_be_named_if_it_is_the_test_split(here: Profile) -> None:
    given = str(tags(here, here.root / "x.txt"))
    assert call("score", "data/demo_zh/test.jsonl", given, *AS)[0] == 0
    with pytest.raises(KfbenchError, match="is not the test split of demo_zh"):
        call("score", "data/demo_zh/dev.jsonl", given, *AS)


def without(option: str) -> tuple[str, ...]:
    at = AS.index(option)
    return AS[:at] + AS[at + 2 :]


def instead(option: str, value: str) -> tuple[str, ...]:
    return (*without(option), option, value)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (without("--draw"), "--as needs --draw"),
        (without("--seed"), "--as needs --seed"),
        (instead("--as", "lookup"), "has a variant 'lookup'"),
        (instead("--as", "../x"), "the name"),
        (instead("--as", ".x"), "the name"),
        (instead("--corpus", "weibo"), "no corpus 'weibo'"),
        (instead("--size", "30"), "no size 30"),
        (instead("--size", "many"), "size 'many'"),
        (instead("--draw", "7"), "no draw 7"),
        (instead("--seed", "-1"), "seed -1"),
        ((*AS, "--protocol", "best"), "--protocol 'best'"),
        ((*AS, "--url", "javascript:alert(1)"), "--url"),
        ((*AS, "--train", "x"), "--train goes not with --as"),
        ((*AS, "--format", "xml"), "no format 'xml'"),
        ((), "score needs GOLD and PRED"),
        (("--note", "x"), "--note goes only with --as"),
    ],
)
def test_what_cannot_be_declared_is_refused_and_nothing_written(arguments: tuple[str, ...], what: str, here: Profile) -> None:
    given = tags(here, here.root / "x.txt")
    with pytest.raises(KfbenchError) as caught:
        call("score", str(given), *arguments)
    assert what in caught.value.what
    assert caught.value.mend
    assert not (here.root / FOLDER).exists()


def wrong_token(text: str) -> str:
    return "口" + text[1:]


def foreign_types(text: str) -> str:
    return "".join(
        line if line.endswith("\tO\n") or line == "\n" else line.rstrip("\n") + "_X\n" for line in text.splitlines(keepends=True)
    )


def cut(text: str) -> str:
    return text[: text.rindex("\n\n") + 1]


@pytest.mark.parametrize(
    ("spoil", "what"), [(wrong_token, "the token is"), (foreign_types, "none of its types is one of the corpus"), (cut, "are missing")]
)
def test_a_file_that_does_not_fit_leaves_the_board_as_it_was(spoil: Callable[[str], str], what: str, here: Profile) -> None:
    given = tags(here, here.root / "x.txt")
    call("score", str(given), *AS)
    before = listed(here.root / FOLDER)
    given.write_text(spoil(given.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(KfbenchError, match=what):
        call("score", str(given), *AS, "--replace")
    assert listed(here.root / FOLDER) == before


def test_a_write_that_fails_leaves_the_row_that_was_there(here: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark import board

    given = str(tags(here, here.root / "x.txt"))
    call("score", given, *AS)
    before = listed(here.root / FOLDER)
    real = board.write_text

    def full(path: Path, text: str) -> None:
        if path.name == FACTS:
            raise OSError(28, "No space left on device")
        real(path, text)

    monkeypatch.setattr(board, "write_text", full)
    with pytest.raises(KfbenchError, match="No space left"):
        call("score", given, *AS, "--protocol", "last", "--replace")
    assert listed(here.root / FOLDER) == before


def test_what_makes_a_number_doubtful_is_said(here: Profile) -> None:
    given = tags(here, here.root / "x.txt", "bio")
    text = given.read_text(encoding="utf-8")
    given.write_text(text.replace("\tB-", "\tI-", 1).replace("\tO\n", "\tB-ROBOT\n", 1), encoding="utf-8")
    said = call("score", str(given), *AS)[1]
    assert "types that the corpus does not have count as wrong: ROBOT 1" in said
    assert "1 entities are not spelt as bio wants: taken as conlleval takes them" in said
    said = call("score", str(given), *instead("--draw", "0"))[1]
    assert "the same file is on the board as demo_zh/theirs/20/1-0" in said
    with pytest.raises(KfbenchError, match="declares protocol dev, this row test"):
        call("score", str(given), *instead("--draw", "0"), "--protocol", "test", "--replace")


def test_a_tagger_that_calls_an_entity_twice_counts_once(here: Profile) -> None:
    row = json.loads((here.root / "data/demo_zh/test.jsonl").read_text(encoding="utf-8").splitlines()[0])
    test = read_jsonl(here.root / "data/demo_zh/test.jsonl")
    lines = [json.dumps({"id": s.id, "entities": row["entities"] * 2 if s.id == test[0].id else []}) for s in test]
    given = here.root / "x.jsonl"
    given.write_text("\n".join(lines) + "\n", encoding="utf-8")
    call("score", str(given), *AS)
    (entry,) = read_externals(here.root / FOLDER)
    assert entry.score.micro.pred == entry.score.micro.tp == len(test[0].spans)
