"""The checks of a method: the suite's own pass them all, and each planted fault fails its check and no other."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.conformance import fitting, manners
from benchmark.conformance.run import CHECKS, examine, name_of
from benchmark.conformance.subject import Subject, text_of
from benchmark.conformance.verdict import Result
from benchmark.method import discover
from benchmark.reference import imported
from benchmark.templates import write_method
from splits.errors import ConfigError
from tests.benchmark.test_cli import call

PLANTED = Path(__file__).parent / "planted.py"

FAULTS = {
    "declared": ("NotFrozen", "ArtefactsInAList", "UnknownFieldInTests", "FieldThatIsNoJson", "SaysFalse", "LoadOfAnInstance"),
    "fits": ("CannotFit", "Exits", "ReturnsOneTagger"),
    "learns": ("LearnsNothing",),
    "best_and_last": ("KeepsTheLast", "KeepsTheLastOfEquals", "BestIsLast"),
    "deterministic": ("Unseeded",),
    "global_random_state": ("SeededByOthers", "SeededByOthersInNumpy"),
    "another_process": ("OrderOfASet",),
    "budget": ("TrainsTenEpochs", "OneStepTooMany", "LiesOfItsSteps", "SameWhateverTheBudget", "BoastsToTheMonitor"),
    "patience": ("NeverGivesUp",),
    "predictions": ("BeyondTheEnd", "OtherLabels", "NoNumber", "Logits", "NumpyNumbers", "DropsARow"),
    "repeatable": ("Moody", "Tired"),
    "tokens_alone": ("ReadsAnswers", "ReadsTags", "RemembersIds"),
    "company": ("Crowded", "OneByOne"),
    "no_sentences": ("NeedsSentences",),
    "empty_sentence": ("NeedsWords",),
    "one_token": ("NeedsTwoWords",),
    "odd_tokens": ("Ascii",),
    "overlong": ("BreaksOffAtAHundred",),
    "saved_and_loaded": ("SavesHalf", "LoadsWhereItWas", "LoadsFromMemory"),
    "inputs": ("Shuffles", "EmptiesTheList"),
    "files_read": ("LooksAtTest", "LooksForDev"),
    "files_written": ("WritesALog", "RemovesAFile", "LeavesATemporaryFile", "SavesBeside"),
    "process_state": ("MovesAway", "SetsAVariable", "TakesAllThreads", "TurnsGradientsOff"),
    "label_never_seen": ("NeedsEveryLabel",),
    "no_entity": ("NeedsAnEntity",),
    "one_sentence": ("NeedsTwoSentences",),
    "small_dev": ("NeedsALargeDev",),
    "nested": ("FlatOnly",),
}
IN_A_PROCESS = {"OrderOfASet", "LoadsFromMemory"}  # the others are tried in this one, seconds faster


def failing(results: list[Result]) -> set[str]:
    return {result.check for result in results if result.status == "fail"}


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the checks would ask of another process is loaded here; a fit there is the second one here."""

    def load(subject: Subject, saved: Mapping[str, Path]) -> dict[str, str]:
        return {name: text_of(imported(subject.reference).load(path).predict(list(subject.probes))) for name, path in saved.items()}

    def refit(subject: Subject) -> dict[str, str]:
        fitted = subject.again.fitted
        return {name: text_of(getattr(fitted, name).predict(list(subject.probes))) for name in ("best", "last")}

    monkeypatch.setattr(manners, "load", load)
    monkeypatch.setattr(fitting, "refit", refit)


@pytest.mark.usefixtures("one_process")
def test_a_sound_method_passes_every_check() -> None:
    results = examine(f"{PLANTED}:Good")
    assert [(r.check, r.evidence) for r in results if r.status != "pass"] == []
    assert [r.check for r in results] == [name_of(check) for check in CHECKS]


@pytest.mark.parametrize(("check", "fault"), [(check, fault) for check, faults in FAULTS.items() for fault in faults])
def test_a_fault_fails_its_check_and_no_other(check: str, fault: str, request: pytest.FixtureRequest) -> None:
    if fault not in IN_A_PROCESS:
        request.getfixturevalue("one_process")
    results = examine(f"{PLANTED}:{fault}")
    assert failing(results) == {check}
    assert len(results) == len(CHECKS), "the others are run all the same"
    found = next(r for r in results if r.check == check)
    assert found.evidence
    assert found.mend


def test_every_check_has_a_fault_that_fails_it() -> None:
    others = {"code", "files_of_its_own"}  # tested below: it is a file that fails them, not a class
    assert {name_of(check) for check in CHECKS} - others == set(FAULTS)
    assert all((check.__doc__ or "").strip().endswith(".") for check in CHECKS)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("from splits.corpora import demo_zh", "splits.corpora"),
        ("def peek():\n    from benchmark.workspace import Workspace", "benchmark.workspace"),
        ("import beside", "beside"),
    ],
)
@pytest.mark.usefixtures("one_process")
def test_code_that_no_hash_covers_is_named(line: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "beside.py").write_text("x = 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    write_method("mine", "rules", tmp_path / "mine.py")
    text = (tmp_path / "mine.py").read_text(encoding="utf-8")
    (tmp_path / "mine.py").write_text(text.replace("import json\n", f"import json\n{line}\n"), encoding="utf-8")
    results = examine(str(tmp_path / "mine.py"))
    assert failing(results) == {"code"}
    assert what in next(r.evidence for r in results if r.check == "code")


@pytest.mark.parametrize("place", ["WORDS = READ\n\n\nclass SurfaceTagger", "in fit"])
@pytest.mark.usefixtures("one_process")
def test_a_file_that_no_hash_covers_is_named(place: str, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("Anna\n", encoding="utf-8")
    write_method("mine", "rules", tmp_path / "mine.py")
    text = (tmp_path / "mine.py").read_text(encoding="utf-8")
    read = 'Path(__file__).with_name("words.txt").read_text(encoding="utf-8")'
    if place == "in fit":
        text = text.replace("        given.monitor(", f"        {read}\n        given.monitor(")
    else:
        text = text.replace("class SurfaceTagger", place.replace("READ", read), 1)
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    results = examine(str(tmp_path / "mine.py"))
    assert failing(results) == {"files_of_its_own"}
    assert "words.txt" in next(r.evidence for r in results if r.check == "files_of_its_own")


@pytest.mark.parametrize("kind", ["neural", "rules"])
def test_a_new_method_passes_as_it_stands(kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_method("mine", kind, Path("mine.py"))
    assert [(r.check, r.evidence) for r in examine("mine.py") if r.status != "pass"] == []
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["mine.py"]


@pytest.mark.parametrize("method", sorted(discover()))
@pytest.mark.usefixtures("one_process")
def test_every_registered_method_passes(method: str) -> None:
    assert [(r.check, r.evidence) for r in examine(method) if r.status != "pass"] == []


@pytest.mark.usefixtures("one_process")
def test_the_checks_leave_the_process_as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(7)
    np.random.seed(7)
    random.seed(7)
    before = (Path.cwd(), dict(os.environ), torch.get_num_threads(), torch.get_deterministic_debug_mode(), torch.is_grad_enabled())
    examine(f"{PLANTED}:MovesAway")
    examine(f"{PLANTED}:TurnsGradientsOff")
    after = (Path.cwd(), dict(os.environ), torch.get_num_threads(), torch.get_deterministic_debug_mode(), torch.is_grad_enabled())
    assert after == before
    drawn = (float(torch.rand(1)), np.random.rand(), random.random())
    torch.manual_seed(7)
    np.random.seed(7)
    random.seed(7)
    assert drawn == (float(torch.rand(1)), np.random.rand(), random.random())


@pytest.mark.usefixtures("one_process")
def test_the_command_prints_a_table_and_fails_where_a_check_does() -> None:
    assert call("check", f"{PLANTED}:Good")[0] == 0
    status, text = call("check", f"{PLANTED}:CannotFit")
    assert status == 1
    assert "shapes do not match" in text
    assert "raise RuntimeError" in text, "the traceback names the line"
    assert "1 fail" in text


@pytest.mark.usefixtures("one_process")
def test_the_command_as_json() -> None:
    status, text = call("check", f"{PLANTED}:WritesALog", "--json")
    assert status == 1
    found = json.loads(text[text.index("{") :])
    assert not found["passed"]
    assert {row["check"]: row["status"] for row in found["checks"]}["files_written"] == "fail"
    assert next(row for row in found["checks"] if row["check"] == "files_written")["evidence"] == "`fit` leaves fit.log"


def test_a_method_that_is_not_there_is_no_failed_check(tmp_path: Path) -> None:
    for method in ("no_method", str(tmp_path / "none.py"), f"{PLANTED}:Nobody"):
        with pytest.raises(ConfigError):
            examine(method)
