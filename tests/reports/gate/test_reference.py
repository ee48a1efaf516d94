"""A reference is written the same twice, says what was measured, and is not believed once something has changed it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reports.gate.reference import read_reference, write_reference
from reports.gate.update import make_reference
from splits.schema import read_jsonl
from tests.benchmark.conftest import Profile
from tests.reports.gate.conftest import REFERENCE, edit, gate, judged
from tests.reports.gate.made_up import profile as made_up

CELL = "demo_zh/lookup/40/0-0"


def test_the_same_cells_give_the_same_bytes(profile: Profile) -> None:
    before = Path(REFERENCE).read_bytes()
    assert gate("--update").exit_code == 0
    assert Path(REFERENCE).read_bytes() == before
    assert gate("--update", "--reference", "another.json").exit_code == 0
    assert Path("another.json").read_bytes() == before


def test_it_is_read_as_it_was_made(tmp_path: Path) -> None:
    made = make_reference(made_up({(0, 0): [(1, 2, 3), (40, 40, 41)], (1, 0): [(0, 0, 3), (36, 37, 41)]}))
    write_reference(tmp_path / REFERENCE, made)
    assert read_reference(tmp_path / REFERENCE).model_dump(exclude={"digest"}) == made.model_dump(exclude={"digest"})


def test_it_says_where_it_is_from(profile: Profile) -> None:
    found = read_reference(Path(REFERENCE))
    metrics = profile.store.metrics(found.cells[CELL].hash)
    assert [list(row) for row in metrics.score.sentences] == found.counts(metrics.cell).tolist()
    assert found.cells[CELL].f1 == round(100 * metrics.score.micro.f1, 2)
    assert found.cells[CELL].commit == profile.store.run(found.cells[CELL].hash).provenance["git"]["commit"]
    machine = found.machines[found.cells[CELL].machine or ""]
    assert set(machine) == {"arithmetic", "packages"}
    assert found.written["packages"]["torch"]


def test_it_holds_no_text_and_is_small(profile: Profile) -> None:
    text = Path(REFERENCE).read_text(encoding="utf-8")
    for corpus in ("demo_zh", "demo_ko"):
        for sentence in read_jsonl(profile.root / "data" / corpus / "test.jsonl"):
            for tokens in (sentence.text, *map(sentence.surface, sentence.entities)):
                assert len(tokens) == 1 or "".join(tokens) not in text
    assert len(text) < 100_000


def better(values: dict[str, Any]) -> None:
    """All was found: counts that could be."""
    cell = values["cells"][CELL]
    cell["tp"] = cell["pred"] = values["corpora"]["demo_zh"]["gold"]
    cell["f1"] = 100.0


def worse(values: dict[str, Any]) -> None:
    cell = values["cells"][CELL]
    cell["tp"] = cell["pred"] = "0" * len(cell["tp"])
    cell["f1"] = 0.0


def impossible(values: dict[str, Any]) -> None:
    cell = values["cells"][CELL]
    cell["tp"] = "9" * len(cell["tp"])


def shorter(values: dict[str, Any]) -> None:
    for part in (values["cells"][CELL], values["corpora"]["demo_zh"]):
        part |= {key: part[key][:-1] for key in ("tp", "pred", "gold") if key in part}


def take_cell(values: dict[str, Any]) -> None:
    del values["cells"][CELL]


def take_corpus(values: dict[str, Any]) -> None:
    values["cells"] = {name: cell for name, cell in values["cells"].items() if not name.startswith("demo_zh")}


def lighten(values: dict[str, Any]) -> None:
    values["variants"]["lookup"]["settings"]["training"]["epochs"] = 1


def forge_f1(values: dict[str, Any]) -> None:
    values["cells"][CELL]["f1"] = 1.0


def lose_machine(values: dict[str, Any]) -> None:
    values["machines"] = {}


def misname(values: dict[str, Any]) -> None:
    values["cells"]["demo_zh"] = values["cells"].pop(CELL)


def add_key(values: dict[str, Any]) -> None:
    values["cells"][CELL]["ignore"] = True


def loop(values: dict[str, Any]) -> None:
    values["variants"]["lookup"]["upstream"] = "lookup"


def mistype(values: dict[str, Any]) -> None:
    values["cells"] = [1]


CHANGES = [better, worse, impossible, shorter, take_cell, take_corpus, lighten, forge_f1, lose_machine, misname, add_key, loop, mistype]


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_hand_or_a_merge_has_changed_is_not_believed(change: Any, profile: Profile) -> None:
    edit(change, sealed=False)
    said = judged()
    assert said["exit"] == 1
    assert "not what `kfbench gate --update` wrote" in said["error"]


@pytest.mark.parametrize("change", CHANGES)
def test_a_forged_digest_does_not_help(change: Any, profile: Profile) -> None:
    edit(change)
    assert judged()["exit"] == 1


def test_it_can_be_reviewed(profile: Profile) -> None:
    """A character a sentence."""
    values = json.loads(Path(REFERENCE).read_text(encoding="utf-8"))
    assert len(values["cells"][CELL]["tp"]) == len(values["corpora"]["demo_zh"]["gold"]) == 400
