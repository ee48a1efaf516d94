"""Commands that train nothing import neither torch nor transformers: each is a process, and a pipeline runs many."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmark.conftest import ROOT, environment

HEAVY = "{'torch', 'transformers', 'sklearn', 'scipy', 'sympy'}"
CODE = f"""
import sys
from benchmark.cli import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
print(*sorted({HEAVY} & set(sys.modules)), file=sys.stderr)
"""


def heavy(root: Path, command: str) -> set[str]:
    """What of HEAVY a command imported."""
    line = [sys.executable, "-c", CODE, *command.split()]
    done = subprocess.run(line, cwd=root, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.fixture(scope="module")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The micro profile's directory, with nothing made yet."""
    root = tmp_path_factory.mktemp("micro")
    shutil.copy(ROOT / "tests" / "micro" / "params.yaml", root)
    return root


def test_no_stage_but_training_imports_torch(micro: Path) -> None:
    stages = ("corpora prepare demo_zh", "draw demo_zh", "explain demo_zh", "annotate demo_zh", "fuse demo_zh", "fingerprint")
    assert {stage: heavy(micro, stage) for stage in stages} == {stage: set() for stage in stages}


def test_the_help_and_the_list_import_no_torch(micro: Path) -> None:
    assert heavy(micro, "--help") == heavy(micro, "corpora list") == set()


def test_a_plan_and_a_report_import_no_torch_once_methods_were_asked(micro: Path) -> None:
    assert "torch" in heavy(micro, "plan"), "nobody has asked the methods yet"
    assert heavy(micro, "plan --cells") == heavy(micro, "report --partial") == set()
