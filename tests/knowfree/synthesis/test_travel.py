"""Artefacts travel: what one machine asked, another pulls, and asks nobody."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import partial
from pathlib import Path

import yaml

from benchmark.config import load_params
from benchmark.workspace import Workspace
from knowfree.synthesis import explain
from knowfree.synthesis.config import synthesis_of
from knowfree.synthesis.stages import Stages
from knowfree.synthesis.tokenise import detokenise
from tests.benchmark.conftest import environment
from tests.benchmark.test_pipeline import checkout, repro

MODEL = {"backend": "none", "model": "someone/a-model", "revision": "0" * 40}
ABOUT = "第{}段说明：王小明在海边的城市里开了一家很小的书店，店里卖旧书和地图。"


def dvc(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["dvc", *arguments],
        cwd=root / "tests" / "micro",
        env=environment(PYTHONPATH=str(root)),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def with_model(root: Path) -> Path:
    params = root / "tests" / "micro" / "params.yaml"
    values = yaml.safe_load(params.read_text(encoding="utf-8")) | {"synthesis": {"llm": MODEL}}
    params.write_text(yaml.safe_dump(values), encoding="utf-8")
    return root


def answer(root: Path) -> None:
    """Write the log that a model would have written."""
    profile = root / "tests" / "micro"
    params = load_params(profile / "params.yaml")
    stages = Stages(params, Workspace(profile), "demo_zh")
    requests = explain.requests(stages.samples(), "zh", detokenise=partial(detokenise, language="zh"))
    llm = synthesis_of(params).llm
    assert llm
    rows = [
        {"key": llm.asked().key(r), "about": dict(r.about), "text": ABOUT.format(n), "finish": "stop", "tokens_in": 1, "tokens_out": 1}
        for n, r in enumerate(requests)
    ]
    stages.log("explain").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def test_pulled_artefacts_are_up_to_date_and_no_model_is_asked(tmp_path: Path) -> None:
    ours, theirs, remote = with_model(checkout(tmp_path / "ours")), with_model(checkout(tmp_path / "theirs")), tmp_path / "remote"
    repro(ours, "draw")
    answer(ours)
    assert repro(ours, "fuse") == {"explain@demo_zh", "annotate@demo_zh", "fuse@demo_zh"}
    made = ours / "tests/micro/data/fused/demo_zh/morph/20/0/train.synthetic.jsonl"
    assert len(made.read_text(encoding="utf-8").splitlines()) == 20
    for root in (ours, theirs):
        dvc(root, "remote", "add", "-d", "shared", str(remote))
    dvc(ours, "push")
    prepared = (ours / "tests/micro/data/demo_zh/train.jsonl").read_bytes()
    pushed = [path.read_bytes() for path in remote.rglob("*") if path.is_file()]
    assert prepared not in pushed, "sentences of a corpus stay at home"

    shutil.copy(ours / "tests/micro/dvc.lock", theirs / "tests/micro/dvc.lock")
    dvc(theirs, "pull", "explain", "annotate")
    log = "tests/micro/data/replies/demo_zh.explain.jsonl"
    assert (theirs / log).read_bytes() == (ours / log).read_bytes()
    ran = repro(theirs, "fuse")
    assert ran == {"prepare@demo_zh", "draw@demo_zh", "fuse@demo_zh"}
    assert (theirs / made.relative_to(ours)).read_bytes() == made.read_bytes()
