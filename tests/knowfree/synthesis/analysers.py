"""Which analysers are here: tests of those that are missing are skipped with their reason, or fail where CI promises them."""

from __future__ import annotations

from importlib.util import find_spec

from tests.conftest import require_not


def needs(*packages: str) -> None:
    """Skip unless the packages of the extra `morph` are installed; KFBENCH_REQUIRE=morph turns this into a failure."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        require_not("morph", f"not installed: {', '.join(missing)} (pip install -e '.[morph]')")
