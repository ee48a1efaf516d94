"""A profile with a method that costs nothing, in a directory of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from benchmark.config import Params, load_params
from benchmark.engine import Report, Serial
from benchmark.method import FitInput
from benchmark.plan import Filter, Plan, Planned, make_plan
from benchmark.store import Store
from benchmark.worker import Ended, Worker
from benchmark.workspace import Workspace
from splits.draw import materialise, write_draws
from splits.prepare import load, prepare
from tests.benchmark.artefacts import with_artefacts
from tests.environment import ROOT, environment

DICTIONARY = f"{Path(__file__).parent / 'dictionary.py'}:Dictionary"
CORPORA = ("demo_zh", "demo_en")  # demo_en nests


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    """A cell sets threads and determinism for the process."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


@pytest.fixture
def given(tmp_path: Path) -> FitInput:
    """A cell's input with artefacts."""
    return with_artefacts(tmp_path)


class Silent:
    """A watch that only remembers."""

    def __init__(self) -> None:
        self.waited: list[Planned] = []

    def started(self, cell: Planned) -> None: ...

    def point(self, cell: Planned, point: dict[str, Any]) -> None: ...

    def waiting(self, cell: Planned) -> None:
        self.waited.append(cell)

    def ended(self, cell: Planned, how: Ended) -> None: ...


@dataclass
class Profile:
    """A directory with params.yaml and prepared corpora."""

    root: Path

    def write(self, **changes: Any) -> Profile:
        """Change keys of params.yaml."""
        path = self.root / "params.yaml"
        values = yaml.safe_load(path.read_text(encoding="utf-8")) | changes
        path.write_text(yaml.safe_dump(values), encoding="utf-8")
        return self

    @property
    def values(self) -> dict[str, Any]:
        return dict(yaml.safe_load((self.root / "params.yaml").read_text(encoding="utf-8")))

    @property
    def params(self) -> Params:
        return load_params(self.root / "params.yaml")

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root)

    @property
    def store(self) -> Store:
        return Store(self.workspace.store)

    def plan(self, only: Filter | None = None) -> Plan:
        return make_plan(self.params, self.workspace, only)

    def run(self, only: Filter | None = None, **options: Any) -> Report:
        plan = self.plan(only)
        worker = Worker(self.params, self.workspace, self.store, required=plan.required, **options)
        return Serial().run(plan.cells, worker, Silent())

    def command(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """`kfbench ...` as a process of its own."""
        return subprocess.run(
            self.line(*arguments), cwd=self.root, env=environment(), capture_output=True, text=True, timeout=120, **options
        )

    def line(self, *arguments: str) -> list[str]:
        return [sys.executable, "-c", "from benchmark.cli import main; main()", *arguments]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data/ with two demo corpora and their draws."""
    data = tmp_path_factory.mktemp("prepared") / "data"
    for corpus in CORPORA:
        prepare(corpus, data / corpus)
        write_draws(data / "draws" / f"{corpus}.json", materialise(load(data / corpus), [10, 20], 2))
    return data


@pytest.fixture
def profile(tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """One corpus, one variant, two sizes, two draws, two seeds: eight cells."""
    return make_profile(tmp_path, prepared, monkeypatch)


def make_profile(root: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    monkeypatch.delenv("KFBENCH_STORE", raising=False)
    shutil.copytree(prepared, root / "data")
    values = {
        "code": str(ROOT),
        "corpora": ["demo_zh"],
        "variants": ["lookup"],
        "sizes": [10, 20],
        "draws": 2,
        "seeds": [0, 1],
        "methods": {"lookup": {"method": DICTIONARY, "params": {"log": str(root / "fits.log"), "trap": str(root / "trap")}}},
        "encoders": {corpus: {"name": "scratch"} for corpus in CORPORA},
        "protocol": {"dev_size": 30},
    }
    (root / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return Profile(root)


Fits = Callable[[Profile], list[str]]


@pytest.fixture
def fits() -> Fits:
    """Lines that fits of a profile logged: one a training run."""

    def read(profile: Profile) -> list[str]:
        path = profile.root / "fits.log"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    return read
