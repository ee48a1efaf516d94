"""Models that go on from others: rows by label name, the rest of the weights as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark.extension import on_fusion
from benchmark.method import Budget, build
from benchmark.nn.labels import loss_weights
from knowfree.method import FusionKnowFREE, SynKnowFREE
from knowfree.method import build as model_of
from splits.errors import ConfigError
from splits.labels import Inventory, Label
from tests.benchmark.artefacts import FUSED, MERGED
from tests.neural import F1, TARGETS, scratch, toy

OLD = Inventory((Label("PER"), Label("LOC"), Label("ext:A", False, 3), Label("ext:B", False, 30)))
NEW = Inventory((Label("LOC"), Label("PER"), Label("ext:B", False, 90), Label("ext:C", False, 5)))
TINY = {"size": 20, "encoder_lr": 1e-3}


def test_rows_follow_their_names_and_new_labels_start_fresh():
    settings = {"size": 20, "biaffine_heads": 2, "attention_heads": 2, "radius": 1, "dropout": 0.0, "clashes": "flat", "paper_quirks": ()}
    model = model_of(scratch(toy(3)), OLD, settings)
    with torch.no_grad():
        model.out.bias.copy_(torch.arange(4.0))
    before = model.out.weight.detach().clone()
    assert model.grow(NEW) == [3]
    for name in ("LOC", "PER", "ext:B"):
        assert torch.equal(model.out.weight[NEW.index[name]], before[OLD.index[name]])
        assert model.out.bias[NEW.index[name]] == OLD.index[name]
    assert model.out.bias[3] == 0
    assert model.labels == NEW
    assert torch.equal(model.weights, loss_weights(NEW))


@pytest.fixture
def upstream(given, tmp_path: Path) -> Path:
    FusionKnowFREE(**TINY).fit(given).best.save(tmp_path / "upstream")
    return tmp_path / "upstream"


def test_a_run_without_steps_to_learn_in_is_the_upstream_model(given, upstream):
    still = SynKnowFREE(**(TINY | {"encoder_lr": 0.0, "head_lr": 0.0}))
    before = FusionKnowFREE.load(upstream)
    after = still.fit(replace(given, upstream=upstream)).last
    assert after.model.labels == MERGED
    assert [[(p.start, p.end, p.label) for p in row] for row in after.predict(given.sample)] == [
        [(p.start, p.end, p.label) for p in row] for row in before.predict(given.sample)
    ]
    assert torch.equal(after.state["grid.head.weight"], before.model.grid.head.weight)


def test_continued_training_moves_on_from_it_and_is_repeatable(given, upstream):
    ready = replace(given, upstream=upstream, monitor=F1(given.dev), budget=Budget(steps=3))
    first, second = (SynKnowFREE(**TINY).fit(ready).last.state for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["out.weight"], FusionKnowFREE.load(upstream).model.out.weight)


def test_extension_labels_are_never_predicted(given):
    fitted = FusionKnowFREE(**TINY).fit(given)
    model = fitted.last.model
    with torch.no_grad():
        model.out.bias[len(TARGETS) :] = 50.0
    assert len(model.labels) == len(FUSED)
    fitted.last.state = None
    assert {p.label for row in fitted.last.predict(given.sample) for p in row} <= set(TARGETS.names)


def test_a_plain_model_and_a_fused_one_without_parts_train_alike(given):
    """With no extension label left, fusion is the plain method."""
    plain = build("knowfree", TINY).fit(given).last.state
    fused = FusionKnowFREE(**TINY, parts=()).fit(given).last.state
    assert all(torch.equal(plain[name], fused[name]) for name in plain)
    assert len(on_fusion(given, ()).labels) == len(TARGETS)


def test_another_shape_than_upstreams_is_an_error(given, upstream):
    with pytest.raises(ConfigError, match="size is 40, the upstream cell's is 20"):
        SynKnowFREE(size=40).fit(replace(given, upstream=upstream))


def test_no_upstream_is_an_error(given):
    with pytest.raises(ConfigError, match="no upstream cell"):
        SynKnowFREE(**TINY).fit(given)
