"""params.yaml as typed models; every default of a profile stands here, once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmark.method import Budget, EncoderSpec, Precision
from splits import names
from splits.errors import ConfigError
from splits.plain_yaml import read_yaml


class Strict(BaseModel):
    """Unknown keys are errors: a misspelt parameter must not be a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Encoder(Strict):
    """Fields of `EncoderSpec`; `name` may hold environment variables (`$KFBENCH_ENCODERS/e5-small`)."""

    name: str
    revision: str | None = None
    max_length: int | None = Field(None, ge=8)
    overlong: Literal["split", "truncate"] = "split"
    freeze_words: bool = False
    layers: int | None = Field(None, ge=1)
    hidden: int = Field(64, ge=4)
    heads: int = Field(4, ge=1)
    seed: int = 0

    def spec(self) -> EncoderSpec:
        """The encoder with environment variables filled in.

        Raises:
            ConfigError: a variable is not set.
        """
        name = os.path.expandvars(self.name)
        if "$" in name:
            raise ConfigError(
                f"encoder {self.name!r}: an environment variable in it is not set", "Export it, or name a hub id or a directory."
            )
        return EncoderSpec(**(self.model_dump() | {"name": name}))


class Training(Strict):
    """Fields of `Budget`, and what else is equal for all variants of a comparison."""

    epochs: int = Field(20, ge=1)
    steps: int | None = Field(None, ge=1)
    batch_size: int = Field(4, ge=1)
    accumulate: int = Field(1, ge=1)
    max_cells: int | None = Field(None, ge=1)
    evaluate_every: int | None = Field(None, ge=1)
    patience: int | None = Field(None, ge=1)
    precision: Precision = "fp32"
    threads: int = Field(1, ge=1)
    device: Literal["cpu", "cuda"] = "cpu"

    def budget(self) -> Budget:
        return Budget(**self.model_dump(include={"epochs", "steps", "batch_size", "accumulate", "max_cells", "evaluate_every", "patience"}))


class Protocol(Strict):
    """How a number is obtained: which checkpoint is scored, and how many dev sentences chose it (None: all)."""

    select: Literal["dev", "last"] = "dev"
    dev_size: int | None = Field(None, ge=1)

    @property
    def name(self) -> str:
        """As captions print it: `dev`, `dev_size 100`, `last`."""
        if self.select == "last":
            return "last"
        return "dev" if self.dev_size is None else f"dev_size {self.dev_size}"


class Variant(Strict):
    """A method with its parameters, under a name; what it overrides of the profile's training is shown in every caption.

    Attributes:
        annotator: who made the artefacts that the method needs, if not the profile's.
        requires: the variant whose cell it starts from, if not the one that the method names.
    """

    method: str
    params: dict[str, Any] = {}
    training: dict[str, Any] = {}
    annotator: str | None = None
    requires: str | None = None


def _size(value: int | str) -> int | str:
    if isinstance(value, str) and not (value[:1] == "k" and value[1:].isascii() and value[1:].isdigit() and int(value[1:]) > 0):
        raise ValueError(f"a size is a number of sentences (250) or k-shot (k5), not {value!r}")
    if isinstance(value, int) and value < 1:
        raise ValueError("a size is at least 1")
    return value


Size = Annotated[int | str, AfterValidator(_size)]


class Params(Strict):
    """A profile: which cells there are and how each is trained.

    Raises (on load):
        ConfigError: the file is missing, is not YAML, or a value is wrong; names file, key and mend.
    """

    code: str = "."  # root of the checkout as seen from the profile; dvc.yaml needs it
    corpora: list[str] = Field(min_length=1)
    variants: list[str] = Field(min_length=1)
    continued: list[str] = []  # variants that start from the trained cell of another: they run after all others
    methods: dict[str, Variant]
    sizes: list[Size] = Field(min_length=1)
    draws: int = Field(ge=1)
    seeds: list[int] = Field([0], min_length=1)
    baseline: str | None = None  # the variant that the others are compared with; None: the first
    encoders: dict[str, Encoder]
    training: Training = Training()
    protocol: Protocol = Protocol()
    annotator: str = "morph"  # whose annotation `fusion` and `synthetic` artefacts are made of
    synthesis: dict[str, Any] = {}  # how artefacts are made: read by the room that makes them
    present: str | None = None  # a present.json that names corpora in the paper's format
    checkpoints: bool = False  # keep the best tagger of each cell in the store

    @model_validator(mode="after")
    def _names(self) -> Params:
        lists: dict[str, list[Any]] = {"corpora": self.corpora, "variants": self.rows, "sizes": self.sizes, "seeds": self.seeds}
        for kind, values in lists.items():
            if len(set(values)) != len(values):
                raise ValueError(f"`{kind}` names something twice")
        for kind, values in {"corpora": self.corpora, "variants": self.rows, "methods": list(self.methods)}.items():
            for name in values:
                if fault := names.fault(name, corpus=kind == "corpora"):
                    raise ValueError(f"`{kind}`: the name {name[:60]!r} {fault}. {names.MEND}")
        for variant in self.rows:
            if variant not in self.methods:
                raise ValueError(f"variant {variant!r} is not defined under `methods`, which has: {', '.join(self.methods)}")
        if self.baseline is not None and self.baseline not in self.rows:
            raise ValueError(f"baseline {self.baseline!r} is not a variant of the profile, which has: {', '.join(self.rows)}")
        for corpus in self.corpora:
            if corpus not in self.encoders:
                raise ValueError(f"corpus {corpus!r} has no entry under `encoders`")
        for name, method in self.methods.items():
            try:
                Training(**(self.training.model_dump() | method.training))
            except ValidationError as error:
                raise ValueError(f"methods.{name}.training: {error.errors()[0]['msg']}") from None
        return self

    @property
    def rows(self) -> list[str]:
        """All variants, in the order of a table's rows."""
        return [*self.variants, *self.continued]

    def training_of(self, variant: str) -> Training:
        """The profile's training with the variant's overrides."""
        return Training(**(self.training.model_dump() | self.methods[variant].training))


def load_params(path: str | Path) -> Params:
    """Read and validate a params file."""
    path = Path(path)
    try:
        values = read_yaml(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file", "Run kfbench in a profile's directory (the root, or demo/), or give --params.") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a mapping of parameters", "See docs/profiles.md.")
    try:
        return Params(**values)
    except ValidationError as error:
        rows = [f"{'.'.join(map(str, e['loc'])) or 'params'}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()]
        raise ConfigError(f"{path}: {rows[0]}", "\n  ".join([*rows[1:], "Correct the file; docs/profiles.md lists every key."])) from None
