"""The dirty flag is about sources, not about what runs write."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmark.provenance import commit, machine, packages


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments], cwd=tmp_path, check=True)

    git("init", "--quiet")
    (tmp_path / "code.py").write_text("x = 1\n")
    (tmp_path / "dvc.lock").write_text("1\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "dirty"),
    [
        ("code.py", True),
        ("new.py", True),
        ("dvc.lock", False),
        ("demo/dvc.lock", False),
        ("results/a/b.json", False),
        ("demo/data/x", False),
    ],
)
def test_only_sources_make_a_checkout_dirty(file: str, dirty: bool, repository: Path) -> None:
    assert commit(repository)["dirty"] is False
    (repository / file).parent.mkdir(parents=True, exist_ok=True)
    (repository / file).write_text("changed\n")
    found = commit(repository)
    assert found["dirty"] is dirty
    assert len(found["commit"]) == 40


def test_without_git_nothing_is_claimed(tmp_path: Path) -> None:
    assert commit(tmp_path) == {"commit": None, "dirty": None}


def test_machine_and_packages_are_named() -> None:
    assert machine("cpu")["cpu"]
    assert packages()["numpy"]
