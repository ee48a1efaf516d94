"""A mirror that goes away: what was made from it stays, and who still needs it is told which file, and where it belongs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environment import environment
from tests.faults.pipeline import CORPUS, OUTS, make, served
from tests.faults.test_results import contents
from tests.faults.upstream import Upstream


class Gone(Upstream):
    """An upstream that nobody may ask."""

    def __init__(self) -> None:
        pass

    def url(self, name: str) -> str:
        return f"https://127.0.0.1:1/{name}"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    files = served(tmp_path / "files")
    folder = tmp_path / "mirror" / CORPUS
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return tmp_path / "mirror"


@pytest.mark.parametrize("what", ["all of it", "a file", "half of a file"])
def test_what_vanishes_is_named_and_what_was_made_from_it_stays(what: str, mirror: Path, tmp_path: Path) -> None:
    pipeline = make(tmp_path / "checkout", Gone(), {path.name: path.read_bytes() for path in (mirror / CORPUS).iterdir()})

    def kfbench(command: str) -> subprocess.CompletedProcess[str]:
        call = [sys.executable, "-c", "from benchmark.cli import main; main()", *command.split()]
        env = environment(PYTHONPATH=str(pipeline.root), KFBENCH_MIRROR=str(mirror))
        return subprocess.run(call, cwd=pipeline.profile, env=env, capture_output=True, text=True, timeout=300)

    prepare = f"corpora prepare {CORPUS} --out"
    assert kfbench(f"{prepare} data").returncode == 0
    stood = contents(pipeline.profile / OUTS["prepare"][0])
    aside = shutil.copytree(mirror, tmp_path / "aside")
    file = mirror / CORPUS / "test.jsonl"
    if what == "all of it":
        shutil.rmtree(mirror)
    elif what == "a file":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

    for place in ("data", "elsewhere"):
        refused = kfbench(f"{prepare} {place}")
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr
        said = refused.stderr.replace("\n", " ")
        assert str(mirror if what == "all of it" else file) in said
        assert {"all of it": "KFBENCH_MIRROR", "a file": "Put it there", "half of a file": "Delete it"}[what] in said
    assert contents(pipeline.profile / OUTS["prepare"][0]) == stood
    assert not list(pipeline.profile.glob("elsewhere/*"))
    drawn = kfbench(f"draw {CORPUS}")
    assert drawn.returncode == 0, f"what was prepared needs no mirror: {drawn.stderr}"

    shutil.rmtree(mirror, ignore_errors=True)
    shutil.copytree(aside, mirror)
    assert kfbench(f"{prepare} elsewhere").returncode == 0
    assert contents(pipeline.profile / "elsewhere" / CORPUS) == stood
