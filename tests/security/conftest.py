"""The profile of the harness's tests, for these too."""

from __future__ import annotations

from tests.benchmark.conftest import prepared, profile

__all__ = ["prepared", "profile"]
