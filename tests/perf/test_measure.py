"""What is said about measurements: growth, tables, turns; a job of each kind runs. Nothing here looks at a clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from perf import gpu, parts, steps
from perf.grid import FORMULATIONS, Case
from perf.measure import alternate, exponent, in_child, machine, peak_bytes, ratio
from perf.tables import Table, as_markdown, write
from tests.system import left_over


def test_the_exponent_of_a_power_is_the_power():
    assert exponent([32, 64, 256], [3 * n**2.5 for n in (32, 64, 256)]) == pytest.approx(2.5)
    assert exponent([32, 64, 256], [1.0, None, 2.0]) is None


def test_jobs_take_turns_and_warm_ups_are_not_counted():
    calls: list[str] = []
    seconds = alternate({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b"] * 3
    assert {name: len(runs) for name, runs in seconds.items()} == {"a": 2, "b": 2}


def test_a_job_may_take_its_own_seconds():
    assert alternate({"a": lambda: 7.5}, 3) == {"a": [7.5] * 3}


def test_a_ratio_needs_both_sides():
    assert ratio(3.0, 2.0) == 1.5
    assert ratio(None, 2.0) is ratio(3.0, None) is None


def grow(megabytes: int) -> int:
    return peak_bytes(lambda: torch.ones(megabytes * 2**18).sum())


def test_the_peak_of_a_child_is_what_its_job_took():
    assert in_child(1, grow, 64) == pytest.approx(64 * 2**20, rel=0.2)


def compute_for_ever(told: Path) -> None:
    told.with_suffix(".new").write_text(str(os.getpid()))
    told.with_suffix(".new").rename(told)
    while True:
        torch.ones(64, 64) @ torch.ones(64, 64)


def test_who_is_killed_leaves_no_child_computing(tmp_path: Path) -> None:
    told = tmp_path / "child"
    code = f"import pathlib; from perf.measure import in_child; from {__name__} import compute_for_ever as f; "
    with subprocess.Popen([sys.executable, "-c", f"{code}in_child(1, f, pathlib.Path({str(told)!r}))"]) as measuring:
        try:
            while not told.exists():
                assert measuring.poll() is None
                time.sleep(0.05)
        finally:
            measuring.kill()
    assert left_over([int(told.read_text())]) == set()


@pytest.mark.parametrize("kind", ["knowfree", "cnn_ner"])
def test_plain_and_fast_jobs_leave_gradients_on_the_same_weights(kind):
    jobs = Case(kind, (3, 1, 5, 2)).jobs()
    assert tuple(jobs) == FORMULATIONS
    for job in jobs.values():
        job()


def test_training_and_evaluation_jobs_run():
    gpu.half("knowfree", "tiny", steps.QUICK_SENTENCES, "cpu")()
    for job in steps.train_jobs("knowfree", "tiny", steps.QUICK_SENTENCES).values():
        job()
    runs = steps.evaluation_seconds("cnn_ner", "tiny", steps.QUICK_SENTENCES, 1)
    assert list(runs) == ["plain batch 4", "plain batch 8", "fast", "fast bf16"]


def test_parts_give_equal_results():
    for plain, suite in (parts.crf(2, 5) | parts.collation(4) | parts.scoring(20)).values():
        plain()
        suite()


def test_markdown_holds_every_section_and_marks_what_is_missing(tmp_path):
    one = Table(
        "One", [{"n": 8, "plain s": 0.12345, "plain MB": 1234.5, "ratio": 2.0}, {"n": 16, "plain s": None, "plain MB": None, "ratio": None}]
    )
    write(tmp_path, "one", [one], machine(1), {})
    write(tmp_path, "two", [Table("Two", [], "Nothing.")], machine(1), {})
    text = (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert "### One" in text
    assert "### Two" in text
    assert [cell.strip() for cell in as_markdown(one).splitlines()[4].strip("|").split("|")] == ["8", "0.123", "1,234", "2.00x"]
    assert [cell.strip() for cell in as_markdown(one).splitlines()[5].strip("|").split("|")] == ["16", "–", "–", "–"]
    assert json.loads((tmp_path / "one.json").read_text(encoding="utf-8"))["tables"][0]["rows"] == one.rows


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_line_says_so():
    with pytest.raises(SystemExit, match="no GPU here") as found:
        gpu.main()
    assert "\n" not in str(found.value)
