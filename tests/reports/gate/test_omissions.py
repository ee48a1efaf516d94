"""The gate never passes by omission: whatever is not there, not readable or not comparable is red."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmark.result import METRICS
from benchmark.store import Failure
from splits.schema import content_hash, read_jsonl
from tests.benchmark.conftest import Profile
from tests.reports.gate.conftest import REFERENCE, edit, gate, judged, notes, reasons, verdicts

FIRST = "demo_zh/lookup/40"


def test_nothing_changed_is_green(profile: Profile) -> None:
    said = judged()
    assert (said["passed"], said["exit"]) == (True, 0)
    assert set(verdicts(said).values()) == {"same"}
    assert len(verdicts(said)) == 4


def hash_of(profile: Profile, name: str = f"{FIRST}/0-0") -> str:
    return next(cell.hash or "" for cell in profile.plan().cells if str(cell.id) == name)


def forget(profile: Profile) -> None:
    shutil.rmtree(profile.store.path(hash_of(profile)))


def fail(profile: Profile) -> None:
    forget(profile)
    profile.store.fail(hash_of(profile), Failure(f"{FIRST}/0-0", "ValueError: the trap\nmore", "", "", 1.0))


def damage(profile: Profile) -> None:
    path = profile.store.path(hash_of(profile)) / METRICS
    path.write_bytes(path.read_bytes().replace(b'"tp": 1', b'"tp": 2', 1))


def leave_stale(profile: Profile) -> None:
    """Results of other code stand where DVC puts them."""
    assert profile.command("run", "--record").returncode == 0
    shutil.rmtree(profile.store.root)
    code = profile.root / "lookup.py"
    code.write_text(code.read_text(encoding="utf-8") + "\nCHANGED = True\n", encoding="utf-8")


def unprepare(profile: Profile) -> None:
    shutil.rmtree(profile.root / "data" / "demo_zh")


def plan_less(profile: Profile) -> None:
    profile.write(variants=["flat"])


def plan_fewer_draws(profile: Profile) -> None:
    profile.write(draws=1)


def plan_other_size(profile: Profile) -> None:
    profile.write(sizes=[80])


def train_otherwise(profile: Profile) -> None:
    profile.write(training={"batch_size": 8}).run()


def use_other_encoder(profile: Profile) -> None:
    profile.write(encoders={name: {"name": "scratch", "seed": 1} for name in ("demo_zh", "demo_ko")}).run()


def choose_on_more(profile: Profile) -> None:
    profile.write(protocol={"dev_size": 31}).run()


def show_the_last(profile: Profile) -> None:
    profile.write(protocol={"dev_size": 30, "select": "last"})


def change_split(name: str) -> Any:
    def change(profile: Profile) -> None:
        path = profile.root / "data" / "demo_zh" / f"{name}.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(lines[:-1]), encoding="utf-8")
        facts = json.loads((path.parent / "corpus.json").read_text(encoding="utf-8"))
        facts["content"][name] = content_hash(read_jsonl(path))
        (path.parent / "corpus.json").write_text(json.dumps(facts), encoding="utf-8")
        profile.run()

    return change


def pass_over(profile: Profile) -> None:
    """The pair cannot be any more."""
    code = profile.root / "lookup.py"
    code.write_text(
        code.read_text(encoding="utf-8").replace("if self.flat_only and corpus.nested", "if not self.flat_only"), encoding="utf-8"
    )
    profile.run()


OMISSIONS = {
    "missing": (forget, "missing: not run"),
    "failed": (fail, "failed: ValueError: the trap"),
    "damaged": (damage, "damaged: metrics.json is not what was written"),
    "stale": (leave_stale, "stale: its result is of other code, data or settings"),
    "not prepared": (unprepare, "missing: the corpus is not prepared and drawn"),
    "not planned": (plan_less, "not in the profile's plan"),
    "fewer draws": (plan_fewer_draws, "not in the profile's plan"),
    "other size": (plan_other_size, "not in the profile's plan"),
    "not applicable": (pass_over, "not applicable: entities nest"),
    "other training": (train_otherwise, "not comparable: training.batch_size is 8, was 4"),
    "other encoder": (use_other_encoder, "not comparable: encoder.seed is 1, was 0"),
    "other dev size": (choose_on_more, "protocol is 'dev_size 31', the reference's is 'dev_size 30'"),
    "other checkpoint": (show_the_last, "protocol is 'last', the reference's is 'dev_size 30'"),
    "other test split": (change_split("test"), "not comparable: data.test is"),
    "other dev split": (change_split("dev"), "not comparable: data.dev is"),
}


@pytest.mark.parametrize("name", OMISSIONS)
def test_what_cannot_be_compared_is_red(name: str, profile: Profile) -> None:
    spoil, why = OMISSIONS[name]
    spoil(profile)
    said = judged()
    assert (said["passed"], said["exit"]) == (False, 1)
    assert verdicts(said)[FIRST] == "unknown"
    assert why in reasons(said)
    assert judged("--no-exact", "--tolerance", "99")["exit"] == 1, "no option makes it green"


def test_other_gold_under_the_same_hash_is_red(profile: Profile) -> None:
    def change(values: dict[str, Any]) -> None:
        gold = values["corpora"]["demo_zh"]["gold"]
        values["corpora"]["demo_zh"]["gold"] = gold[1:] + gold[:1] if gold[0] != gold[-1] else gold[1:] + "9"

    edit(change)
    assert judged()["exit"] == 1


def test_a_result_without_the_store_counts_where_its_hash_is_right(profile: Profile) -> None:
    assert profile.command("run", "--record").returncode == 0
    shutil.rmtree(profile.store.root)
    said = judged()
    assert said["exit"] == 0
    assert set(verdicts(said).values()) == {"same"}
    assert {row["exact"] for row in said["rows"]} == {0}, "which machine computed it is not known"


def test_elsewhere_the_interval_decides(profile: Profile) -> None:
    def move(values: dict[str, Any]) -> None:
        for machine in values["machines"].values():
            machine["arithmetic"]["processor"] += " of another kind"

    assert all(row["exact"] == row["runs"] for row in judged()["rows"])
    edit(move)
    said = judged()
    assert said["exit"] == 0
    assert {row["exact"] for row in said["rows"]} == {0}


def test_new_cells_are_said_and_fail_where_asked(profile: Profile) -> None:
    profile.write(draws=3).run()
    said = judged()
    assert said["exit"] == 0
    assert [row["verdict"] for row in said["rows"]].count("new") == 4
    assert "2-0: not in the reference" in notes(said)
    assert judged("--strict")["exit"] == 1
    assert "new" in gate().stdout


EMPTY: dict[str, Any] = {
    "no file": None,
    "an empty file": "",
    "no object": "[]",
    "no reference": '{"cells": {}}',
    "no cells": '{"schema_version": 1, "cells": {}}',
    "a merge": '{\n<<<<<<< ours\n "schema_version": 1,\n=======\n',
    "bytes": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_reference_that_holds_nothing_is_an_error(name: str, profile: Profile) -> None:
    content = EMPTY[name]
    Path(REFERENCE).unlink()
    if content is not None:
        Path(REFERENCE).write_bytes(content if isinstance(content, bytes) else content.encode())
    said = judged("--junit", "gate.xml", "--markdown", "gate.md")
    assert said["exit"] == 1
    assert REFERENCE in said["error"]
    assert "<error" in Path("gate.xml").read_text(encoding="utf-8"), "an older report does not stay"
    assert "error" in Path("gate.md").read_text(encoding="utf-8")


def test_a_newer_reference_is_an_error(profile: Profile) -> None:
    edit(lambda values: values.update(schema_version=99))
    assert "newer schema (99" in judged()["error"]


@pytest.mark.parametrize("tolerance", ["nan", "inf", "-0.5", "100", "1e9"])
def test_a_tolerance_that_decides_nothing_is_an_error(tolerance: str, profile: Profile) -> None:
    said = judged("--tolerance", tolerance)
    assert said["exit"] == 1
    assert "tolerance" in said["error"]


@pytest.mark.parametrize("spoil", [forget, fail, leave_stale])
def test_half_a_reference_is_never_written(spoil: Any, profile: Profile) -> None:
    before = Path(REFERENCE).read_bytes()
    spoil(profile)
    result = gate("--update")
    assert result.exit_code == 1
    assert "no result" in str(result.exception)
    assert Path(REFERENCE).read_bytes() == before


def test_what_is_no_reference_is_not_replaced(profile: Profile) -> None:
    before = Path("params.yaml").read_bytes()
    assert gate("--update", "--reference", "params.yaml").exit_code == 1
    assert Path("params.yaml").read_bytes() == before


def test_a_torn_reference_can_be_written_anew(profile: Profile) -> None:
    whole = Path(REFERENCE).read_bytes()
    Path(REFERENCE).write_bytes(b"<<<<<<< ours\n" + whole)
    assert gate().exit_code == 1
    assert gate("--update").exit_code == 0
    assert json.loads(Path(REFERENCE).read_bytes())["cells"] == json.loads(whole)["cells"]
