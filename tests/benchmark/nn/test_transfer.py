"""A training step asks a device nothing: on torch's `meta` device, where nothing can be read, whoever asks fails."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.amp import GradScaler

from baselines.bert_crf import BertCRF
from baselines.cnn_ner import CNNNER
from benchmark.method import Budget, EncoderSpec
from benchmark.nn.adamw import AdamW
from benchmark.nn.encoder import WordEncoder, load_encoder
from benchmark.nn.transfer import sent
from benchmark.training import Accumulator, two_rates
from knowfree.model import KnowFREE
from tests.benchmark.test_training import RECIPE
from tests.neural import MIXED, TARGETS, fit_input, pretrained, scratch, toy

SAMPLE = toy(6, seed=1)


def model(kind: str, encoder: WordEncoder) -> nn.Module:
    if kind == "bert_crf":
        return BertCRF(encoder, TARGETS, dropout=0.1)
    if kind == "cnn_ner":
        return CNNNER(encoder, MIXED, size=12, heads=3, depth=3, dropout=0.4, symmetric=True, clashes="flat")
    return KnowFREE(encoder, MIXED, size=12, biaffine_heads=2, attention_heads=3, dropout=0.4, clashes="flat")


@pytest.mark.parametrize("kind", ["knowfree", "cnn_ner", "bert_crf"])
@pytest.mark.parametrize("style", ["scratch", "bert", "xlm-roberta"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_step_reads_nothing_from_its_device(
    kind: str, style: str, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = scratch(SAMPLE) if style == "scratch" else load_encoder(EncoderSpec(pretrained(style, tmp_path)))
    of = model(kind, encoder).train().to("meta")
    windows = of.encoder.windows([s.text for s in SAMPLE])
    assert len({len(w) for w in windows}) > 1, "padding is a case"
    monkeypatch.setattr(torch, "autocast", lambda *args, **options: nullcontext())  # which knows no such device
    given: Any = fit_input(SAMPLE, budget=Budget(accumulate=2), device="meta")
    optimiser: Any = AdamW(two_rates(of, RECIPE))
    scaler = GradScaler("meta", enabled=precision == "fp16")
    for batch in (windows, windows[:1]):
        loss = Accumulator(of, given, scaler=scaler)(batch)
        scaler.unscale_(optimiser)
        nn.utils.clip_grad_norm_(of.parameters(), 1.0)
        scaler.step(optimiser, 0.5)
        scaler.update()
        optimiser.forget_gradients()
        assert loss.shape == ()
        with pytest.raises(RuntimeError, match="meta"):
            float(loss)


def test_a_tensor_stays_where_it_is_on_the_host() -> None:
    x = torch.arange(3)
    assert sent(x, torch.device("cpu")) is x
    assert sent(x, torch.device("meta")).device.type == "meta"
