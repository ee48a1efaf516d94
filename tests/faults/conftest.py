"""Profiles whose method costs nothing, as tests of the harness have them."""

from tests.benchmark.conftest import fits, prepared, profile

__all__ = ["fits", "prepared", "profile"]
