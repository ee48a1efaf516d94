"""`kfbench predict`: a trained tagger on new text."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmark.commands.common import ParamsFile, commands
from benchmark.places import PARAMS
from splits import plain_json
from splits.errors import ConfigError, CorpusError
from splits.schema import Entity, Sentence, from_json, to_json

BY_CHARACTER = {"zh", "ja"}  # as their corpora are: a token a character
Unit = Literal["characters", "words"]


@commands.command()
def predict(
    file: Annotated[str, typer.Argument(help="Sentences: text, one a line, or JSONL with `text`; - is stdin.")] = "-",
    cell: Annotated[str | None, typer.Option("--cell", help="corpus/variant/size/draw-seed, run with --checkpoints.")] = None,
    checkpoint: Annotated[Path | None, typer.Option("--checkpoint", help="A checkpoint's directory.")] = None,
    tokens: Annotated[str | None, typer.Option("--tokens", help="characters or words; default: by the corpus's language.")] = None,
    method: Annotated[str | None, typer.Option("--method", help="With --checkpoint: the path.py:Class that may be run to load it.")] = None,
    device: Annotated[str, typer.Option("--device", help="cpu or cuda.")] = "cpu",
    params: ParamsFile = PARAMS,
) -> None:
    """Entities of new sentences, a JSON line each: {"text", "entities": [{"start", "end", "entity", "text"}]}, `end` exclusive.

    Raw text is cut into characters (zh, ja) or at spaces (en, ko). Text that is already tokens comes as JSONL.

    Example: echo "我在北京" | kfbench predict --cell demo_zh/knowfree/120/0-0
    """
    if (cell is None) == (checkpoint is None):
        raise ConfigError("predict needs a tagger", "Give --cell or --checkpoint, one of them.")
    if tokens not in (None, "characters", "words"):
        raise ConfigError(f"--tokens {tokens!r}", "It is `characters` or `words`.")
    directory = checkpoint if checkpoint is not None else _of_cell(str(cell), params)
    about = _about(directory)
    if checkpoint is not None:
        about["method"] = _trusted(about["method"], method, directory)
    unit: Unit = "characters" if (tokens or ("characters" if about["language"] in BY_CHARACTER else "words")) == "characters" else "words"
    sentences = list(_sentences(_lines(file), file, unit))
    from benchmark.cell import bare
    from benchmark.method import find

    tagger = find(about["method"]).load(directory, device=device)
    for sentence, row in zip(sentences, tagger.predict([bare(s) for s in sentences]), strict=True):
        entities = tuple(Entity(p.start, p.end, p.label) for p in row)
        print(json.dumps(to_json(Sentence(sentence.id, sentence.text, entities)), ensure_ascii=False))


def _of_cell(name: str, params: Path) -> Path:
    from benchmark.config import load_params
    from benchmark.plan import Filter, make_plan
    from benchmark.store import Store
    from benchmark.workspace import Workspace, cell_name

    corpus, variant, size, draw, seed = cell_name(name)
    workspace = Workspace()
    found = make_plan(load_params(params), workspace, Filter([corpus], [variant], [size], [draw], [seed]))
    if found.not_applicable:
        raise ConfigError(f"{name}: {found.not_applicable[0].reason}", "Choose another variant.")
    hash = found.cells[0].hash
    directory = Store(workspace.store).checkpoint(hash) if hash else None
    if directory is None:
        options = f"--corpus {corpus} --variant {variant} --size {size} --draw {draw} --seed {seed}"
        raise ConfigError(f"{name} has no checkpoint", f"Run `kfbench run {options} --checkpoints`.")
    return directory


def _about(directory: Path) -> dict[str, str]:
    from benchmark.worker import METHOD

    path = directory / METHOD
    try:
        row: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        return {"method": row["method"], "language": row["language"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise ConfigError(f"{path}: not there or not readable", "A checkpoint is what `kfbench run --checkpoints` keeps.") from None


def _trusted(stored: str, given: str | None, directory: Path) -> str:
    """The method that loads a checkpoint of any origin: one that is code in a file runs only where its user names it.

    Raises:
        ConfigError: it is code in a file, and not named.
    """
    if given is None and ".py:" in stored:
        what = f"{directory}: its tagger is loaded by code in a file, {stored}"
        raise ConfigError(what, "Where you trust that file, give --method path.py:Class.")
    return given or stored


def _lines(file: str) -> list[str]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        return text.split("\n")  # a line separator of Unicode is a letter of its sentence
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(file, None, f"cannot be read: {error}", "Give a UTF-8 file, or - for stdin.") from None


def _sentences(lines: Iterable[str], file: str, unit: Unit) -> Iterator[Sentence]:
    """A line that is a JSON object is a sentence in tokens; any other is raw text; empty lines are passed over."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if line.lstrip().startswith("{"):
            try:
                row = plain_json.loads(line)
            except ValueError as error:
                raise CorpusError(file, number, f"not JSON: {error}", "Raw text must not start with a brace.") from None
            yield from_json({"entities": [], **row}, file=file, line=number, split="line")
        else:
            yield Sentence(f"line-{number - 1}", tuple(cut(line, unit)))


def cut(text: str, unit: Unit) -> list[str]:
    """Raw text into tokens as the prepared corpora have them."""
    return [c for c in text if not c.isspace()] if unit == "characters" else text.split()
