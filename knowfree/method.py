"""KnowFREE as methods of the benchmark: plain, on fusion, continued on synthetic text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from benchmark.extension import PARTS, on_fusion
from benchmark.method import FitInput, Fitted, Tagger
from benchmark.nn.continuing import continue_training
from benchmark.nn.encoder import WordEncoder
from benchmark.nn.span_model import OutputBias
from benchmark.nn.tagger import encoder_of, fit_tagger, load_tagger
from benchmark.training import Recipe
from knowfree.model import PADDED, QUIRKS, KnowFREE
from splits.labels import Inventory
from splits.source import CorpusInfo


@dataclass(frozen=True)
class PlainKnowFREE:
    """KnowFREE on target labels alone: no extension labels, no synthetic text.

    `recipe: paper` starts from a zero output bias and warms up for 190 steps, as the paper's runs do; single fields
    that are given win over it.

    Raises:
        ValueError: an unknown quirk.
    """

    name: ClassVar[str] = "knowfree"
    artefacts: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[str | None] = None
    test_config: ClassVar[Mapping[str, Any]] = {"size": 40, "encoder_lr": 1e-3}

    recipe: Literal["suite", "paper"] = "suite"
    output_bias: OutputBias | None = None  # None: of the recipe
    warmup: float | None = None  # a share of the steps, or steps; None: of the recipe
    encoder_lr: float = 2e-5  # released code
    head_lr: float = 1e-3  # released code
    weight_decay: float = 0.01  # released code
    size: int = 200  # biaffine and channel size, released code
    biaffine_heads: int = 4
    attention_heads: int = 10
    radius: int = 3  # `kernel_size` of the released code
    dropout: float = 0.4
    grid: Literal["full", "upper"] = "full"  # upper: cells that are no span are no part of the loss; the papers train all
    paper_quirks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "paper_quirks", tuple(self.paper_quirks))  # YAML gives a list
        paper = self.recipe == "paper"
        object.__setattr__(self, "output_bias", self.output_bias or ("zero" if paper else "prior"))
        object.__setattr__(self, "warmup", (190 if paper else 0.1) if self.warmup is None else self.warmup)
        if unknown := set(self.paper_quirks) - set(QUIRKS):
            raise ValueError(f"unknown quirk {sorted(unknown)[0]!r}; known: {', '.join(QUIRKS)}")
        if self.grid == "upper" and (clash := set(self.paper_quirks) & PADDED):
            raise ValueError(f"`grid: upper` and the quirk {sorted(clash)[0]!r}, which needs padding")

    def supports(self, corpus: CorpusInfo) -> str | None:
        """Any corpus."""
        return None

    def fit(self, given: FitInput) -> Fitted:
        """Train within the budget."""
        settings = self.settings(given)
        model = build(encoder_of(given), given.labels, settings)
        windows = model.encoder.windows([s.text for s in given.sample])
        model.start_from(windows, given.sample, self.output_bias or "prior")
        return fit_tagger(model, given, self.rates(), settings)

    def settings(self, given: FitInput) -> dict[str, Any]:
        """What rebuilds the model: the fields, and how overlapping predictions are settled on this corpus."""
        return asdict(self) | {"clashes": "nested" if given.corpus.nested else "flat"}

    def rates(self) -> Recipe:
        """Learning rates, warm-up and decay."""
        decay_all = "decay_all" in self.paper_quirks
        return Recipe(self.encoder_lr, self.head_lr, self.weight_decay, self.warmup or 0.0, decay_all=decay_all)

    @classmethod
    def load(cls, directory: Path, *, device: str = "cpu") -> Tagger:
        """The tagger that `save` wrote."""
        return load_tagger(directory, build, device=device)


@dataclass(frozen=True)
class FusionKnowFREE(PlainKnowFREE):
    """KnowFREE on a fused sample: target and extension labels, the latter masked at inference."""

    name: ClassVar[str] = "knowfree_fusion"
    artefacts: ClassVar[tuple[str, ...]] = ("fusion",)

    parts: tuple[str, ...] = PARTS  # which extension labels: entities, parts of speech, segmentation

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "parts", tuple(self.parts))

    def fit(self, given: FitInput) -> Fitted:
        """Train within the budget."""
        return super().fit(on_fusion(given, self.parts))


@dataclass(frozen=True)
class SynKnowFREE(FusionKnowFREE):
    """KnowFREE continued on fusion and synthetic sentences, which its own fusion model has labelled."""

    name: ClassVar[str] = "knowfree_syn"
    artefacts: ClassVar[tuple[str, ...]] = ("fusion", "synthetic")
    requires: ClassVar[str | None] = "knowfree_fusion"

    ratio: float = 3.0  # synthetic sentences to a real one, at most; the released code's bound in its k-shot mode
    pseudo_labels: bool = True

    def fit(self, given: FitInput) -> Fitted:
        """Go on from the fusion cell of the same corpus, size, draw and seed."""
        return continue_training(self, given, shape=("size", "biaffine_heads", "attention_heads", "radius"))


def build(encoder: WordEncoder, labels: Inventory, settings: Mapping[str, Any]) -> KnowFREE:
    """An untrained model of the settings' shape."""
    return KnowFREE(
        encoder,
        labels,
        size=settings["size"],
        biaffine_heads=settings["biaffine_heads"],
        attention_heads=settings["attention_heads"],
        radius=settings["radius"],
        dropout=settings["dropout"],
        clashes=settings["clashes"],
        quirks=settings["paper_quirks"],
        upper=settings.get("grid") == "upper",  # taggers saved before it existed are full
    )
