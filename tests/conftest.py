"""What tests of all rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test measures time, and a failure on one machine must be one on every other: no deadline, a fixed order of examples.
settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

REQUIRED = frozenset(filter(None, os.environ.get("KFBENCH_REQUIRE", "").split(",")))


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The raw corpora, CORPUS/FILE; a test that asks for them is marked `real` and skipped without them.

    KFBENCH_REQUIRE names tiers that may not be skipped: there a missing mirror is a failure.
    """
    found = os.environ.get("KFBENCH_MIRROR")
    if not found:
        require_not("real", "KFBENCH_MIRROR is not set: no raw corpora here")
    return Path(found or "")


def require_not(tier: str, reason: str) -> None:
    """Skip a test with its reason, or fail where KFBENCH_REQUIRE promises its tier."""
    if tier in REQUIRED:
        pytest.fail(f"KFBENCH_REQUIRE promises the tier {tier!r}, but: {reason}")
    pytest.skip(reason)
