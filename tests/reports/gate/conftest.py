"""A profile whose cells cost nothing, run, with its reference."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from reports.cli import commands
from splits.draw import materialise, write_draws
from splits.errors import KfbenchError
from splits.prepare import load, prepare
from tests.benchmark.conftest import ROOT, Profile

REFERENCE = "reference.json"
METHOD = (ROOT / "tests" / "benchmark" / "dictionary.py").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two corpora, two variants, a size, two draws: eight cells, all done; with the reference of them."""
    root = tmp_path_factory.mktemp("ran")
    for corpus in ("demo_zh", "demo_ko"):
        prepare(corpus, root / "data" / corpus)
        write_draws(root / "data" / "draws" / f"{corpus}.json", materialise(load(root / "data" / corpus), [40, 80], 3))
    values = {
        "code": str(ROOT),
        "corpora": ["demo_zh", "demo_ko"],
        "variants": ["lookup", "flat"],
        "sizes": [40],
        "draws": 2,
        "seeds": [0],
        "methods": {
            "lookup": {"method": "lookup.py:Dictionary"},
            "flat": {"method": "lookup.py:Dictionary", "params": {"flat_only": True}},
        },
        "encoders": {"demo_zh": {"name": "scratch"}, "demo_ko": {"name": "scratch"}},
        "protocol": {"dev_size": 30},
    }
    (root / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    (root / "lookup.py").write_text(METHOD, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("KFBENCH_STORE", raising=False)
        assert not Profile(root).run().failed
        assert gate("--update").exit_code == 0
    return root


@pytest.fixture
def profile(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """A copy of it to spoil; it is the current directory."""
    monkeypatch.delenv("KFBENCH_STORE", raising=False)
    root = tmp_path / "profile"
    shutil.copytree(ran, root)
    monkeypatch.chdir(root)
    return Profile(root)


def gate(*options: str) -> Result:
    """`kfbench gate` in the current directory; an error that a user can mend ends with 1, as the command line does."""
    result = CliRunner().invoke(commands, ["gate", *options])
    if result.exception is not None and not isinstance(result.exception, KfbenchError | SystemExit):
        raise result.exception
    return result


def judged(*options: str) -> dict[str, Any]:
    """What it prints for a machine, with the exit status."""
    result = gate("--json", *options)
    if isinstance(result.exception, KfbenchError):
        return {"error": str(result.exception), "exit": result.exit_code}
    return {**json.loads(result.stdout), "exit": result.exit_code}


def verdicts(said: dict[str, Any]) -> dict[str, str]:
    return {f"{row['corpus']}/{row['variant']}/{row['size']}": row["verdict"] for row in said["rows"]}


def reasons(said: dict[str, Any]) -> str:
    return "\n".join(reason for row in said["rows"] for reason in row["reasons"])


def notes(said: dict[str, Any]) -> str:
    return "\n".join(note for row in said["rows"] for note in row["notes"])


def edit(change: Callable[[dict[str, Any]], Any], *, sealed: bool = True) -> None:
    """Change the reference; `sealed`: with the digest that the change makes, as a forger would."""
    from reports.gate.reference import digest_of

    values = json.loads(Path(REFERENCE).read_text(encoding="utf-8"))
    change(values)
    if sealed:
        values["digest"] = digest_of({key: value for key, value in values.items() if key != "digest"})
    Path(REFERENCE).write_text(json.dumps(values), encoding="utf-8")
