"""The estimate's counts against torch's own counter, and its sums against cells whose cost is known."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmark.result import CellId, Run
from perf import estimate
from perf.estimate import Profile, Shape, grid, rates, table
from perf.workload import encoder, labels, model, sentences

ROOT = Path(__file__).parents[2]


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    """The micro profile in a directory of its own."""
    return copied(ROOT / "tests" / "micro", tmp_path)


def copied(folder: Path, to: Path) -> Profile:
    shutil.copy(folder / "params.yaml", to)
    return Profile(to)


N = 48


@pytest.mark.parametrize("kind", ["knowfree", "cnn_ner"])
def test_operations_are_those_that_torch_counts(kind) -> None:
    names = labels(4, 0)
    sample = sentences([N], names)
    suite = model(kind, encoder("6x384"), names).eval()
    batch = suite.encoder.batch(suite.encoder.windows([sample[0].text]))
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        suite(batch)
    expected = Shape(6, 384, 1000).forward([N]) + grid(kind, 200, [N])
    assert counted.get_total_flops() == pytest.approx(expected, rel=0.1), "special tokens and the last layer are left out"


def test_spans_are_just_over_half_of_the_cells() -> None:
    assert grid("knowfree", 200, [9], upper=True) == pytest.approx(grid("knowfree", 200, [9]) * 45 / 81)
    assert grid("bert_crf", 0, [9]) == 0


def test_cells_of_a_known_rate_give_their_own_time_back(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The micro profile estimated from its own cells, each done at 10^9 operations a second."""
    cells = [CellId(corpus="demo_zh", variant=name, size=20, draw=0, seed=0) for name in ("bert_crf", "knowfree")]
    seconds = {cell: profile.work(cell).operations / 1e9 for cell in cells}
    runs = [(cell, run(seconds[cell]), 1000 * profile.work(cell).test) for cell in cells]
    monkeypatch.setattr(Profile, "measured", lambda self: iter(runs))
    found = rates([profile])
    assert found.of("bert_crf") == pytest.approx(1e9)
    assert found.of("a method that was not measured") == pytest.approx(1e9)
    rows, sums = table(profile, found, tflops=0.001, step=0.0)
    assert sums["core hours"] == pytest.approx(sum(seconds.values()) / 3600)
    assert sums["GPU hours"] == pytest.approx(sums["core hours"]), "a GPU as fast as the core"
    assert sums["GB of cells"] == pytest.approx(sum(size for *_, size in runs) / 1e9)
    assert sums["GB of checkpoints"] == 0, "no variant of the profile starts from another's cell"
    assert [row[:3] for row in rows] == [["demo_zh", "bert_crf", 1], ["demo_zh", "knowfree", 1], ["all", "", 2]]


def test_a_step_takes_its_least_time_however_fast_the_gpu_is(profile: Profile) -> None:
    found = estimate.Rates({"bert_crf": 1e9}, {}, 1.0, 1)
    _, sums = table(profile, found, tflops=1e9, step=2.0)
    assert sums["GPU hours"] == pytest.approx(2 * 5 * 2.0 / 3600, rel=1e-3), "two cells of five steps"


def test_continued_training_keeps_the_checkpoints_that_it_starts_from(tmp_path: Path) -> None:
    profile = copied(ROOT / "demo", tmp_path)
    rows, _ = table(profile, estimate.Rates({"knowfree": 1e9}, {}, 1.0, 1), tflops=1.0, step=0.0)
    kept = {variant: checkpoints for _, variant, *_, checkpoints in rows}
    assert kept["knowfree_fusion"] == pytest.approx(
        4 * profile.parameters(CellId(corpus="demo_zh", variant="", size=1, draw=0, seed=0)) / 1e9
    )
    assert kept["knowfree"] == kept["knowfree_syn"] == 0


def run(seconds: float) -> Run:
    """A cell's measurements."""
    return Run(
        hash="0",
        seconds={"fit": seconds, "predict": 0.0, "total": seconds},
        peak_memory_mb=0.0,
        sentences_per_second=0.0,
        curve=[],
        provenance={},
    )
