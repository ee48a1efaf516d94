"""The workflow of the hosted CI runs what this repository has, with actions that do not move."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def steps(file: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_actions_are_pinned_and_commands_are_there(file: Path) -> None:
    for step in steps(file):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", step["uses"])
        elif step["run"].startswith("make "):
            asked = [word for word in shlex.split(step["run"])[1:] if "=" not in word]
            assert set(asked) <= TARGETS


def test_the_gate_runs_on_the_demo_and_its_verdict_is_kept_when_red() -> None:
    found = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]["gate"]["steps"]
    runs = [step.get("run", "") for step in found]
    assert runs.index("make demo") < next(i for i, run in enumerate(runs) if run.startswith("make gate"))
    for step in found[-2:]:
        assert step["if"] == "${{ !cancelled() }}", "a red gate must not hide why"
    assert "GITHUB_STEP_SUMMARY" in found[-2]["run"]
    assert {"build/gate.xml", "build/gate.md"} <= set(found[-1]["with"]["path"].split())


def test_the_local_ci_runs_the_gate_after_the_demo() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = [line.split(" #")[0].strip() for line in lines]
    assert commands.index("make demo") < commands.index("make gate")
