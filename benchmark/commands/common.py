"""The typer app of the harness, and options that several commands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from benchmark.plan import Filter

commands = typer.Typer()

ParamsFile = Annotated[Path, typer.Option("--params", help="The profile's params file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Corpora = Annotated[list[str] | None, typer.Option("--corpus", help="Only this corpus; may be repeated.")]
Variants = Annotated[list[str] | None, typer.Option("--variant", help="Only this variant; may be repeated.")]
Sizes = Annotated[list[str] | None, typer.Option("--size", help="Only this size (250, k5); may be repeated.")]
DrawNumbers = Annotated[list[int] | None, typer.Option("--draw", help="Only this draw; may be repeated.")]
Seeds = Annotated[list[int] | None, typer.Option("--seed", help="Only this seed; may be repeated.")]


def sizes_of(texts: list[str] | None) -> list[int | str]:
    """Sizes as typed on the command line.

    Raises:
        ConfigError: neither a number nor k-shot.
    """
    from splits.sample import parse_size

    return [parse_size(text) for text in texts or []]


def filter_of(corpus: Corpora, variant: Variants, size: Sizes, draw: DrawNumbers, seed: Seeds) -> Filter:
    """What of a plan the options mean; raises as `sizes_of`."""
    from benchmark.plan import Filter

    return Filter(corpus or (), variant or (), sizes_of(size), draw or (), seed or ())


def print_json(value: Any) -> None:
    """Canonical enough to diff."""
    print(json.dumps(value, ensure_ascii=False, indent=1))
