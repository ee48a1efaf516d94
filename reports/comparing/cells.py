"""The cells of a comparison: those that the store lacks are run, all are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from benchmark.engine import Report, engine
from benchmark.index import Index
from benchmark.plan import NotApplicable, Plan, make_plan
from benchmark.progress import Bar
from benchmark.store import Store
from benchmark.worker import Worker
from benchmark.workspace import Data, Workspace
from reports.aggregate import PROTOCOLS, Gap, Results, Row
from reports.comparing.request import Request, Size
from splits.draw import load_draws, materialise
from splits.errors import KfbenchError
from splits.prepare import load


class Drawing(Workspace):
    """A profile's workspace that makes for itself the draws that the profile lacks: a draw follows from the corpus alone.

    What is on disk stays as it is.
    """

    def __init__(self, sizes: Sequence[Size], draws: int, root: Path | str = ".") -> None:
        super().__init__(root)
        self.wanted = [(size, draw) for size in sizes for draw in range(draws)]

    def prepared(self, corpus: str) -> bool:
        """Whether a corpus can be read: it is prepared."""
        return (self._folder(corpus) / "train.jsonl").is_file()

    def data(self, corpus: str) -> Data:
        """A corpus with all draws that are wanted.

        Raises:
            CorpusError: it is not prepared, or a file is damaged.
            ConfigError: a size is larger than its train split.
        """
        if corpus not in self._data:
            read, path = load(self._folder(corpus)), self._draws(corpus)
            draws = load_draws(path) if path.is_file() else None
            if draws is None or any(key not in draws.drawn for key in self.wanted):
                draws = materialise(read, list(dict.fromkeys(size for size, _ in self.wanted)), 1 + max(draw for _, draw in self.wanted))
            self._data[corpus] = Data(read, self.info(corpus), draws)
        return self._data[corpus]


@dataclass(frozen=True)
class Ran:
    """What a comparison rests on.

    Attributes:
        results: as a report reads them, of the two variants alone.
        report: how the cells ended.
        unfit: pairs that cannot be; their corpora are not compared.
        seconds: variant -> mean time of a fit.
        flagged: (corpus, size) whose draws share more than half of their sentences.
    """

    results: Results
    report: Report
    unfit: tuple[NotApplicable, ...]
    seconds: dict[str, float]
    flagged: frozenset[tuple[str, Size]]


def run(asked: Request, root: Path, bar: type[Bar] = Bar) -> Ran:
    """Run what the store lacks, read all of it.

    Raises:
        KfbenchError: a corpus is not prepared, or an artefact is not there.
    """
    params = asked.params
    workspace = Drawing(params.sizes, params.draws, root)
    whole = make_plan(params, workspace)
    unfit = {pair.corpus for pair in whole.not_applicable}
    cells = tuple(cell for cell in whole.cells if cell.id.corpus not in unfit)
    for cell in cells:
        if cell.hash is None:
            what, mend = cell.lacking or ("its data are not there", "Run `dvc repro`.")
            raise KfbenchError(f"{cell.id}: {what}", mend)
    store = Store(workspace.store)
    plan = Plan(cells)
    worker = Worker(params, workspace, store, checkpoints=params.checkpoints, required=plan.required)
    with bar(store, len(cells)) as shown:
        report = engine(root).run(cells, worker, shown)
    Index(store).whole(plan.hashes)
    flagged = {(c.id.corpus, c.id.size) for c in cells if workspace.data(c.id.corpus).draws.get(c.id.size, c.id.draw).flagged}
    return Ran(_read(asked, plan, store), report, whole.not_applicable, _seconds(plan, store), frozenset(flagged))


def _read(asked: Request, plan: Plan, store: Store) -> Results:
    rows: list[Row] = []
    gaps: list[Gap] = []
    for cell in plan.cells:
        if cell.hash is None or not store.done(cell.hash):
            gaps.append(Gap(cell.id, "not run"))
            continue
        metrics = store.metrics(cell.hash)
        rows += [Row(cell.id, p, metrics.scores[p], metrics.hash, tuple(metrics.absent)) for p in PROTOCOLS if p in metrics.scores]
    return Results(asked.params, tuple(rows), tuple(gaps), {})


def _seconds(plan: Plan, store: Store) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for cell in plan.cells:
        if cell.hash is not None and store.done(cell.hash):
            found.setdefault(cell.id.variant, []).append(store.run(cell.hash).seconds["fit"])
    return {variant: fmean(seconds) for variant, seconds in found.items()}
