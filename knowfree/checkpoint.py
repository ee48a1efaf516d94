"""Checkpoints in the layout of the released KnowFREE code: a file of tensors, config.json, tokenizer."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, cast

import safetensors.torch
import torch
from torch import Tensor

from benchmark.facade import Shape
from benchmark.method import EncoderSpec
from benchmark.nn.decoding import Clashes
from benchmark.nn.facade import check_labels, with_tokenizer
from benchmark.nn.span_grid import DISTANCES
from benchmark.nn.tagger import LABELS, SETTINGS, NeuralTagger
from benchmark.training import restore
from knowfree.local_attention import LocalFusion
from knowfree.method import PlainKnowFREE, build
from knowfree.model import KnowFREE
from splits.errors import ConfigError, KfbenchError
from splits.files import write_bytes, write_text
from splits.labels import Inventory, Label, read_labels, write_labels

CONFIG = "config.json"
FILES = {"safetensors": "model.safetensors", "torch": "pytorch_model.bin"}
Form = Literal["safetensors", "torch"]

HEADS = 10  # of the attention: a constant of the released code
POSITIONS = 512  # words that its table of distances has
TABLE = "span_size_ids"
OPTIONAL = "bert.embeddings.position_ids"  # a buffer that older versions of transformers wrote

OURS, THEIRS = "encoder.model.", "bert."
NAMES = {
    "grid.head.weight": "head_mlp.1.weight",
    "grid.head.bias": "head_mlp.1.bias",
    "grid.tail.weight": "tail_mlp.1.weight",
    "grid.tail.bias": "tail_mlp.1.bias",
    "grid.distance.weight": "size_embedding.weight",
    "grid.affine": "W",
    "grid.biaffine": "multi_head_biaffine.W",
    "fuse.attention.in_proj.weight": "attn.local_attention.attn.in_proj_weight",
    "fuse.attention.in_proj.bias": "attn.local_attention.attn.in_proj_bias",
    "fuse.attention.out_proj.weight": "attn.local_attention.attn.out_proj.weight",
    "fuse.attention.out_proj.bias": "attn.local_attention.attn.out_proj.bias",
    "fuse.norm.weight": "attn.norm.weight",
    "fuse.norm.bias": "attn.norm.bias",
    "out.weight": "down_fc.weight",
    "out.bias": "down_fc.bias",
}
BACK = {theirs: ours for ours, theirs in NAMES.items()}
ONE_HEAD = "U"  # the biaffine's name where n_head is 0, without the dimension of heads


class CheckpointError(KfbenchError):
    """Tensors that are not those that config.json and labels call for; `differences` has a line for each."""

    def __init__(self, path: Path, differences: Sequence[str]) -> None:
        self.path, self.differences = path, tuple(differences)
        mend = "Early checkpoints of the released code have other shapes. Check that config.json and labels belong to these tensors."
        super().__init__(f"{path}: {len(differences)} tensors differ from the layout:\n  " + "\n  ".join(differences), mend)

    def __reduce__(self) -> tuple[type, tuple[Path, tuple[str, ...]]]:
        return type(self), (self.path, self.differences)


@dataclass(frozen=True)
class Loaded:
    """A checkpoint that was read, and what a copy of it must hold besides the model.

    Attributes:
        config: config.json as it stands.
        unused: tensors that nothing computes with: the CNN that the released model builds and never calls.
    """

    tagger: NeuralTagger
    config: Mapping[str, Any]
    unused: Mapping[str, Tensor] = field(repr=False)


def is_official(directory: str | Path) -> bool:
    """Whether a directory holds a checkpoint of the released code: its config.json has sizes that no encoder's has."""
    directory = Path(directory)
    return (directory / CONFIG).is_file() and not (directory / SETTINGS).exists() and "cnn_dim" in _config(directory)


def load_official(
    directory: str | Path,
    labels: Inventory | None = None,
    *,
    tokenizer: Any = None,
    clashes: Clashes = "flat",
    paper_quirks: Collection[str] = (),
    device: str = "cpu",
) -> Loaded:
    """Read a checkpoint of the released code.

    Args:
        labels: None: those of labels.json in the directory, else the names in config.json.
        tokenizer: None: the directory's.
        paper_quirks: with `padding_keys` a batch scores as in the released code.

    Raises:
        ConfigError: config.json, tokenizer or labels are missing, or ask for what the model here cannot do.
        CheckpointError: tensors are missing, unexpected, or of another shape; lists all.
    """
    directory = Path(directory)
    config = _config(directory)
    shape = _shape(config)
    labels = _labels(directory, config, labels)
    method = PlainKnowFREE(**sizes_of(shape, str(directory)), paper_quirks=tuple(paper_quirks))
    settings = asdict(method) | {"clashes": clashes}
    model = build(_encoder(directory, tokenizer), labels, settings)
    found = _read(directory)
    if rows := differences(to_official(model, shape), found):
        raise CheckpointError(directory, rows)
    odd = next((name for name, tensor in found.items() if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())), None)
    if odd is not None:
        raise ConfigError(f"{directory}: {odd} holds NaN or infinite weights", "Copy the checkpoint again.")
    restore(model, _from_official(found))
    unused = {name: tensor for name, tensor in found.items() if name == OPTIONAL or name.startswith("cnn.")}
    return Loaded(NeuralTagger(model.to(device).eval(), settings=settings), config, unused)


def save_official(directory: str | Path, tagger: NeuralTagger, *, like: Loaded | None = None, form: Form = "safetensors") -> None:
    """Write a KnowFREE in the released layout, with tokenizer and labels.json.

    Args:
        like: a checkpoint of the same shape and labels, whose config.json and unused tensors are taken over; None: the
            CNN, which KnowFREE never calls, is written with zero kernels.
        form: `torch` for the released code's own version of transformers, which reads no safetensors.

    Raises:
        ConfigError: the model has something that the layout cannot say.
    """
    directory, model = Path(directory), tagger.model
    if not isinstance(model, KnowFREE):
        raise ConfigError(f"a {type(model).__name__} cannot be written in the layout of KnowFREE", "Use the tagger's own `save`.")
    if tagger.state is not None:
        restore(model, tagger.state)
    shape = _check_writable(model)
    config = _new_config(model, shape)
    if like is not None:
        config |= like.config
        shape = _same(model, shape, like)
    tensors = to_official(model, shape)
    for name, tensor in (like.unused if like is not None else {}).items():
        tensors[name] = tensor.clone(memory_format=torch.contiguous_format)
    if form == "torch":
        stream = io.BytesIO()
        torch.save(tensors, stream)
        data = stream.getvalue()
    else:
        data = safetensors.torch.save(tensors, {"format": "pt"})
    directory.mkdir(parents=True, exist_ok=True)
    model.encoder.tokenizer.save_pretrained(directory)
    write_bytes(directory / FILES[form], data)
    write_text(directory / CONFIG, json.dumps(config, ensure_ascii=False, indent=2, sort_keys=True) + "\n")
    write_labels(directory / LABELS, model.labels)


def to_official(model: KnowFREE, shape: Shape) -> dict[str, Tensor]:
    """The layout's tensors, on the CPU, in float32; those that KnowFREE does not use are fresh."""
    tensors = {NAMES.get(name) or THEIRS + name.removeprefix(OURS): tensor for name, tensor in model.state_dict().items()}
    if shape.n_head == 0:
        tensors[ONE_HEAD] = tensors.pop(NAMES["grid.biaffine"])[0]
    tensors = {name: tensor.detach().to("cpu", torch.float32, copy=True).contiguous() for name, tensor in tensors.items()}
    return tensors | _unused(shape)


def _from_official(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    ours = {BACK[name]: tensor for name, tensor in tensors.items() if name in BACK}
    ours |= {OURS + name.removeprefix(THEIRS): t for name, t in tensors.items() if name.startswith(THEIRS) and name != OPTIONAL}
    return ours | ({"grid.biaffine": tensors[ONE_HEAD][None]} if ONE_HEAD in tensors else {})


def _unused(shape: Shape) -> dict[str, Tensor]:
    """The table of distances, which is computed here, and the CNN, its kernels zero."""
    position, half = torch.arange(POSITIONS), DISTANCES // 2
    dim, kernel = shape.cnn_dim, shape.kernel_size
    tensors = {TABLE: (position[None, :] - position[:, None]).clamp(-half, half - 1) + half}
    for k in range(shape.cnn_depth):
        tensors[f"cnn.cnns.{3 * k}.conv2d.weight"] = torch.zeros(dim, dim, kernel, kernel)
        tensors[f"cnn.cnns.{3 * k + 1}.weight"] = torch.ones(1, dim, 1, 1)
        tensors[f"cnn.cnns.{3 * k + 1}.bias"] = torch.zeros(1, dim, 1, 1)
    tensors[f"cnn.cnns.{3 * shape.cnn_depth}.conv2d.weight"] = torch.zeros(dim, dim, 3, 3)
    return tensors


def differences(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """What of a checkpoint is missing, unexpected, of another shape, or a table of distances with other values."""
    rows = []
    for name in sorted({*expected, *found} - {OPTIONAL}):
        if name not in found:
            rows.append(f"{name}: expected {list(expected[name].shape)}, missing")
        elif name not in expected:
            rows.append(f"{name}: unexpected, found {list(found[name].shape)}")
        elif expected[name].shape != found[name].shape:
            rows.append(f"{name}: expected {list(expected[name].shape)}, found {list(found[name].shape)}")
        elif name == TABLE and not torch.equal(expected[name], found[name].long()):
            rows.append(f"{name}: expected column - row, clamped to {-DISTANCES // 2}..{DISTANCES // 2 - 1}; found other values")
    return rows


def sizes_of(shape: Shape, where: str) -> dict[str, Any]:
    """Fields of the method that say a shape.

    Raises:
        ConfigError: KnowFREE cannot have it here.
    """
    shape.require({"biaffine_size": shape.cnn_dim, "size_embed_dim": 25, "logit_drop": 0, "span_threshold": 0.5}, where)
    if shape.cnn_depth < 1:
        mend = "With 0 the released code drops its attention without a word; the number has no other effect: give 3."
        raise ConfigError(f"{where}: cnn_depth is {shape.cnn_depth}", mend)
    heads = shape.n_head or 1
    if shape.cnn_dim % heads or shape.cnn_dim % HEADS:
        raise ConfigError(f"{where}: cnn_dim is {shape.cnn_dim}", f"It must be a multiple of {HEADS} and of n_head ({heads}).")
    return {"size": shape.cnn_dim, "biaffine_heads": heads, "attention_heads": HEADS, "radius": shape.kernel_size}


def _shape(config: Mapping[str, Any]) -> Shape:
    return Shape(**{f.name: config[f.name] for f in fields(Shape) if f.name in config})


def _config(directory: Path) -> dict[str, Any]:
    path = directory / CONFIG
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}", "A checkpoint is a directory: config.json, tensors, tokenizer.") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: expected an object", "Copy the checkpoint again.")
    return found


def _labels(directory: Path, config: Mapping[str, Any], given: Inventory | None) -> Inventory:
    """The labels, held against the number of targets that config.json says."""
    if given is None and (directory / LABELS).is_file():
        given = read_labels(directory / LABELS)
    named = _named(config)
    labels = given or named
    if labels is None:
        raise ConfigError(f"{directory}: its config.json names no labels", "Give the labels file that it was trained with.")
    if named is not None:
        check_labels(named, labels, directory)
    targets = config.get("num_target_labels", len(labels.targets))
    if targets != len(labels.targets):
        what = f"{directory}: its config.json says {targets} target labels, the labels file has {len(labels.targets)}"
        raise ConfigError(what, "Give the labels file that it was trained with.")
    return labels


def _named(config: Mapping[str, Any]) -> Inventory | None:
    """Labels by the names in config.json; None where there are only numbers, as the released trainer leaves it."""
    rows = config.get("id2label") or {}
    names = [rows[key] for key in sorted(rows, key=int)]
    if names[:1] != ["O"]:
        return None
    targets = config.get("num_target_labels", len(names) - 1)
    return Inventory(tuple(Label(name, i < targets, -1 if i < targets else 0) for i, name in enumerate(names[1:])))


def _encoder(directory: Path, tokenizer: Any) -> Any:
    """A BERT of the shape that config.json says, its weights not yet set."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer  # seconds to import: not for a plan or a report

    try:
        config = AutoConfig.from_pretrained(directory, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=False) if tokenizer is None else tokenizer
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{directory}: {str(error).splitlines()[0]}", "It needs a config.json of a BERT, and a tokenizer.") from None
    if config.model_type != "bert":
        raise ConfigError(f"{directory}: its encoder is a {config.model_type}", "The released code knows BERT alone.")
    model = AutoModel.from_config(config, add_pooling_layer=False, trust_remote_code=False).float()
    return with_tokenizer(model, tokenizer, EncoderSpec(str(directory)))


def _read(directory: Path) -> dict[str, Tensor]:
    path = next((directory / name for name in FILES.values() if (directory / name).is_file()), None)
    if path is None:
        raise ConfigError(f"{directory}: no tensors", f"A checkpoint has {' or '.join(FILES.values())}.")
    try:
        if path.name == FILES["safetensors"]:
            return safetensors.torch.load_file(path)
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both readers raise their own kinds, torch a pickle's as well
        mend = "It must hold tensors and nothing else: no code of a checkpoint is ever run. Copy it again."
        raise ConfigError(f"{path}: cannot be read: {(str(error) or repr(error)).splitlines()[0]}", mend) from None
    if not isinstance(found, dict) or not all(isinstance(tensor, Tensor) for tensor in found.values()):
        raise ConfigError(f"{path}: expected names with a tensor each", "Save the model's state dict, not what holds it.")
    return found


def _check_writable(model: KnowFREE) -> Shape:
    """The model's sizes in the released code's words."""
    attention = cast(LocalFusion, model.fuse).attention
    wrong = []
    if model.encoder.model.config.model_type != "bert":
        wrong.append(f"its encoder is a {model.encoder.model.config.model_type}, the released code knows BERT alone")
    if attention.heads != HEADS:
        wrong.append(f"its attention has {attention.heads} heads, the released code's {HEADS}")
    if attention.one_sided:
        wrong.append("its attention looks to one side, the released code's to both")
    if wrong:
        raise ConfigError(f"this KnowFREE cannot be written in the released layout: {'; '.join(wrong)}", "Use the tagger's own `save`.")
    size = model.grid.head.out_features
    return Shape(model.grid.heads, size, size, kernel_size=attention.radius)


def _same(model: KnowFREE, shape: Shape, like: Loaded) -> Shape:
    """The sizes of the checkpoint that is copied, which must be the model's own."""
    theirs, where = _shape(like.config), "the checkpoint that it should be like"
    if sizes_of(theirs, where) != sizes_of(shape, "the model"):
        raise ConfigError(f"{where} has other sizes than the model", "Leave out `like`.")
    check_labels(cast("KnowFREE", like.tagger.model).labels, model.labels, where)
    return theirs


def _new_config(model: KnowFREE, shape: Shape) -> dict[str, Any]:
    names = ["O", *model.labels.names]
    config: dict[str, Any] = json.loads(model.encoder.model.config.to_json_string())
    said = {"architectures": ["KnowFREE"], "num_target_labels": len(model.labels.targets)}
    ids = {"id2label": {str(i): name for i, name in enumerate(names)}, "label2id": {name: i for i, name in enumerate(names)}}
    return config | asdict(shape) | said | ids
