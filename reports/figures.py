"""How figures are drawn: one look, SVG and PDF, a colour a variant, the same bytes for the same numbers."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports import fonts

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

INK, PAPER = "#1f2430", "#ffffff"
DARK_INK, DARK_PAPER = "#e4e7ee", "#14171d"  # as the pages have them
# Okabe and Ito (2008), without yellow, which a white page swallows. Past seven variants the dashes tell them apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
DASHES = ("-", "--", ":", "-.")
MARKERS = "osD^vP*Xhd"
WIDE = 10  # largest value over smallest, from which an axis is logarithmic
STYLE: Any = {
    "svg.hashsalt": "knowfree-bench",  # ids of an SVG are random otherwise
    "pdf.fonttype": 42,  # TrueType: publishers refuse Type 3
    "svg.fonttype": "none",  # text stays text: searchable, and the reader's fonts have CJK
    "text.parse_math": False,  # a `$` in a name is a dollar
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
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
POINTS = 72  # to an inch: both formats count in them


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawn figure, in both formats; `about` as of a table's line."""

    name: str
    alt: str
    svg: bytes
    pdf: bytes
    corpus: str
    size: str = ""


def look(variants: Sequence[str], variant: str) -> dict[str, Any]:
    """Colour and dashes of a variant: the same in all figures of a report."""
    i = variants.index(variant)
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i // len(COLOURS) % len(DASHES)]}


def marker(variants: Sequence[str], variant: str) -> str:
    """A shape of its own, where no line tells variants apart."""
    return MARKERS[variants.index(variant) % len(MARKERS)]


@contextmanager
def canvas(width: float, height: float) -> Iterator[Canvas]:
    """An empty figure of a size in inches, in our style; save it inside the block."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the report says it once, and what to do
        logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
        matplotlib.rcdefaults()  # a user's matplotlibrc must not change the bytes
        matplotlib.rcParams.update(STYLE | {"font.family": fonts.chain()})
        yield Canvas(figsize=(width, height), layout="constrained")


def save(drawn: Canvas, name: str, alt: str, *, corpus: str, size: str = "") -> Figure:
    """The figure as bytes. The layout is found once, where `savefig` would find it twice for each format."""
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    drawn.set_dpi(POINTS)
    drawn.draw_without_rendering()
    drawn.set_layout_engine("none")
    svg, pdf = io.BytesIO(), io.BytesIO()
    FigureCanvasSVG(drawn).print_svg(svg, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    nothing = {"CreationDate": None, "Creator": None, "Producer": None}
    FigureCanvasPdf(drawn).print_pdf(pdf, metadata=nothing)  # type: ignore[no-untyped-call]
    return Figure(name, alt, _for_both_themes(svg.getvalue()), pdf.getvalue(), corpus, size)


def title(drawn: Canvas, text: str) -> None:
    drawn.suptitle(text, fontsize=11.5, x=0.01, ha="left")


def legend(drawn: Canvas, handles: Sequence[Any], columns: int = 4) -> None:
    drawn.legend(handles=handles, loc="outside lower center", ncols=min(columns, max(1, len(handles))), frameon=False)


def _for_both_themes(svg: bytes) -> bytes:
    """An SVG that a browser shows light or dark as its reader wants; every other program sees ink on white."""
    swapped = [("stroke", INK, DARK_INK), ("fill", INK, DARK_INK), ("fill", PAPER, DARK_PAPER)]
    rules = "".join(f'[style*="{what}: {light}"]{{{what}:{dark}!important}}' for what, light, dark in swapped)
    head, tag, rest = svg.decode("utf-8").partition("<svg ")
    attributes, end, body = rest.partition(">")
    return f"{head}{tag}{attributes}{end}<style>@media (prefers-color-scheme:dark){{{rules}}}</style>{body}".encode()
