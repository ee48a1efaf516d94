"""A profile whose methods cost nothing, and one in a file of its own to compare."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmark.conftest import Profile, _torch_as_it_was, fits, prepared, profile  # noqa: F401 - fixtures

SOURCE = Path(__file__).parents[2] / "benchmark" / "dictionary.py"


@pytest.fixture
def here(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> Profile:  # noqa: F811
    """The working directory is the profile's, and holds `mine.py`: it knows its whole sample, `lookup` half of it."""
    monkeypatch.chdir(profile.root)
    text = SOURCE.read_text(encoding="utf-8").replace('"dictionary"', '"mine"').replace("class Dictionary", "class Mine")
    text = text.replace("Fitted(best=taggers[0], last=taggers[1])", "Fitted(best=taggers[1], last=taggers[1])")
    (profile.root / "mine.py").write_text(text, encoding="utf-8")
    return profile
