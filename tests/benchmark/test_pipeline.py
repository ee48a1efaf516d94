"""`dvc repro` on copies of the checkout: everything once, then nothing, then only what changed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from benchmark.config import load_params
from benchmark.result import METRICS, load_metrics
from tests.benchmark.conftest import ROOT, environment

PROFILES = (ROOT, ROOT / "demo", ROOT / "tests" / "micro")
ROOMS = ("splits", "benchmark", "baselines", "knowfree", "reports")


@pytest.mark.parametrize("profile", PROFILES[1:], ids=lambda p: p.name)
def test_every_profile_has_the_same_pipeline(profile: Path) -> None:
    assert (profile / "dvc.yaml").read_bytes() == (ROOT / "dvc.yaml").read_bytes()


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
def test_every_profile_loads_and_has_the_keys_that_dvc_asks_for(profile: Path) -> None:
    params = load_params(profile / "params.yaml")
    assert (profile / params.code / "pyproject.toml").is_file()
    given = yaml.safe_load((profile / "params.yaml").read_text(encoding="utf-8"))
    stages = yaml.safe_load((profile / "dvc.yaml").read_text(encoding="utf-8"))["stages"].values()
    asked = {key for stage in stages for key in stage.get("do", stage).get("params", []) if "$" not in key}
    assert asked <= given.keys()
    assert set(params.corpora) <= params.encoders.keys()


def test_the_paper_profile_is_the_papers() -> None:
    params = load_params(ROOT / "params.yaml")
    assert params.corpora == ["weibo", "mit_movie", "stockmark_ja", "klp_ko"]
    assert (params.sizes, params.draws, params.seeds) == ([250, 500, 1000], 10, [0])
    assert all(re.fullmatch(r"[0-9a-f]{40}", params.encoders[c].revision or "") for c in params.corpora)
    assert (params.training.epochs, params.training.batch_size, params.training.evaluate_every) == (120, 4, 63)


def checkout(target: Path) -> Path:
    """The parts of this checkout that a pipeline needs, as a DVC repository without git."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, target / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "dvc.yaml"):
        (target / "tests" / "micro").mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tests" / "micro" / name, target / "tests" / "micro" / name)
    (target / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvcignore", target)
    shutil.copy(ROOT / ".dvc" / "config", target / ".dvc")
    (target / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    return target


def repro(root: Path, *arguments: str) -> set[str]:
    """Run the micro profile; the stages that ran."""
    env = environment(PYTHONPATH=str(root), HF_HUB_OFFLINE="1", PYTHONDONTWRITEBYTECODE="")  # a stage is a process: compiled once
    done = subprocess.run(
        ["dvc", "repro", "-k", *arguments], cwd=root / "tests" / "micro", env=env, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return set(re.findall(r"^Running stage '(.+)':$", done.stdout, re.MULTILINE))


QUICK = '''"""A method that learns nothing."""
from dataclasses import dataclass
from typing import ClassVar
from benchmark.method import Fitted


class Silence:
    def predict(self, sentences):
        return [[] for _ in sentences]

    def save(self, directory):
        pass


@dataclass(frozen=True)
class Quick:
    name: ClassVar[str] = "{name}"
    artefacts: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[str | None] = None

    def supports(self, corpus):
        return None

    def fit(self, given):
        given.monitor(Silence(), step=1, epoch=1.0)
        return Fitted(Silence(), Silence())
'''


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """A checkout whose rooms hold one method each that needs no training."""
    root = checkout(tmp_path)
    for room, name in (("baselines", "bert_crf"), ("knowfree", "knowfree")):
        for module in (root / room).glob("*.py"):
            if module.name not in {"__init__.py", "commands.py"}:
                module.unlink()
        (root / room / "quick.py").write_text(QUICK.replace("{name}", name), encoding="utf-8")
    params = root / "tests" / "micro" / "params.yaml"
    values = yaml.safe_load(params.read_text(encoding="utf-8"))
    values["methods"] = {name: {"method": name} for name in values["variants"]}
    params.write_text(yaml.safe_dump(values), encoding="utf-8")
    return root


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_a_change_trains_only_the_variants_whose_code_changed(quick: Path) -> None:
    train = {"train@demo_zh-bert_crf", "train@demo_zh-knowfree"}
    methods = {"method"}
    made = {f"{stage}@demo_zh" for stage in ("prepare", "draw", "explain", "annotate", "fuse")}
    assert repro(quick, "train") == {*made, *methods, *train}
    assert repro(quick, "train") == set()
    append(quick / "knowfree" / "quick.py", "# why it is so\n")
    assert repro(quick, "train") == methods
    append(quick / "knowfree" / "quick.py", "CHANGED = True\n")
    assert repro(quick, "train") == {*methods, "train@demo_zh-knowfree"}
    append(quick / "baselines" / "quick.py", "CHANGED = True\n")
    assert repro(quick, "train") == {*methods, "train@demo_zh-bert_crf"}
    append(quick / "benchmark" / "scoring.py", "CHANGED = True\n")
    assert repro(quick, "train") >= train
    append(quick / "benchmark" / "store.py", "CHANGED = True\n")
    assert repro(quick, "train") == methods
    append(quick / "knowfree" / "synthesis" / "align.py", "CHANGED = True\n")
    made = {f"{stage}@demo_zh" for stage in ("explain", "annotate", "fuse")}
    assert repro(quick, "train") == {*methods, *made}, "the same artefacts: nothing to train"


def test_the_micro_profile_runs_from_nothing_to_a_report_and_then_rests(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    ran = repro(root)
    assert {"prepare@demo_zh", "train@demo_zh-bert_crf", "train@demo_zh-knowfree", "report"} <= ran
    profile = root / "tests" / "micro"
    cells = sorted((profile / "results").rglob(METRICS))
    assert [str(load_metrics(cell.parent).cell) for cell in cells] == ["demo_zh/bert_crf/20/0-0", "demo_zh/knowfree/20/0-0"]
    assert (profile / "site" / "index.html").is_file()
    before = [cell.read_bytes() for cell in cells]
    assert repro(root) == set()
    shutil.rmtree(profile / ".kfbench")
    shutil.rmtree(profile / "results")
    shutil.rmtree(root / ".dvc" / "cache")
    shutil.rmtree(profile / "site")
    assert "train@demo_zh-knowfree" in repro(root)
    assert [cell.read_bytes() for cell in cells] == before, "the same bytes from nothing"
