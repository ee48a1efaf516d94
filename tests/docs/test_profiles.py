"""docs/profiles.md has every key of a profile and every variable that the code reads."""

from __future__ import annotations

import re

import pytest
from pydantic import BaseModel

from benchmark.config import Encoder, Params, Protocol, Training, Variant
from knowfree.synthesis.config import Annotate, Explain, Synthesis
from tests.docs.blocks import ROOT

PAGE = re.sub(r"```.*?```", "", (ROOT / "docs" / "profiles.md").read_text(encoding="utf-8"), flags=re.DOTALL)
CODE = ("splits", "benchmark", "baselines", "knowfree", "reports")
NOT_READ = {"KFBENCH_ENCODERS", "KFBENCH_LLMS"}  # names that a profile's author chose for the place of a directory


@pytest.mark.parametrize("model", [Params, Encoder, Training, Protocol, Variant, Synthesis, Explain, Annotate], ids=lambda m: m.__name__)
def test_every_key_stands_there(model: type[BaseModel]) -> None:
    codes = {key for code in re.findall(r"`([^`]+)`", PAGE) for key in re.findall(r"[a-z_]+", code)}
    assert [name for name in model.model_fields if name not in codes] == []


def test_every_variable_stands_there() -> None:
    read = {
        name for room in CODE for path in (ROOT / room).rglob("*.py") for name in re.findall(r"KFBENCH_[A-Z_]+", path.read_text("utf-8"))
    }
    assert len(read) > 5
    assert [name for name in sorted(read - NOT_READ) if f"`{name}`" not in PAGE] == []
