"""The commands `kfbench corpora` and `kfbench draw`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from splits.errors import ConfigError

if TYPE_CHECKING:
    from splits.corpus import Corpus
    from splits.draw import Draws
    from splits.sample import Size

PARAMS = Path("params.yaml")
DATA = Path("data")

commands = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
corpora = typer.Typer(no_args_is_help=True, help="Raw corpora: list, fetch, prepare, audit.")
commands.add_typer(corpora, name="corpora")

Mirror = Annotated[
    Path | None,
    typer.Option(
        "--mirror", envvar="KFBENCH_MIRROR", help="A directory that holds the raw files, CORPUS/FILE; used instead of the network."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Out = Annotated[Path, typer.Option("--out", help="Where prepared corpora lie, a folder each.")]
Names = Annotated[list[str], typer.Argument(metavar="CORPUS...", help="Names as `kfbench corpora list` prints them.")]


@corpora.command("list")
def list_corpora(as_json: Json = False) -> None:
    """The corpora that the suite knows, with language and licence.

    Example: [bold]kfbench corpora list --json[/bold]
    """
    from splits import corpora as known

    rows = []
    for name in known.names():
        source = known.source(name)
        rows.append(
            {"name": name, "language": source.language, "nested": source.nested, "licence": source.licence}
            | {"redistributable": source.redistributable, "citation": source.citation, "repository": source.repository}
        )
    if as_json:
        _print_json(rows)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("corpus", "language", "nested", "redistributable", "licence")
    for row in rows:
        marks = ["yes" if row[key] else "no" for key in ("nested", "redistributable")]
        table.add_row(str(row["name"]), str(row["language"]), *marks, str(row["licence"]))
    Console().print(table)


@corpora.command()
def fetch(names: Names, mirror: Mirror = None, as_json: Json = False) -> None:
    """Download raw files, or find them in the mirror, and check their sha256.

    Example: [bold]kfbench corpora fetch weibo mit_movie[/bold]
    """
    from splits.download import fetch as get

    found = {name: {key: str(path) for key, path in get(name, mirror=mirror).items()} for name in names}
    if as_json:
        _print_json(found)
        return
    for name, files in found.items():
        for path in files.values():
            typer.echo(f"{name}: {path}")
        if not files:
            typer.echo(f"{name}: generated, nothing to fetch")


@corpora.command()
def prepare(
    names: Names,
    out: Out = DATA,
    mirror: Mirror = None,
    present: Annotated[
        Path | None, typer.Option("--present", help="A present.json that names corpora of your own. Default: `present` of params.yaml.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Convert corpora to OUT/CORPUS/{train,dev,test}.jsonl, labels.txt, audit.json and audit.md.

    Example: [bold]kfbench corpora prepare weibo demo_zh --out data[/bold]
    """
    from splits.prepare import prepare as make

    listed = present or _listed(PARAMS)
    prepared = {}
    for name in names:
        folder = out / name
        make(name, folder, mirror=mirror, listed=listed)
        prepared[name] = {"folder": str(folder)}
        if not as_json:
            typer.echo(f"{name}: {folder}")
    if as_json:
        _print_json(prepared)


@corpora.command("audit")
def audit_corpus(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS|DIR", help="A name, or the folder of a prepared corpus.")],
    size: Annotated[list[str] | None, typer.Option("--size", help="Also count how much draws of this size overlap; repeatable.")] = None,
    draws: Annotated[int, typer.Option("--draws", min=1, help="How many draws of each size.")] = 10,
    mirror: Mirror = None,
    as_json: Json = False,
) -> None:
    """Duplicates, conflicts, overlap between splits, repaired tags, histograms: counted, nothing is dropped.

    A name is read from raw files, a folder as it was prepared.

    Example: [bold]kfbench corpora audit weibo --size 250 --size 1000[/bold]
    """
    from splits.audit import audit
    from splits.sample import parse_size

    found = audit(_corpus(corpus, mirror), [parse_size(text) for text in size or []], draws)
    if as_json:
        _print_json(found.to_json())
    else:
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(found.to_markdown()))


@commands.command()
def draw(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="A prepared corpus: a folder of DATA.")],
    size: Annotated[list[str] | None, typer.Option("--size", help="250, or k5; repeatable. Default: `sizes` of params.yaml.")] = None,
    draws: Annotated[int | None, typer.Option("--draws", min=1, help="How many draws. Default: `draws` of params.yaml.")] = None,
    data: Annotated[Path, typer.Option("--data", help="Where prepared corpora lie.")] = DATA,
    params: Annotated[Path, typer.Option("--params", help="The profile's parameters.")] = PARAMS,
    manifest: Annotated[bool, typer.Option("--write-manifest", help="Write the committed manifest anew instead of checking it.")] = False,
    as_json: Json = False,
) -> None:
    """Draw low-resource samples of a prepared corpus into DATA/draws/CORPUS.json, checked against the committed manifest.

    Example: [bold]kfbench draw weibo --size 250 --size k5 --draws 10[/bold]
    """
    from splits.draw import materialise, write_draws, write_manifest
    from splits.names import MEND, fault
    from splits.prepare import load

    if wrong := fault(corpus, corpus=True):
        raise ConfigError(f"the name {corpus!r} {wrong}", MEND)
    read = load(data / corpus)
    sizes, number = _asked(size, draws, params)
    if manifest:
        typer.echo(f"{corpus}: {write_manifest(read.splits['train'], corpus, sizes, number)}", err=True)
    made = materialise(read, sizes, number)
    path = data / "draws" / f"{corpus}.json"
    write_draws(path, made)
    if as_json:
        _print_json({"corpus": corpus, "file": str(path), "sentences": made.sentences, "sizes": _summary(made)})
    else:
        _show(made, path)


def _asked(size: list[str] | None, draws: int | None, params: Path) -> tuple[list[Size], int]:
    """Sizes and number of draws, from the options, else from the raw params file (its models live above this package).

    Raises:
        ConfigError: params lack what the options do not say.
    """
    from splits.sample import k_of, parse_size

    if size and draws:
        return [parse_size(text) for text in size], draws
    mend = "Run in a profile's directory (the root, or demo/), or give --size and --draws."
    if not params.is_file():
        raise ConfigError(f"{params}: no such file", mend)
    values = _raw(params)
    sizes = [parse_size(text) for text in size] if size else values.get("sizes")
    number = draws or values.get("draws")
    if not isinstance(sizes, list) or not sizes:
        raise ConfigError(f"{params}: `sizes` must be a list such as [250, k5]", mend)
    if type(number) is not int or number < 1:
        raise ConfigError(f"{params}: `draws` must be a number, 1 or more", mend)
    for one in sizes:
        k_of(one)
    return cast("list[Size]", sizes), number


def _listed(params: Path) -> Path | None:
    """The present.json that a profile names, if there is a profile and it names one."""
    name = _raw(params).get("present") if params.is_file() else None
    return params.parent / str(name) if name else None


def _raw(params: Path) -> dict[str, Any]:
    """The params file unvalidated; no mapping is an empty one.

    Raises:
        ConfigError: it cannot be read, or is not YAML.
    """
    from splits.plain_yaml import read_yaml

    values = read_yaml(params)
    return values if isinstance(values, dict) else {}


def _summary(made: Draws) -> list[dict[str, Any]]:
    """A row for each size, over its draws."""
    rows = []
    for size in dict.fromkeys(size for size, _ in made.drawn):
        drawn = [one for (other, _), one in made.drawn.items() if other == size]
        rows.append(
            {"size": size, "draws": len(drawn), "verified": sum(one.verified for one in drawn), "short": drawn[0].sample.short}
            | {"expected_overlap": drawn[0].expected_overlap, "observed_overlap": drawn[0].observed_overlap, "flagged": drawn[0].flagged}
        )
    return rows


def _show(made: Draws, path: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("size", "draws", "verified", "overlap", "", title=f"{made.corpus}: {made.sentences} train sentences")
    for row in _summary(made):
        overlap = row["expected_overlap"] if row["expected_overlap"] is not None else row["observed_overlap"]
        notes = ["draws share more than half of their sentences"] if row["flagged"] else []
        notes += [f"short: {', '.join(f'{label} {n}' for label, n in row['short'].items())}"] if row["short"] else []
        table.add_row(
            str(row["size"]), str(row["draws"]), str(row["verified"]), "-" if overlap is None else f"{overlap:.0%}", "; ".join(notes)
        )
    console = Console()
    console.print(table)
    console.print(str(path))


def _corpus(name: str, mirror: Path | None) -> Corpus:
    from splits import corpora as known
    from splits.download import fetch as get
    from splits.prepare import load

    if name in known.names():
        return known.read(name, get(name, mirror=mirror))
    if Path(name).is_dir():
        return load(Path(name))
    raise ConfigError(f"{name!r} is neither a corpus nor a folder", f"Corpora: {', '.join(known.names())}.")


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1))
