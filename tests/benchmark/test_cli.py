"""The command line: what it prints, and how it fails."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmark import cli, doctor
from benchmark.cli import build_app, main
from benchmark.doctor import Finding, examine
from splits.errors import KfbenchError
from tests.benchmark.conftest import DICTIONARY, Profile

COMMANDS = {
    "check",
    "compare",
    "new-method",
    "plan",
    "run",
    "predict",
    "score",
    "doctor",
    "fingerprint",
    "gc",
    "draw",
    "corpora",
    "cells",
    "merge",
}


@pytest.fixture
def here(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """The working directory is the profile's."""
    monkeypatch.chdir(profile.root)
    return profile


def call(*arguments: str, given: str | None = None) -> tuple[int, str]:
    done = CliRunner().invoke(build_app(), list(arguments), input=given)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def test_every_command_is_there_and_has_help_with_an_example() -> None:
    app = build_app()
    names = {c.name or getattr(c.callback, "__name__", "") for c in app.registered_commands} | {g.name for g in app.registered_groups}
    assert names >= COMMANDS
    for name in COMMANDS - {"corpora", "cells"}:
        status, text = call(name, "--help")
        assert status == 0
        assert "Example" in text


def test_a_room_that_cannot_be_imported_is_named_and_breaks_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = EntryPoint("broken", "nowhere.cli:commands", cli.GROUP)
    real = cli.entry_points(group=cli.GROUP)
    monkeypatch.setattr(cli, "entry_points", lambda group: [broken, *real])
    assert build_app().registered_commands
    assert "nowhere.cli:commands cannot be loaded: ModuleNotFoundError" in capsys.readouterr().err


def test_an_error_is_two_lines_without_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise KfbenchError("it is broken", "Mend it.")

    monkeypatch.setattr(cli, "build_app", lambda: fail)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    assert capsys.readouterr().err == "kfbench: it is broken\n  Mend it.\n"


def test_no_params_file_says_where_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KfbenchError, match=r"params\.yaml: no such file"):
        call("plan")


def test_the_version_is_printed() -> None:
    assert call("--version") == (0, "kfbench 0.1.0\n")


def test_plan_as_json_has_a_row_a_cell(here: Profile) -> None:
    (here.root / "trap").touch()
    here.run()
    found = json.loads(call("plan", "--json")[1])
    assert [row["state"] for row in found["cells"]].count("done") == 4
    failed = [row for row in found["cells"] if row["state"] == "failed"]
    assert {row["error"] for row in failed} == {"RuntimeError: the trap is set"}
    assert found["seconds_left"] >= 0
    assert len(json.loads(call("plan", "--json", "--size", "20", "--draw", "1", "--seed", "0")[1])["cells"]) == 1


def test_plan_says_how_long_the_rest_takes_on_the_engine_that_is_set(here: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = {**here.values["methods"]["lookup"]["params"], "seconds": 0.2}
    here.write(methods={"lookup": {"method": DICTIONARY, "params": slow}})
    call("run", "--draw", "0", "--seed", "0")
    alone = json.loads(call("plan", "--json")[1])
    assert (alone["engine"], alone["workers"]) == ("serial", 1)
    (here.root / ".kfbench" / "local.yaml").write_text("engine: ray\nworkers: 3\n", encoding="utf-8")
    three = json.loads(call("plan", "--json")[1])
    assert (three["engine"], three["workers"]) == ("ray", 3)
    rounding = 0.001
    assert alone["seconds_left"] / 3 - rounding <= three["seconds_left"] < alone["seconds_left"]
    text = call("plan")[1]
    assert "6 to go, about" in text
    assert "3 at a time (ray)" in text
    monkeypatch.setenv("KFBENCH_RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setenv("KFBENCH_WORKERS", "")
    (here.root / ".kfbench" / "local.yaml").write_text("engine: ray\n", encoding="utf-8")
    assert "a cluster's size is not known here" in " ".join(call("plan")[1].split())


def test_all_takes_no_filter_and_wants_every_artefact_first(here: Profile) -> None:
    with pytest.raises(KfbenchError, match="--all is the whole plan, --corpus, --draw is not"):
        call("run", "--all", "--corpus", "demo_zh", "--draw", "0")
    methods = here.values["methods"] | {"fused": {"method": "knowfree_fusion"}}
    here.write(methods=methods, variants=["lookup", "fused"])
    with pytest.raises(KfbenchError, match="its fusion artefact"):
        call("run", "--all")
    assert not here.store.cells(), "nothing was begun"
    here.write(variants=["lookup"])
    assert call("run", "--all")[0] == 0
    assert len(here.store.cells()) == 8


def test_plan_in_a_terminal_says_how_far_it_is(here: Profile) -> None:
    methods = here.values["methods"] | {"flat": {"method": DICTIONARY, "params": {"flat_only": True}}}
    here.write(corpora=["demo_zh", "demo_en"], variants=["lookup", "flat"], methods=methods)
    text = call("plan", "--cells")[1]
    assert "missing  demo_zh/lookup/10/0-0" in text
    assert "n/a: demo_en x flat: entities nest" in text
    assert "0 of 24 cells done; 24 to go, none finished yet to estimate from" in text


def test_run_takes_filters_and_record_writes_results(here: Profile) -> None:
    status, _ = call("run", "--size", "10", "--draw", "0", "--record")
    assert status == 0
    assert {p.parent.name for p in (here.root / "results/demo_zh/lookup").rglob("metrics.json")} == {"0-0", "0-1"}


def test_record_keeps_what_other_runs_have_done(here: Profile) -> None:
    call("run", "--size", "10")
    call("run", "--size", "20", "--record")
    assert len(list((here.root / "results").rglob("metrics.json"))) == 8


def test_predict_gives_entities_in_the_form_of_the_paper(here: Profile, tmp_path: Path) -> None:
    with pytest.raises(KfbenchError, match="has no checkpoint") as caught:
        call("predict", "--cell", "demo_zh/lookup/20/0-0", given="x")
    assert "--checkpoints" in caught.value.mend
    call("run", "--size", "20", "--draw", "0", "--seed", "0", "--checkpoints")
    entity = next(s for s in here.workspace.data("demo_zh").sample(20, 0)[:10] if s.entities)
    surface = "".join(entity.surface(entity.entities[0]))
    text = f"  我 {surface}\n\n" + json.dumps({"text": ["我", *surface]}, ensure_ascii=False) + "\n"
    status, out = call("predict", "--cell", "demo_zh/lookup/20/0-0", given=text)
    assert status == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["id"] for row in rows] == ["line-0", "line-2"]
    for row in rows:
        assert row["text"] == ["我", *surface]
        label = entity.entities[0].label
        assert {"start": 1, "end": 1 + len(surface), "entity": label, "text": list(surface)} in row["entities"]
    directory = here.store.checkpoint(here.plan().cells[4].hash or "")
    (tmp_path / "lines.txt").write_text(surface, encoding="utf-8")
    with pytest.raises(KfbenchError, match="loaded by code in a file"):
        call("predict", str(tmp_path / "lines.txt"), "--checkpoint", str(directory))
    out = call("predict", str(tmp_path / "lines.txt"), "--checkpoint", str(directory), "--tokens", "words", "--method", DICTIONARY)[1]
    assert json.loads(out)["text"] == [surface]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ([], "needs a tagger"),
        (["--cell", "a/b", "--checkpoint", "."], "needs a tagger"),
        (["--cell", "demo_zh/lookup"], "is not the name of a cell"),
        (["--checkpoint", "nowhere"], "not there or not readable"),
        (["--cell", "demo_zh/lookup/20/0-0", "--tokens", "syllables"], "--tokens"),
    ],
)
def test_predict_says_what_it_needs(arguments: list[str], what: str, here: Profile) -> None:
    with pytest.raises(KfbenchError, match=what):
        call("predict", *arguments, given="")


def test_score_agrees_with_the_metrics_of_a_cell(here: Profile) -> None:
    call("run", "--size", "20", "--draw", "0", "--seed", "0", "--record")
    cell = here.root / "results/demo_zh/lookup/20/0-0"
    metrics = json.loads((cell / "metrics.json").read_text())["scores"]["dev"]
    gold = "data/demo_zh/test.jsonl"
    found = json.loads(call("score", gold, str(cell / "predictions.jsonl"), "--train", "data/demo_zh/train.jsonl", "--json")[1])
    for name in ("micro", "boundary", "no_overlap"):
        assert {k: found[name][k] for k in ("tp", "pred", "gold")} == metrics[name]
    assert found["types"].keys() == {t for t, c in metrics["types"].items() if c["pred"] or c["gold"]}
    assert "micro" in call("score", gold, gold)[1]
    assert json.loads(call("score", gold, gold, "--json")[1])["micro"]["f1"] == 1.0


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ('{"id": "a", "entities": []}\n', "1 sentences of gold are missing, the first is 'b'"),
        ('{"id": "c", "entities": []}\n', "no sentence 'c'"),
        ('{"id": "a", "entities": []}\n{"id": "a", "entities": []}\n', "stands twice"),
        ('{"id": "a", "entities": [{"start": 0, "end": 3, "entity": "X"}]}\n', "does not lie"),
        ('{"id": "a", "entities": [{"start": 0}]}\n', "not an entity"),
        ('{"id": "a"}\n', "expected an object"),
        ('{"id": "a", "text": ["z", "y"], "entities": []}\n', "the tokens are not those"),
        ("nothing\n", "not JSON"),
        ('{"entities": []}\n{"entities": []}\n{"entities": []}\n', "gold has 2 sentences only"),
    ],
)
def test_predictions_that_do_not_fit_gold_are_refused_with_their_line(lines: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "gold.jsonl").write_text(
        '{"id": "a", "text": ["x", "y"], "entities": []}\n{"id": "b", "text": ["x"], "entities": []}\n', encoding="utf-8"
    )
    (tmp_path / "pred.jsonl").write_text(lines, encoding="utf-8")
    with pytest.raises(KfbenchError, match=what) as caught:
        call("score", str(tmp_path / "gold.jsonl"), str(tmp_path / "pred.jsonl"))
    assert "pred.jsonl" in caught.value.what


def test_predictions_without_ids_go_by_order(tmp_path: Path) -> None:
    gold = '{"text": ["x", "y"], "entities": [{"start": 0, "end": 1, "entity": "X", "text": ["x"]}]}\n{"text": ["x"], "entities": []}\n'
    (tmp_path / "gold.jsonl").write_text(gold, encoding="utf-8")
    found = json.loads(call("score", str(tmp_path / "gold.jsonl"), str(tmp_path / "gold.jsonl"), "--json")[1])
    assert found["micro"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "tp": 1, "pred": 1, "gold": 1}


def test_gc_says_what_goes_and_asks(here: Profile) -> None:
    here.run()
    here.write(sizes=[10])
    assert call("gc", "--dry-run")[1].count("cell ") == 4
    assert call("gc", given="n\n")[0] == 0
    assert len(here.store.hashes()) == 8
    assert "removed 4 cells" in call("gc", "--yes")[1]
    assert set(here.store.hashes()) == here.plan().hashes
    assert "nothing to remove" in call("gc", "--yes")[1]


def test_gc_does_not_guess_where_data_is_missing(here: Profile) -> None:
    here.run()
    (here.root / "data/draws/demo_zh.json").unlink()
    with pytest.raises(KfbenchError, match="not all that it reads is there"):
        call("gc", "--yes")
    assert len(here.store.hashes()) == 8


def test_doctor_finds_this_checkout_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(doctor.MIRROR, raising=False)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    status, text = call("doctor", "--json")
    found = {row["name"]: row for row in json.loads(text)}
    assert status == 0
    assert found["checkout"]["state"] == found["methods"]["state"] == found["torch"]["state"] == "ok"
    assert found["mirror"]["state"] == "note"


@pytest.mark.parametrize(("variable", "value", "name"), [("PATH", "/nowhere", "PATH"), ("KFBENCH_MIRROR", "/nowhere", "mirror")])
def test_doctor_fails_on_what_must_be_mended(variable: str, value: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    status, text = call("doctor")
    assert status == 1
    assert any(f.name == name and f.state == "problem" and f.mend for f in examine())
    assert "problem" in text


def test_doctor_sees_a_stranger_under_our_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "reports", raising=False)
    found: Finding = next(f for f in examine() if f.name == "checkout")
    assert found.state == "problem"
    assert "reports is " in found.detail
