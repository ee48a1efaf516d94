"""The audit of dependencies says what it found, and never that all is well when nobody was asked."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import pytest

from tests.environment import ROOT


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FINE = {"name": "numpy", "version": "2.0", "vulns": []}
FOUND = {"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["3.2"], "description": ""}
FOUND = {"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["3.2"], "description": ""}
BAD = {"name": "jinja2", "version": "3.1", "vulns": [FOUND]}
SKIPPED = {"name": "torch", "skip_reason": "Dependency not found on PyPI and could not be audited: torch (2.13)"}


@pytest.mark.parametrize(
    ("rows", "known", "status", "said"),
    [
        ([FINE], {}, 0, "1 packages audited"),
        ([FINE, BAD], {}, 1, "jinja2 3.1: PYSEC-1 = CVE-2026-1; mended in 3.2"),
        ([FINE, BAD], {"CVE-2026-1": "jinja2 no sandbox here"}, 0, "accepted: jinja2 no sandbox here"),
        ([FINE, SKIPPED], {}, 0, "not audited: torch"),
        ([SKIPPED, SKIPPED], {}, 2, "NOT AUDITED"),
        ([], {}, 2, "NOT AUDITED"),
    ],
)
def test_the_verdict_follows_from_the_answers(
    audit: ModuleType, rows: list[dict[str, Any]], known: dict[str, str], status: int, said: str
) -> None:
    found, lines = audit.verdict({"dependencies": rows}, known)
    assert found == status
    assert any(said in line for line in lines)


def test_nothing_is_accepted_without_a_reason(audit: ModuleType) -> None:
    assert audit.accepted("# a comment\nCVE-1\nCVE-2 jinja2 not used so\n\n") == {"CVE-2": "jinja2 not used so"}
    for id, why in audit.accepted(audit.ACCEPTED.read_text(encoding="utf-8")).items():
        assert id.split("-")[0] in ("CVE", "GHSA", "PYSEC")
        assert len(why.split()) > 2
