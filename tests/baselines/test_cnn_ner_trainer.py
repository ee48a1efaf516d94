"""CNN-NER behind the released trainer's signature: the paper's script, and the suite's own method beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from baselines.cnn_ner import CNNNERMethod
from baselines.cnn_ner_trainer import Trainer
from benchmark.method import Budget, EncoderSpec
from benchmark.method import build as build_method
from splits.errors import ConfigError
from splits.schema import read_jsonl
from tests.knowfree.test_trainer import SMALL, TRAIN, datasets, files, script
from tests.neural import F1, fit_input, toy


def test_the_papers_script_trains_with_its_imports_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(datasets(tmp_path, "demo_ja"))
    text = TRAIN.replace("knowfree.trainer", "baselines.cnn_ner_trainer").replace("demo_zh", "demo_ja")
    ran = script(tmp_path, text)
    epoch, train_record, eval_record, model_record, id = ran["a"]
    assert (epoch, id, len(ran["seen"])) == (9, "not_saving", 15)
    assert train_record["epoch"] == list(range(1, 11))
    assert train_record["train_loss"][-1] < train_record["train_loss"][0]
    assert eval_record["step"] == [16, 32, 48, 64, 80]
    assert set(model_record["model_uid"]) == {"best"}
    dev = read_jsonl("datasets/demo_ja/dev.jsonl")
    assert ran["final"]["supports"] == sum(len(s.spans) for s in dev)
    kept = CNNNERMethod.load(Path("save_model/demo_ja_knowfree/cnnner_best"))
    assert not kept.model.symmetric


def test_it_trains_the_port_as_the_suite_does_step_for_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    given = files(tmp_path, train=toy(24, seed=1), eval=toy(12, seed=2))
    trainer = Trainer(**given, **SMALL, cnn_depth=2, batch_size=4, seed=7)
    call = {"num_epochs": 6, "pretrained_lr": 5e-3, "other_lr": 3e-2, "remove_clashed": True}
    *_, (_, _, eval_record, _, _) = trainer(**call, eval_call_step=lambda step: step % 6 == 0)
    fields = {"recipe": "knowfree_port", "output_bias": "prior", "size": 20, "depth": 2, "warmup": 3, "encoder_lr": 5e-3, "head_lr": 3e-2}
    monitor = F1(read_jsonl(given["eval_file"]))
    encoder, budget = EncoderSpec(str(given["from_pretrained"])), Budget(epochs=6, batch_size=4)
    fitted = build_method("cnn_ner", fields).fit(
        fit_input(read_jsonl(given["train_file"]), seed=7, monitor=monitor, encoder=encoder, budget=budget)
    )
    assert eval_record["f1"] == [call["f1"] for call in monitor.calls]
    assert max(eval_record["f1"]) > 0.3
    parameters = dict(trainer.model.named_parameters())
    assert all(torch.equal(parameters[name], value) for name, value in fitted.last.state.items())
    again = Trainer(**given | {"from_pretrained": "save_model/cnnner/cnnner_best"}, **SMALL, cnn_depth=2)
    assert again.eval(0, is_eval=True, remove_clashed=True)["f1"] == max(eval_record["f1"])


def test_sizes_that_it_cannot_have_are_named(tmp_path: Path):
    given = files(tmp_path)
    assert Trainer(**given, **SMALL, n_head=0, cnn_depth=1).model.grid.heads == 1
    with pytest.raises(ConfigError, match=r"CNN-NER: size_embed_dim is 0, only 25 can be had; kernel_size is 5, only 3"):
        Trainer(**given, kernel_size=5, size_embed_dim=0)
    with pytest.raises(ConfigError, match="cnn_depth is 0"):
        Trainer(**given, cnn_depth=0)
    with pytest.raises(ConfigError, match="method 'cnn_ner' has no parameter 'paper_quirks'"):
        Trainer(**given, paper_quirks=())
