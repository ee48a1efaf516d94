"""What was measured, as JSON for machines, as Markdown tables for readers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tabulate import tabulate

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """Rows of equal columns.

    Attributes:
        note: what a reader must know to read the figures.
        runs: seconds of single runs, by row and job, for who doubts a median.
    """

    title: str
    rows: list[dict[str, Any]]
    note: str = ""
    runs: dict[str, Any] = field(default_factory=dict)


def as_markdown(table: Table) -> str:
    """Title, table, note."""
    rows = [{name: _shown(name, value) for name, value in row.items()} for row in table.rows]
    aligned = ["right" if _is_number(value) else "left" for value in (table.rows[0].values() if table.rows else ())]
    body = tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True, colalign=aligned or None)
    return "\n\n".join(part for part in (f"### {table.title}", body, table.note) if part) + "\n"


def write(folder: Path, name: str, tables: Iterable[Table], machine: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """NAME.json with all figures, and speed.md anew from every section that the folder holds."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"machine": dict(machine), "settings": dict(settings), "tables": [asdict(table) for table in tables]}
    (folder / f"{name}.json").write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    sections = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    sections = [section for section in sections if "tables" in section]  # other measurements keep theirs here too
    parts = ["# Plain and fast\n", "Made by `make perf`; ratios are plain / fast.\n"]
    for section in sections:
        parts += [f"{_described(section['machine'])}\n", *(as_markdown(Table(**table)) for table in section["tables"])]
    (folder / "speed.md").write_text("\n".join(parts), encoding="utf-8")


def _described(machine: Mapping[str, Any]) -> str:
    threads, flags = machine["threads"], ", ".join(machine["flags"]) or "none"
    device = f"{machine['cpu']}, {machine['cores']} cores, {threads} thread{'s' * (threads != 1)}, flags {flags}"
    source = f"commit {(machine['commit'] or 'unknown')[:10]}{' with changes' * bool(machine['dirty'])}"
    rest = f"torch {machine['packages']['torch']}, GPU {machine['gpu'] or 'none'}, load {machine['load']} at the start, {source}"
    return f"{device}, {rest}, {machine['date']}."


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, int | float)


def _shown(name: str, value: object) -> str:
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    if name.startswith("ratio"):
        return f"{value:,.2f}x" if value < 10 else f"{value:,.1f}x"
    if name.startswith("exponent"):
        return f"{value:.2f}"
    return f"{value:,.0f}" if abs(value) >= 100 or name.endswith("MB") else f"{value:.3g}"
