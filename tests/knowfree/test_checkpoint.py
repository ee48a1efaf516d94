"""The released layout: its tensors against a dense computation from them alone, round trips, and what is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel

from benchmark.method import EncoderSpec
from benchmark.nn.encoder import Window, load_encoder
from benchmark.nn.tagger import NeuralTagger
from knowfree.checkpoint import CheckpointError, is_official, load_official, save_official
from knowfree.method import PlainKnowFREE, build
from knowfree.model import KnowFREE
from splits.errors import ConfigError
from splits.labels import Inventory, Label, write_labels
from tests.neural import MIXED, SHAPE, TARGETS, close, pretrained, sentence, toy, word_piece

TEXTS = [("ab", "abc", "中", "a", "b", "abcb", "ab"), ("中",), ("b", "zz", "a", "ab")]
NAMES = ["O", "PER", "LOC", "NOUN", "RARE"]
SIZES = {"n_head": 4, "cnn_dim": 20, "biaffine_size": 20, "size_embed_dim": 25, "kernel_size": 3, "cnn_depth": 3}
REST = {"logit_drop": 0, "span_threshold": 0.5, "num_target_labels": 2}


def encoder_config() -> BertConfig:
    return BertConfig(**SHAPE, vocab_size=len(word_piece()), pad_token_id=0)


def table() -> Tensor:
    """Column minus row, written out cell by cell."""
    return torch.tensor([[max(-15, min(14, column - row)) + 15 for column in range(512)] for row in range(512)])


def shapes(sizes: dict[str, Any], hidden: int, labels: int) -> dict[str, list[int]]:
    """The released model's own tensors, its encoder apart; `labels` without O."""
    d, b, k = sizes["cnn_dim"], sizes["biaffine_size"], sizes["kernel_size"]
    found = {"size_embedding.weight": [30, 25], "span_size_ids": [512, 512], "W": [d, 2 * b + 2 + 25]}
    for name in ("head_mlp", "tail_mlp"):
        found |= {f"{name}.1.weight": [b, hidden], f"{name}.1.bias": [b]}
    heads = sizes["n_head"]
    found |= {"multi_head_biaffine.W": [heads, d // heads, b // heads, b // heads]} if heads else {"U": [d, b, b]}
    attention = "attn.local_attention.attn"
    found |= {f"{attention}.in_proj_weight": [3 * d, d], f"{attention}.in_proj_bias": [3 * d]}
    found |= {f"{attention}.out_proj.weight": [d, d], f"{attention}.out_proj.bias": [d]}
    found |= {"attn.norm.weight": [d], "attn.norm.bias": [d], "down_fc.weight": [labels, d], "down_fc.bias": [labels]}
    for layer in range(sizes["cnn_depth"]):
        found[f"cnn.cnns.{3 * layer}.conv2d.weight"] = [d, d, k, k]
        found |= {f"cnn.cnns.{3 * layer + 1}.{part}": [1, d, 1, 1] for part in ("weight", "bias")}
    return found | {f"cnn.cnns.{3 * sizes['cnn_depth']}.conv2d.weight": [d, d, 3, 3]}


def released(
    directory: Path, sizes: dict[str, Any] = SIZES, *, form: str = "safetensors", named: bool = True, **config: Any
) -> dict[str, Tensor]:
    """A checkpoint as the released code leaves it, all weights random; its tensors."""
    directory.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(5)
    encoder = BertModel(encoder_config(), add_pooling_layer=False)
    wanted = {f"bert.{name}": list(value.shape) for name, value in encoder.state_dict().items()}
    wanted |= shapes(sizes, SHAPE["hidden_size"], len(NAMES) - 1)
    tensors = {name: 0.3 * torch.randn(shape, generator=generator) for name, shape in wanted.items()}
    tensors |= {"span_size_ids": table(), "bert.embeddings.position_ids": torch.arange(40)[None]}
    names = NAMES if named else [f"LABEL_{i}" for i in range(len(NAMES))]
    said = encoder_config().to_dict() | {"architectures": ["KnowFREE"], "custom": [1]} | sizes | REST
    said |= {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}} | config
    (directory / "config.json").write_text(json.dumps(said), encoding="utf-8")
    word_piece().save_pretrained(directory)
    write(directory, tensors, form)
    return tensors


def write(directory: Path, tensors: dict[str, Tensor], form: str = "safetensors") -> None:
    if form == "torch":
        torch.save(tensors, directory / "pytorch_model.bin")
    else:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, directory / "model.safetensors")


def dense(tensors: dict[str, Tensor], window: Window, sizes: dict[str, Any], padded: int | None = None) -> Tensor:
    """Logits [n, n, K] of one sentence, from the released tensors and plain torch; `padded` words are zero and not masked."""
    t = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    encoder = BertModel(encoder_config(), add_pooling_layer=False).double().eval()
    bert = {name.removeprefix("bert."): value for name, value in t.items() if name.startswith("bert.")}
    bert.pop("embeddings.position_ids", None)
    encoder.load_state_dict(bert)
    ids = [2, *(piece for word in window.pieces for piece in word), 3]  # [CLS] and [SEP] of the vocabulary
    states = encoder(input_ids=torch.tensor([ids])).last_hidden_state[0]
    words, at = [], 1
    for word in window.pieces:
        words.append(states[at : at + len(word)].max(dim=0).values)
        at += len(word)
    h = torch.stack(words)
    n, d = len(h), sizes["cnn_dim"]
    head = F.leaky_relu(h @ t["head_mlp.1.weight"].T + t["head_mlp.1.bias"])
    tail = F.leaky_relu(h @ t["tail_mlp.1.weight"].T + t["tail_mlp.1.bias"])
    one = torch.ones(n, 1, dtype=torch.float64)
    left, right = torch.cat([head, one], 1), torch.cat([tail, one], 1)
    size = t["size_embedding.weight"][t["span_size_ids"][:n, :n]]
    wide = torch.cat([left[:, None].expand(n, n, -1), right[None].expand(n, n, -1), size], -1)
    grid = wide @ t["W"].T
    if "U" in t:
        grid = grid + torch.einsum("ix,oxy,jy->ijo", head, t["U"], tail)
    else:
        parts = sizes["n_head"]
        for k, (x, y) in enumerate(zip(head.chunk(parts, -1), tail.chunk(parts, -1), strict=True)):
            channels = slice(k * d // parts, (k + 1) * d // parts)
            grid[:, :, channels] += torch.einsum("ix,oxy,jy->ijo", x, t["multi_head_biaffine.W"][k], y)
    m = padded or n
    rows = torch.zeros(m, m, d, dtype=torch.float64)
    rows[:n, :n] = grid
    far = (torch.arange(m)[:, None] - torch.arange(m)[None]).abs() > sizes["kernel_size"]
    attention, norm = nn.MultiheadAttention(d, 10, batch_first=True).double(), nn.LayerNorm(d).double()
    prefix = "attn.local_attention.attn."
    attention.load_state_dict({name.removeprefix(prefix): value for name, value in t.items() if name.startswith(prefix)})
    norm.load_state_dict({"weight": t["attn.norm.weight"], "bias": t["attn.norm.bias"]})
    mixed = norm(attention(rows, rows, rows, attn_mask=far)[0])[:n, :n]
    return ((grid + mixed) @ t["down_fc.weight"].T + t["down_fc.bias"]).detach()


def logits(model: Any, texts: list[tuple[str, ...]]) -> list[tuple[Window, Tensor]]:
    """Of one padded batch, in float64."""
    model.double().eval()
    windows = model.encoder.windows(texts)
    with torch.no_grad():
        found = model(model.encoder.batch(windows))
    return [(window, grid[: len(window), : len(window)]) for window, grid in zip(windows, found, strict=True)]


@pytest.mark.parametrize("form", ["safetensors", "torch"])
@pytest.mark.parametrize(
    "changes", [{}, {"n_head": 0, "kernel_size": 1}, {"n_head": 2, "cnn_dim": 30, "biaffine_size": 30, "kernel_size": 2}]
)
def test_logits_are_those_of_a_dense_computation_from_the_tensors(changes, form, tmp_path: Path):
    sizes = SIZES | changes
    tensors = released(tmp_path, sizes, form=form)
    for window, found in logits(load_official(tmp_path).tagger.model, TEXTS):
        assert close(found, dense(tensors, window, sizes), 1e-9)


def test_with_padding_keys_a_batch_scores_as_in_the_released_code(tmp_path: Path):
    tensors = released(tmp_path)
    longest = max(map(len, TEXTS))
    apart = []
    for window, found in logits(load_official(tmp_path, paper_quirks=["padding_keys"]).tagger.model, TEXTS):
        assert close(found, dense(tensors, window, SIZES, longest), 1e-9)
        apart.append(float((found - dense(tensors, window, SIZES)).abs().max()))
    assert apart[0] < 1e-9 < 1e-4 < min(apart[1:])


@pytest.mark.parametrize("form", ["safetensors", "torch"])
@pytest.mark.parametrize("heads", [4, 0])
def test_a_round_trip_is_exact(heads, form, tmp_path: Path):
    tensors = released(tmp_path / "a", SIZES | {"n_head": heads}, form="torch")
    loaded = load_official(tmp_path / "a")
    save_official(tmp_path / "b", loaded.tagger, like=loaded, form=form)
    names = {"safetensors": "model.safetensors", "torch": "pytorch_model.bin"}
    path = tmp_path / "b" / names[form]
    again = load_file(path) if form == "safetensors" else torch.load(path, weights_only=True)
    assert set(again) == set(tensors)
    assert all(torch.equal(again[name], value) and again[name].dtype == value.dtype for name, value in tensors.items())
    assert json.loads((tmp_path / "b/config.json").read_text()) == json.loads((tmp_path / "a/config.json").read_text())
    assert load_official(tmp_path / "b").tagger.predict([sentence(t) for t in TEXTS]) == loaded.tagger.predict([sentence(t) for t in TEXTS])


def knowfree(labels: Inventory = TARGETS, style: str = "bert", directory: Path | None = None, **settings: Any) -> NeuralTagger:
    spec = EncoderSpec("scratch", layers=1, hidden=16, heads=2) if directory is None else EncoderSpec(pretrained(style, directory))
    encoder = load_encoder(spec, [w for s in toy(4) for w in s.text])
    torch.manual_seed(3)
    asked = {name: getattr(PlainKnowFREE(**settings), name) for name in PlainKnowFREE.__dataclass_fields__} | {"clashes": "flat"}
    return NeuralTagger(build(encoder, labels, asked).eval(), settings=asked)


def test_what_the_suite_writes_has_the_released_names_and_shapes(tmp_path: Path):
    tagger = knowfree()
    save_official(tmp_path, tagger)
    found = {name: list(value.shape) for name, value in load_file(tmp_path / "model.safetensors").items()}
    own = {name: shape for name, shape in found.items() if not name.startswith("bert.")}
    attention = "attn.local_attention.attn."
    assert own == {
        "size_embedding.weight": [30, 25],
        "span_size_ids": [512, 512],
        "head_mlp.1.weight": [200, 16],
        "head_mlp.1.bias": [200],
        "tail_mlp.1.weight": [200, 16],
        "tail_mlp.1.bias": [200],
        "multi_head_biaffine.W": [4, 50, 50, 50],
        "W": [200, 427],
        attention + "in_proj_weight": [600, 200],
        attention + "in_proj_bias": [600],
        attention + "out_proj.weight": [200, 200],
        attention + "out_proj.bias": [200],
        "attn.norm.weight": [200],
        "attn.norm.bias": [200],
        "down_fc.weight": [2, 200],
        "down_fc.bias": [2],
        **{f"cnn.cnns.{k}.conv2d.weight": [200, 200, 3, 3] for k in (0, 3, 6, 9)},
        **{f"cnn.cnns.{k}.{part}": [1, 200, 1, 1] for k in (1, 4, 7) for part in ("weight", "bias")},
    }
    encoder = BertModel(tagger.model.encoder.model.config.full(), add_pooling_layer=False).state_dict()
    assert {name for name in found if name.startswith("bert.")} == {f"bert.{name}" for name in encoder}
    assert torch.equal(load_file(tmp_path / "model.safetensors")["span_size_ids"], table())
    config = json.loads((tmp_path / "config.json").read_text())
    said = {"n_head": 4, "cnn_dim": 200, "biaffine_size": 200, "size_embed_dim": 25, "logit_drop": 0, "kernel_size": 3, "cnn_depth": 3}
    said |= {"span_threshold": 0.5, "num_target_labels": 2, "id2label": {"0": "O", "1": "PER", "2": "LOC"}}
    assert config.items() >= (said | {"label2id": {"O": 0, "PER": 1, "LOC": 2}, "model_type": "bert"}).items()


def test_a_model_of_the_suite_comes_back_as_it_was(tmp_path: Path):
    tagger = knowfree(MIXED, size=20, biaffine_heads=2, radius=2)
    save_official(tmp_path, tagger, form="torch")
    loaded = load_official(tmp_path)
    assert loaded.tagger.model.labels == MIXED  # the counts too: they make the weights of the loss
    state = tagger.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in loaded.tagger.model.state_dict().items())
    (a, b) = (logits(t.model, [s.text for s in toy(4)]) for t in (tagger, loaded.tagger))
    assert all(close(x, y) for (_, x), (_, y) in zip(a, b, strict=True))


def test_all_differences_are_listed(tmp_path: Path):
    tensors = released(tmp_path)
    tensors["W"] = torch.zeros(20, 41)
    tensors["down_fc.bias"] = torch.zeros(9)
    tensors["bert.pooler.dense.bias"] = torch.zeros(16)
    del tensors["attn.norm.bias"], tensors["cnn.cnns.9.conv2d.weight"]
    tensors["span_size_ids"] = table().clamp(max=20)
    write(tmp_path, tensors)
    with pytest.raises(CheckpointError) as error:
        load_official(tmp_path)
    assert error.value.differences == (
        "W: expected [20, 67], found [20, 41]",
        "attn.norm.bias: expected [20], missing",
        "bert.pooler.dense.bias: unexpected, found [16]",
        "cnn.cnns.9.conv2d.weight: expected [20, 20, 3, 3], missing",
        "down_fc.bias: expected [4], found [9]",
        "span_size_ids: expected column - row, clamped to -15..14; found other values",
    )
    assert all(row in str(error.value) for row in error.value.differences)
    assert pickle.loads(pickle.dumps(error.value)).differences == error.value.differences


def test_another_biaffine_is_a_difference_by_its_name(tmp_path: Path):
    released(tmp_path, SIZES | {"n_head": 0})
    config = json.loads((tmp_path / "config.json").read_text()) | {"n_head": 4}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError) as error:
        load_official(tmp_path)
    assert error.value.differences == ("U: unexpected, found [20, 20, 20]", "multi_head_biaffine.W: expected [4, 5, 5, 5], missing")


def test_numbers_for_labels_need_a_labels_file(tmp_path: Path):
    released(tmp_path, named=False)
    with pytest.raises(ConfigError, match="names no labels"):
        load_official(tmp_path)
    assert load_official(tmp_path, MIXED).tagger.model.labels == MIXED
    with pytest.raises(ConfigError, match="says 2 target labels, the labels file has 4"):
        load_official(tmp_path, Inventory.of_targets(NAMES[1:]))
    with pytest.raises(CheckpointError, match=r"down_fc.weight: expected \[5, 20\], found \[4, 20\]"):
        load_official(tmp_path, Inventory((*MIXED.labels, Label("VERB", False, 3))))


def test_names_in_the_config_are_held_against_the_labels_file(tmp_path: Path):
    released(tmp_path)
    labels = load_official(tmp_path).tagger.model.labels
    assert (labels.names, labels.targets) == (MIXED.names, ("PER", "LOC"))
    swapped = Inventory((Label("LOC"), Label("PER"), *MIXED.labels[2:]))
    with pytest.raises(ConfigError, match=r"its labels are PER, LOC, NOUN \(extension\).*says LOC, PER"):
        load_official(tmp_path, swapped)
    write_labels(tmp_path / "labels.json", MIXED)
    assert load_official(tmp_path).tagger.model.labels == MIXED


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"size_embed_dim": 0, "biaffine_size": 100}, "biaffine_size is 100, only 20 can be had; size_embed_dim is 0, only 25"),
        ({"logit_drop": 0.1}, "logit_drop is 0.1"),
        ({"span_threshold": 0.4}, "span_threshold is 0.4"),
        ({"cnn_depth": 0}, "cnn_depth is 0"),
        ({"cnn_dim": 24, "biaffine_size": 24}, "multiple of 10"),
        ({"model_type": "roberta"}, "its encoder is a roberta"),
    ],
)
def test_what_the_model_here_cannot_do_is_refused(config, said, tmp_path: Path):
    released(tmp_path, **config)
    with pytest.raises(ConfigError, match=said):
        load_official(tmp_path)


def test_code_in_a_torch_file_is_never_run(tmp_path: Path):
    released(tmp_path, form="torch")

    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    torch.save({"W": Evil()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"pytorch_model.bin: cannot be read"):
        load_official(tmp_path)
    assert not (tmp_path / "ran").exists()
    torch.save({"model": {"W": torch.zeros(1)}}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="a tensor each"):
        load_official(tmp_path)


def test_a_directory_without_its_files_says_which(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"config.json: cannot be read"):
        load_official(tmp_path)
    released(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match="no tensors"):
        load_official(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(ConfigError, match=r"model.safetensors: cannot be read"):
        load_official(tmp_path)


def test_what_the_layout_cannot_say_is_not_written(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"5 heads.*looks to one side"):
        save_official(tmp_path / "a", knowfree(size=20, attention_heads=5, paper_quirks=("one_sided_window",)))
    with pytest.raises(ConfigError, match="its encoder is a electra"):
        save_official(tmp_path / "b", knowfree(style="electra", directory=tmp_path / "encoder", size=20))
    assert not (tmp_path / "a").exists()
    released(tmp_path / "c")
    like = load_official(tmp_path / "c")
    with pytest.raises(ConfigError, match="other sizes"):
        save_official(tmp_path / "d", knowfree(MIXED, size=40), like=like)
    with pytest.raises(ConfigError, match="its labels are PER, LOC, NOUN"):
        save_official(tmp_path / "d", knowfree(size=20), like=like)


def test_only_a_released_checkpoint_is_taken_for_one(tmp_path: Path):
    released(tmp_path / "a")
    knowfree(size=20).save(tmp_path / "b")
    pretrained("bert", tmp_path / "c")
    assert [is_official(tmp_path / name) for name in "abcd"] == [True, False, False, False]
    assert isinstance(load_official(tmp_path / "a").tagger.model, KnowFREE)
