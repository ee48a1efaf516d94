"""Learning curves: dev F1 and training loss over steps."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.result import load_run
from reports.aggregate import Results, Size
from splits.errors import KfbenchError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, PAPER = "#1f2430", "#ffffff"
# Okabe and Ito (2008), without yellow, which a white page swallows. Past seven variants the dashes tell them apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
DASHES = ("-", "--", ":", "-.")
WIDE = 10  # largest loss over smallest, from which the axis is logarithmic
STYLE: Any = {
    "svg.hashsalt": "knowfree-bench",  # ids of an SVG are random otherwise
    "svg.fonttype": "none",  # text stays text: searchable, and the reader's fonts have CJK
    "text.parse_math": False,  # a `$` in a name is a dollar
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.18,
    "grid.color": INK,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
}

Curve = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Curves:
    """The learning curves of a corpus and size: a list of runs for each variant. `absent` runs have none in the store."""

    corpus: str
    size: Size
    runs: Mapping[str, Sequence[Curve]]
    absent: int

    @property
    def name(self) -> str:
        return f"curves-{self.corpus}-{self.size}"


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawn figure, in both formats."""

    name: str
    alt: str
    svg: bytes
    png: bytes


def read_curves(results: Results, store: Path) -> Iterator[Curves]:
    """Curves of the reported cells, from their `run.json`.

    `results/` travels without run.json, so a machine that did not train has none: they are counted, not an error.
    """
    params = results.params
    for corpus, size in ((c, s) for c in params.corpora for s in params.sizes):
        runs: dict[str, list[Curve]] = {}
        absent = 0
        for variant in params.rows:
            for row in results.block(corpus, variant, size):
                try:
                    curve = load_run(store / row.hash).curve
                except KfbenchError:
                    curve = []
                if curve:
                    runs.setdefault(variant, []).append(curve)
                else:
                    absent += 1
        yield Curves(corpus, size, runs, absent)


def draw_curves(curves: Curves, variants: Sequence[str]) -> Figure:
    """Both panels, a colour a variant: thin lines are runs, the thick one is their mean where they were evaluated at the same steps.

    Args:
        variants: of the whole profile, so that a variant has one colour in all figures.
    """
    import matplotlib
    from matplotlib.figure import Figure as Canvas
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a user's matplotlibrc must not change the bytes
        matplotlib.rcParams.update(STYLE)
        canvas = Canvas(figsize=(8.4, 3.7), layout="constrained")
        left, right = canvas.subplots(1, 2)
        handles = []
        for i, variant in enumerate(variants):
            if variant not in curves.runs:
                continue
            look: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i // len(COLOURS) % len(DASHES)]}
            _panel(left, curves.runs[variant], "dev_f1", 100, look)
            _panel(right, curves.runs[variant], "loss", 1, look)
            handles.append(Line2D([], [], linewidth=2, label=variant, **look))
        left.set(title="F1 on dev (%)", xlabel="optimiser steps", ylim=(-2, 102))
        right.set(title="training loss", xlabel="optimiser steps")
        losses = [point["loss"] for runs in curves.runs.values() for curve in runs for point in curve if (point.get("loss") or 0) > 0]
        if losses and max(losses) > WIDE * min(losses):
            right.set_yscale("log")
            right.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            right.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
            right.yaxis.set_minor_formatter(NullFormatter())
        for panel in (left, right):
            panel.title.set_fontsize(10.5)
            panel.margins(x=0.02)
        what = f"{curves.corpus}, size {curves.size}"
        canvas.suptitle(what, fontsize=11.5, fontweight="bold", x=0.01, ha="left")
        canvas.legend(handles=handles, loc="outside lower center", ncols=min(4, max(1, len(handles))), frameon=False)
        images = {}
        for kind, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {"Software": None})):
            out = io.BytesIO()
            canvas.savefig(out, format=kind, dpi=160, metadata=metadata)
            images[kind] = out.getvalue()
    return Figure(curves.name, f"Learning curves on {what}: {', '.join(curves.runs)}", images["svg"], images["png"])


def _panel(axes: Axes, runs: Sequence[Curve], key: str, scale: float, look: Mapping[str, Any]) -> None:
    lines = [[(p["step"], scale * p[key]) for p in curve if p.get(key) is not None] for curve in runs]
    lines = [line for line in lines if line]
    if not lines:
        return
    steps = [[step for step, _ in line] for line in lines]
    same = len(lines) > 1 and all(s == steps[0] for s in steps)
    for line in lines:
        x, y = zip(*line, strict=True)
        axes.plot(x, y, linewidth=0.8 if same else 1.6, alpha=0.35 if same else 0.9, marker="." if len(x) < 3 else None, **look)
    if same:
        mean = [sum(line[i][1] for line in lines) / len(lines) for i in range(len(steps[0]))]
        axes.plot(steps[0], mean, linewidth=2.2, marker="o" if len(mean) < 3 else None, **look)
