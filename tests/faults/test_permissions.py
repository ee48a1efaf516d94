"""What may only be read: plans and reports work, what must write says so, and nothing is half-written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmark.conftest import Profile
from tests.faults.ordinary import kfbench, locked, unlocked
from tests.faults.test_results import contents


@pytest.fixture
def read_only(profile: Profile) -> Iterator[Profile]:
    """A profile with half of its cells done, on a file system that its user may only read."""
    profile.write(sizes=[10], draws=2, seeds=[0])
    assert kfbench(profile.root, "run", "--draw", "0", "--record").returncode == 0
    locked(profile.root)
    yield profile
    unlocked(profile.root)


def test_this_child_may_not_pass_over_permissions(tmp_path: Path) -> None:
    """Without this the tests below would pass for root, whatever the code does."""
    locked(tmp_path)
    done = kfbench(tmp_path, "new-method", "mine")
    assert done.returncode == 1
    assert "Permission denied" in done.stderr
    unlocked(tmp_path)


def test_who_may_only_read_can_plan_and_report(read_only: Profile, tmp_path_factory: pytest.TempPathFactory) -> None:
    before = contents(read_only.root)
    plan = kfbench(read_only.root, "plan", "--json")
    assert plan.returncode == 0, plan.stderr
    assert [cell["state"] for cell in json.loads(plan.stdout)["cells"]] == ["done", "missing"]
    site = tmp_path_factory.mktemp("elsewhere") / "site"
    for command in (["plan"], ["report", "--partial", "--out", str(site)], ["cells", "list"], ["gc", "--dry-run"]):
        done = kfbench(read_only.root, *command, HF_HOME="/nonexistent/hub")
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert (site / "index.html").is_file()
    assert contents(read_only.root) == before


@pytest.mark.parametrize(
    ("command", "place"),
    [
        (["run"], ".kfbench/store"),
        (["draw", "demo_zh"], "data/draws"),
        (["corpora", "prepare", "demo_zh"], "data"),
        (["report", "--partial", "--out", "site"], "site"),
        (["fingerprint"], "data/methods"),
        (["gc", "--yes"], ".kfbench/store"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_who_may_only_read_is_told_so(command: list[str], place: str, read_only: Profile) -> None:
    """One error that names the place and the mend; nothing is trained for hours first, and no traceback."""
    unlocked(read_only.root / "params.yaml")
    values = (read_only.root / "params.yaml").read_text()
    (read_only.root / "params.yaml").write_text(values.replace("dev_size: 30", "dev_size: 20") if command[0] == "gc" else values)
    before = contents(read_only.root)
    done = kfbench(read_only.root, *command)
    assert done.returncode == 1
    first, mend = done.stderr.splitlines()[-2:]
    assert first.startswith("kfbench: ")
    assert place in first
    assert "cannot be written" in first or "Permission denied" in first
    assert "permissions" in mend
    assert contents(read_only.root) == before


@pytest.mark.parametrize("file", ["params.yaml", "data/demo_zh/train.jsonl", "data/draws/demo_zh.json"])
def test_a_file_that_may_not_be_read_is_named(file: str, profile: Profile) -> None:
    (profile.root / file).chmod(0o000)
    done = kfbench(profile.root, "plan")
    assert done.returncode in (1, 2)  # typer looks at params.yaml before we do, and says so in a box of its own
    assert file in done.stderr
    assert "Permission denied" in done.stderr or "not readable" in done.stderr
    assert "Traceback" not in done.stderr
