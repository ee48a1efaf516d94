"""A loss that is no number: the run ends with step and sentences, and no result and no checkpoint is kept."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from baselines.bert_crf import BertCRFMethod
from baselines.cnn_ner import CNNNERMethod
from benchmark.method import Budget
from benchmark.training import TrainingDivergedError
from knowfree.method import PlainKnowFREE
from splits.errors import KfbenchError
from tests.benchmark.conftest import Profile
from tests.faults.ordinary import kfbench
from tests.neural import fit_input, toy

HUGE: dict[str, Any] = {"encoder_lr": 1e30, "head_lr": 1e30, "warmup": 0}
METHODS: dict[str, Any] = {
    "bert_crf": lambda: BertCRFMethod(**HUGE),
    "cnn_ner": lambda: CNNNERMethod(size=40, **HUGE),
    "knowfree": lambda: PlainKnowFREE(size=40, **HUGE),
    "fastnlp": lambda: CNNNERMethod(size=40, trainer="fastnlp", **HUGE),
}


@pytest.mark.parametrize(
    ("name", "precision"),
    [*product(METHODS, ["fp32", "bf16"]), *product(["bert_crf", "cnn_ner", "knowfree"], ["fp16"])],
)
def test_every_loop_stops_and_names_the_step_and_the_sentences(name: str, precision: str) -> None:
    if name == "fastnlp":
        pytest.importorskip("fastNLP", reason="fastNLP is not installed")
    sample = toy(8)
    given = fit_input(sample, budget=Budget(steps=8, batch_size=4, evaluate_every=8), precision=precision)
    with pytest.raises(TrainingDivergedError, match=r"the loss is (nan|inf|-inf) at step \d, sentences ") as caught:
        METHODS[name]().fit(given)
    ids = caught.value.what.rsplit("sentences ", 1)[1].split(", ")
    assert len(ids) == 4
    assert set(ids) <= {s.id for s in sample}


@pytest.mark.parametrize("name", ["cnn_ner", "knowfree", "fastnlp"])
def test_weights_that_the_very_last_step_spoils_are_no_result(name: str) -> None:
    """The loss of a run of one step is fine; what the step made of the weights no later loss would tell."""
    if name == "fastnlp":
        pytest.importorskip("fastNLP", reason="fastNLP is not installed")
    given = fit_input(toy(4), budget=Budget(steps=1, batch_size=4))
    method = METHODS[name]()
    spoiled = type(method)(**{**vars(method), "encoder_lr": float("inf"), "head_lr": float("inf")})
    with pytest.raises(KfbenchError, match="NaN or infinite"):
        spoiled.fit(given)


def test_a_cell_that_diverges_is_a_failure_and_leaves_neither_result_nor_checkpoint(profile: Profile) -> None:
    methods = {"wild": {"method": "knowfree", "params": {**HUGE, "size": 40}}}
    encoders = {corpus: {"name": "scratch", "layers": 1, "hidden": 16, "heads": 2} for corpus in ("demo_zh", "demo_en")}
    profile.write(variants=["wild"], methods=methods, encoders=encoders, sizes=[10], draws=1, seeds=[0], training={"epochs": 3})
    done = kfbench(profile.root, "run", "--checkpoints", "--record")
    assert done.returncode == 1
    assert "TrainingDivergedError: the loss is" in done.stderr
    assert "at step" in done.stderr
    hash = profile.plan().cells[0].hash or ""
    assert not profile.store.path(hash).exists()
    failure = profile.store.failure(hash)
    assert failure is not None
    assert "at step" in failure.error
    assert list((profile.root / "results").rglob("metrics.json")) == []
