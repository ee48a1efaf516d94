"""An encoder's directory that is not whole: one error that says what is wrong with it, where transformers would draw weights at random."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from benchmark.method import EncoderSpec
from benchmark.nn.encoder import load_encoder
from benchmark.nn.scratch import scratch_encoder
from splits.errors import ConfigError

WEIGHTS, LAST = "model.safetensors", "encoder.layer.1.output.dense.weight"
Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT as `save_pretrained` writes it."""
    folder = tmp_path_factory.mktemp("encoder")
    _, pieces = scratch_encoder(EncoderSpec("scratch", hidden=8, heads=2), ["我", "在", "北", "京"])
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 64}
    BertModel(BertConfig(vocab_size=len(pieces), **sizes)).save_pretrained(folder)
    pieces.full().save_pretrained(folder)
    return folder


def config(**changes: Any) -> Change:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Change:
    def rewrite(folder: Path) -> None:
        found = load_file(folder / WEIGHTS)
        change(found)
        save_file(found, folder / WEIGHTS, {"format": "pt"})

    return rewrite


def no_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def cut(name: str, end: int | None) -> Change:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:end])


DAMAGES: dict[str, tuple[Change, str]] = {
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), "no file named model.safetensors"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "cannot be loaded"),
    "truncated weights": (cut(WEIGHTS, -50), "cannot be loaded"),
    "empty weights": (cut(WEIGHTS, 0), "cannot be loaded"),
    "a tensor is missing": (weights(lambda found: found.pop(LAST)), f"lack 1 tensors that config.json calls for, the first is {LAST}"),
    "a weight is NaN": (weights(lambda found: found[LAST][0].fill_(float("nan"))), f"{LAST} holds NaN or infinite weights"),
    "a weight is infinite": (weights(lambda found: found[LAST][0].fill_(float("inf"))), f"{LAST} holds NaN or infinite weights"),
    "no tokenizer": (no_tokenizer, "its tokenizer has 5 sub-words"),
    "truncated tokenizer": (cut("tokenizer.json", 100), "cannot be loaded"),
    "another model type": (config(model_type="gpt2"), "its weights lack 28 tensors"),
    "an unknown model type": (config(model_type="nosuch"), "cannot be loaded"),
    "another width": (config(hidden_size=16), r"is \[8\], config.json calls for \[16\]"),
    "another vocabulary": (config(vocab_size=8), "calls for"),
    "garbage config": (lambda folder: (folder / "config.json").write_bytes(b"\x00{"), "cannot be loaded"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_encoder_is_refused_with_what_is_wrong(damage: str, good: Path, tmp_path: Path) -> None:
    change, what = DAMAGES[damage]
    folder = tmp_path / "e"
    shutil.copytree(good, folder)
    change(folder)
    with pytest.raises(ConfigError, match=what) as caught:
        load_encoder(EncoderSpec(str(folder)))
    assert str(folder) in caught.value.what
    assert caught.value.mend
    assert len(caught.value.what.splitlines()) == 1


def test_the_undamaged_encoder_is_loaded_with_its_own_weights(good: Path) -> None:
    found = load_encoder(EncoderSpec(str(good))).model.state_dict()
    for name, tensor in load_file(good / WEIGHTS).items():
        if "pooler" not in name:
            assert torch.equal(found[name], tensor)


# --- code in what is downloaded ---


class Touch:
    """A pickle that writes a file when it is read."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.victim,)


def evil(folder: Path, victim: Path) -> None:
    """Modules that transformers would import if it were told to trust the repository."""
    (folder / "evil.py").write_text(
        f"import pathlib\npathlib.Path({str(victim)!r}).touch()\n"
        "from transformers import BertConfig, BertModel, PreTrainedTokenizerFast\n"
        "class C(BertConfig):\n    model_type = 'evil'\nclass M(BertModel): pass\nclass T(PreTrainedTokenizerFast): pass\n"
    )


@pytest.mark.parametrize("known", [True, False])
def test_code_in_an_encoders_directory_is_never_run(known: bool, good: Path, tmp_path: Path) -> None:
    folder, victim = tmp_path / "e", tmp_path / "pwned"
    shutil.copytree(good, folder)
    evil(folder, victim)
    named = {"auto_map": {"AutoConfig": "evil.C", "AutoModel": "evil.M"}}
    config(**named, **({} if known else {"model_type": "evil"}))(folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"auto_map": {"AutoTokenizer": [None, "evil.T"]}}))
    if known:  # transformers has a BERT of its own: that one is taken
        load_encoder(EncoderSpec(str(folder)))
    else:
        with pytest.raises(ConfigError, match="custom code"):
            load_encoder(EncoderSpec(str(folder)))
    assert not victim.exists()


def test_code_in_a_pickle_of_weights_is_never_run(good: Path, tmp_path: Path) -> None:
    folder, victim = tmp_path / "e", tmp_path / "pwned"
    shutil.copytree(good, folder)
    (folder / WEIGHTS).unlink()
    torch.save({"x": Touch(victim)}, folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load_encoder(EncoderSpec(str(folder)))
    assert not victim.exists()
    pickle.loads(pickle.dumps(Touch(victim)))  # the trap is a trap
    assert victim.exists()
