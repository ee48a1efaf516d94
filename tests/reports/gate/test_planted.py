"""The gate can fail: a planted bug is red, a refactoring that changes every hash is green. Real training, in copies of the checkout."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.benchmark.conftest import ROOT, environment

ROOMS = ("splits", "benchmark", "baselines", "knowfree", "reports")
LOOKUP = "lookup.py:Dictionary"


@dataclass
class Checkout:
    """A copy of the code with a profile in it: a span model and a dictionary on one small corpus."""

    root: Path

    @property
    def profile(self) -> Path:
        return self.root / "profile"

    def kfbench(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-c", "from benchmark.cli import main; main()", *arguments]
        env = environment(PYTHONPATH=str(self.root), HF_HUB_OFFLINE="1")
        return subprocess.run(line, cwd=self.profile, env=env, capture_output=True, text=True, timeout=500)

    def done(self, *arguments: str) -> str:
        done = self.kfbench(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def replace(self, file: str, *changes: tuple[str, str]) -> None:
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        for before, after in changes:
            assert text.count(before) >= 1, f"{file} has no {before!r} any more: plant the bug anew"
            text = text.replace(before, after)
        path.write_text(text, encoding="utf-8")

    @property
    def summary(self) -> str:
        return (self.profile / "gate.md").read_text(encoding="utf-8")

    @property
    def reference(self) -> dict[str, dict[str, Any]]:
        """The reference's cell of each variant."""
        cells = json.loads((self.profile / "reference.json").read_text(encoding="utf-8"))["cells"]
        return {name.split("/")[1]: cell for name, cell in cells.items()}

    def judged(self, *options: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """Exit status, and each variant's row; a summary is in gate.md."""
        assert self.kfbench("run").returncode == 0
        done = self.kfbench("gate", "--json", "--markdown", "gate.md", *options)
        return done.returncode, {row["variant"]: row for row in json.loads(done.stdout)["rows"]}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Both methods trained, and the reference of them."""
    root = tmp_path_factory.mktemp("checkout")
    for room in ROOMS:
        shutil.copytree(ROOT / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))
    made = Checkout(root)
    made.profile.mkdir()
    shutil.copy(ROOT / "tests" / "benchmark" / "dictionary.py", made.profile / "lookup.py")
    small = {"encoder_lr": 0.002, "head_lr": 0.003, "size": 40, "depth": 1, "dropout": 0.1}
    values = {
        "corpora": ["demo_zh"],
        "variants": ["lookup", "cnn_ner"],
        "sizes": [120],
        "draws": 1,
        "methods": {"lookup": {"method": LOOKUP}, "cnn_ner": {"method": "cnn_ner", "params": small}},
        "encoders": {"demo_zh": {"name": "scratch", "layers": 1, "hidden": 48}},
        "training": {"epochs": 6, "evaluate_every": 500},
        "protocol": {"dev_size": 30},
    }
    (made.profile / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    made.done("corpora", "prepare", "demo_zh", "--out", "data")
    made.done("draw", "demo_zh")
    made.done("run")
    made.done("gate", "--update")
    return made


@pytest.fixture
def checkout(reference: Checkout, tmp_path: Path) -> Checkout:
    shutil.copytree(reference.root, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    return Checkout(tmp_path / "copy")


def test_an_off_by_one_in_decoding_is_red(checkout: Checkout) -> None:
    checkout.replace("benchmark/nn/decoding.py", ("Predicted(start, last + 1, ", "Predicted(start, max(last, start + 1), "))
    status, rows = checkout.judged("--no-exact")
    assert status == 1
    assert rows["cnn_ner"]["verdict"] == "worse", "by the interval alone, as on any machine"
    assert rows["lookup"]["verdict"] == "same"
    assert "gate: red: 1 same, 1 worse" in checkout.summary


def test_an_off_by_one_in_a_method_of_ones_own_is_red(checkout: Checkout) -> None:
    """It loses the entities that end a sentence, and no other."""
    checkout.replace("profile/lookup.py", ("for j in range(i + 1, len(s.text) + 1)", "for j in range(i + 1, len(s.text) - 1)"))
    status, rows = checkout.judged("--no-exact")
    assert (status, rows["lookup"]["verdict"], rows["cnn_ner"]["verdict"]) == (1, "worse", "same")


def test_a_harmless_refactoring_is_green(checkout: Checkout) -> None:
    checkout.replace(
        "benchmark/nn/decoding.py",
        ("chosen = torch.triu(best > threshold).nonzero()", "above = best > threshold\n    chosen = torch.triu(above).nonzero()"),
        ("taken", "accepted"),
        ("_cross(", "_overlaps("),
    )
    checkout.replace("profile/lookup.py", ("self.known", "self.lexicon"))
    status, rows = checkout.judged()
    assert (status, {row["verdict"] for row in rows.values()}) == (0, {"same"}), rows
    hashes = {path.name for path in (checkout.profile / ".kfbench" / "store").iterdir() if path.is_dir()}
    assert len(hashes - {cell["hash"] for cell in checkout.reference.values()}) == 2, "the code is another: both cells were run again"


def test_a_small_change_is_seen_on_the_references_machine_and_accepted_by_an_update(checkout: Checkout) -> None:
    """One sentence loses its entities: too little for an interval, but not the same bytes."""
    found = next(i for i, tp in enumerate(checkout.reference["lookup"]["tp"]) if tp != "0")
    checkout.replace("profile/lookup.py", ("if s.text[i:j] in self.known", f'if s.text[i:j] in self.known and s.id != "test-{found}"'))
    status, rows = checkout.judged()
    assert (status, rows["lookup"]["verdict"], rows["cnn_ner"]["verdict"]) == (1, "changed", "same")
    assert "1 of 400 sentences are counted otherwise" in rows["lookup"]["reasons"][0]
    assert "--update` accepts it" in checkout.summary
    status, rows = checkout.judged("--no-exact")
    assert (status, rows["lookup"]["verdict"]) == (0, "held")
    checkout.done("gate", "--update")
    assert checkout.judged()[0] == 0
