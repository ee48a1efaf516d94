"""The `synthesis` part of a profile: who explains, who annotates, by which rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmark.config import Params
from knowfree.synthesis import explain
from knowfree.synthesis.annotate import Rules
from knowfree.synthesis.chat import Sampling
from knowfree.synthesis.llm import LLM
from splits.errors import ConfigError

Annotator = Literal["morph", "llm"]


class Strict(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Explain(Strict):
    """Which corpora are explained, and what of the replies is kept.

    Attributes:
        corpora: their names; None: all, if there is a language model.
        rules: fields of `explain.Rules` that differ from those of the language.
        sampling: of explanations, where it differs from the model's.
    """

    corpora: list[str] | None = None
    rules: dict[str, Any] = {}
    sampling: Sampling | None = None

    def rules_of(self, language: str) -> explain.Rules:
        """The rules of a language with the profile's changes.

        Raises:
            ConfigError: a rule does not exist, or cannot be.
        """
        try:
            return replace(explain.rules_of(language), **self.rules)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"synthesis.explain.rules: {error}", "See `Rules` in knowfree/synthesis/explain.py.") from None


class Annotate(Strict):
    """Who annotates, and how annotations are read.

    Attributes:
        annotators: `morph` (analysers, no language model) and `llm`; each makes artefacts of its own.
        overrides: a file that says what raw type names become.
        sampling: of annotations, where it differs from the model's.
    """

    annotators: list[Annotator] = Field(["morph"], min_length=1)
    rules: Rules = Rules()
    overrides: str | None = None
    sampling: Sampling | None = None


class Synthesis(Strict):
    """How a profile's `fusion` and `synthetic` artefacts are made.

    Attributes:
        llm: the language model; without one there are no explanations, and `morph` annotates.
        recorded: a directory of reply logs to start from, `<corpus>.<stage>.jsonl`; passed over where KFBENCH_LLM names a
            back end, which then asks anew.
    """

    llm: LLM | None = None
    explain: Explain = Explain()
    annotate: Annotate = Annotate()
    recorded: str | None = None

    @model_validator(mode="after")
    def _asks_somebody(self) -> Synthesis:
        if self.llm is None and "llm" in self.annotate.annotators:
            raise ValueError("the annotator `llm` needs an `llm`")
        if self.llm is None and self.explain.corpora:
            raise ValueError("`explain.corpora` needs an `llm`")
        return self

    def explains(self, corpus: str) -> bool:
        """Whether a language model is asked about a corpus."""
        return self.llm is not None and (self.explain.corpora is None or corpus in self.explain.corpora)


def synthesis_of(params: Params) -> Synthesis:
    """The profile's part, validated.

    Raises:
        ConfigError: a wrong key or value; names it. Artefacts are asked of an annotator that makes none.
    """
    try:
        found = Synthesis(**params.synthesis)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(["synthesis", *(str(part) for part in first["loc"])])
        raise ConfigError(f"params: {place}: {first['msg']}", "See docs/synthesis.md.") from None
    for name in {params.annotator, *(params.methods[row].annotator or params.annotator for row in params.rows)}:
        if name not in found.annotate.annotators:
            raise ConfigError(
                f"annotator {name!r} is not among synthesis.annotate.annotators: {', '.join(found.annotate.annotators)}", "Add it there."
            )
    return found
