"""The files that DVC writes in place: cut by a kill, they stop every re-run; `kfbench doctor` names them, and to remove them is enough."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from benchmark.doctor import torn
from tests.environment import environment
from tests.faults.kills import refused

STAGES = "stages:\n  one:\n    cmd: cp a b\n    deps: [a]\n    outs: [b]\n  two:\n    cmd: cp b c\n    deps: [b]\n    outs: [c]\n"


def repro(root: Path) -> subprocess.CompletedProcess[str]:
    env = environment(DVC_SITE_CACHE_DIR=str(root / "site-cache"))
    return subprocess.run(
        ["dvc", "repro", "-k"], cwd=root, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120
    )


def problems() -> dict[str, str]:
    return {finding.name: finding.mend for finding in torn() if finding.state == "problem"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline of two copies, run."""
    root = tmp_path_factory.mktemp("dvc")
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n")
    (root / "dvc.yaml").write_text(STAGES)
    (root / "a").write_text("a")
    done = repro(root)
    assert done.returncode == 0, done.stdout
    return root


@pytest.mark.parametrize("name", ["dvc.lock", "rwlock"])
def test_a_cut_file_of_dvc_is_named_and_its_removal_mends_all(name: str, ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ran)
    assert problems() == {}
    path = ran / "dvc.lock" if name == "dvc.lock" else ran / ".dvc" / "tmp" / "rwlock"
    path.write_bytes(path.read_bytes()[: 60 if name == "dvc.lock" else 0])
    (ran / "b").unlink()
    done = repro(ran)
    assert done.returncode != 0
    assert refused(done.stdout, name), done.stdout
    assert name in problems()
    assert f"Remove {path if name == 'rwlock' else path.name}" in problems()[name]
    path.unlink()
    again = repro(ran)
    assert again.returncode == 0, again.stdout
    assert problems() == {}
    assert ((ran / "b").read_text(), (ran / "c").read_text()) == ("a", "a")


def test_the_lock_of_a_dvc_that_was_killed_is_no_obstacle(ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names a process; one that is gone holds nothing."""
    monkeypatch.chdir(ran)
    gone = subprocess.Popen(["true"])
    gone.wait()
    holder = {"pid": gone.pid, "cmd": "dvc repro"}
    (ran / ".dvc" / "tmp" / "rwlock").write_text(json.dumps({"write": {str(ran / "b"): holder}, "read": {str(ran / "a"): [holder]}}))
    (ran / ".dvc" / "tmp" / "lock").write_text(str(gone.pid))
    (ran / "b").unlink()
    done = repro(ran)
    assert done.returncode == 0, done.stdout
    assert (ran / "b").read_text() == "a"
    assert problems() == {}


def test_every_cut_that_dvc_refuses_is_found(ran: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Against DVC's own reading of the file, cut at each of its characters."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils.serialize import parse_yaml

    text = (ran / "dvc.lock").read_text()
    monkeypatch.chdir(tmp_path)
    missed = set()
    for cut in range(len(text)):
        try:
            COMPILED_LOCKFILE_SCHEMA(parse_yaml(text[:cut], "dvc.lock"))
            fine = True
        except Exception:
            fine = False
        Path("dvc.lock").write_text(text[:cut])
        if not fine and not problems():
            missed.add(text[:cut].rpartition("\n")[2])
    assert missed == set()
