"""The result of a cell: typed, versioned, deterministic; what varies between two runs of it stands apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from splits.errors import KfbenchError

SCHEMA = 1  # raise when a field changes its meaning; readers keep taking older ones
METRICS, PREDICTIONS, RUN, NOT_APPLICABLE = "metrics.json", "predictions.jsonl", "run.json", "na.json"


class NewerError(KfbenchError):
    """A result of a later version of this code, which must be neither read wrongly nor replaced."""


class Frozen(BaseModel):
    """Values that do not change; keys of a newer minor version are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class CellId(Frozen):
    """One run of the grid."""

    corpus: str
    variant: str
    size: int | str
    draw: int
    seed: int

    def __str__(self) -> str:
        return f"{self.corpus}/{self.variant}/{self.size}/{self.draw}-{self.seed}"


class Counts(Frozen):
    """True positives, predicted and gold entities; P, R and F1 follow (0 where undefined)."""

    tp: int
    pred: int
    gold: int

    @property
    def precision(self) -> float:
        return self.tp / self.pred if self.pred else 0.0

    @property
    def recall(self) -> float:
        return self.tp / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        return 2 * self.tp / (self.pred + self.gold) if self.pred + self.gold else 0.0


class Score(Frozen):
    """Counts of one set of predictions on one split.

    Attributes:
        micro: start, end and type must match.
        types: the same per type.
        boundary: types ignored.
        unseen: entities whose surface form is not an entity of the training sample, in gold and predictions.
        no_overlap: without sentences whose tokens also stand in the corpus's train split.
        sentences: (tp, pred, gold) of each sentence, in the order of the split; what the bootstrap resamples.
    """

    micro: Counts
    types: dict[str, Counts]
    boundary: Counts
    unseen: Counts
    no_overlap: Counts
    sentences: list[tuple[int, int, int]]


class Metrics(Frozen):
    """`metrics.json`: same hash, same machine, CPU: the same bytes.

    Attributes:
        scores: on test, per protocol: `dev` (the checkpoint with the best dev F1) and `last`.
        protocol: which of them a table shows, as its caption names it.
        selected: the step whose checkpoint `dev` scored, and its F1 on dev.
        absent: types of the inventory that the sample does not hold.
    """

    schema_version: int = SCHEMA
    cell: CellId
    hash: str
    protocol: str
    shown: Literal["dev", "last"] = "dev"
    scores: dict[str, Score]
    selected: dict[str, Any]
    absent: list[str] = []

    @property
    def score(self) -> Score:
        """The one that tables show."""
        return self.scores[self.shown]


class Run(Frozen):
    """`run.json`: times, memory, provenance, learning curve. Differs between runs.

    Attributes:
        curve: a point a monitor call: step, epoch, loss, dev_f1, seconds.
        seconds: {"fit", "predict", "total"}; sentences_per_second: on test.
        retried: why the cell was begun anew and with which budget: out of GPU memory it is trained in smaller parts. None: it was not.
        provenance: git commit and dirty flag, package versions, machine, corpus and draw hashes, encoder, full config.
    """

    schema_version: int = SCHEMA
    hash: str
    curve: list[dict[str, Any]]
    seconds: dict[str, float]
    sentences_per_second: float
    peak_memory_mb: float
    retried: dict[str, Any] | None = None
    provenance: dict[str, Any]


def dump(model: BaseModel) -> str:
    """Canonical JSON: sorted keys, one trailing newline."""
    return json.dumps(model.model_dump(mode="json"), ensure_ascii=False, sort_keys=True, indent=1) + "\n"


def load_metrics(directory: Path) -> Metrics:
    """`metrics.json` of a cell's directory.

    Raises:
        KfbenchError: missing, truncated, or written by a newer schema.
    """
    return _load(directory / METRICS, Metrics)


def load_run(directory: Path) -> Run:
    """`run.json` of a cell's directory. Raises as `load_metrics`."""
    return _load(directory / RUN, Run)


M = TypeVar("M", Metrics, Run)


def _load(path: Path, model: type[M]) -> M:
    mend = "Delete the cell's directory and run `kfbench run` again: only this cell is trained."
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        version = values["schema_version"]
        if version > SCHEMA:
            what = f"{path}: written by a newer version of this code (schema {version}; this one reads up to {SCHEMA})"
            raise NewerError(what, "It is left as it is. Update the checkout, or use another store (KFBENCH_STORE).")
        return model(**values)
    except OSError as error:
        raise KfbenchError(f"{path}: {error.strerror}", mend) from None
    except (ValueError, KeyError, TypeError, ValidationError, RecursionError) as error:
        raise KfbenchError(f"{path}: not a result: {str(error).splitlines()[0]}", mend) from None
