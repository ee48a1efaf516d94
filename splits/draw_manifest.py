"""The committed manifests of draws: row numbers and hashes, no text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splits.errors import ConfigError, CorpusError
from splits.files import write_text
from splits.sample import SALT, Sample, Size, k_of, parse_size, sample
from splits.schema import Sentence, content_hash

MANIFESTS = Path(__file__).parent / "manifests"
MEND = (
    "Run `kfbench corpora prepare {corpus}` again. If the corpus was changed on purpose: "
    "`kfbench draw {corpus} --write-manifest`, and name the change in CHANGELOG."
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One (size, draw): rows of the train split in hash order, the content hash of their sentences, the types that fall short of k."""

    rows: tuple[int, ...]
    sha256: str
    short: Mapping[str, int]


@dataclass(frozen=True)
class Manifest:
    """The draws of a corpus that stand committed, and the content hash of the train split they number."""

    corpus: str
    train: str
    entries: Mapping[tuple[Size, int], Entry]


def manifest_path(corpus: str, directory: Path = MANIFESTS) -> Path:
    return directory / f"{corpus}.draws.json"


def write_manifest(train: Sequence[Sentence], corpus: str, sizes: Sequence[Size], draws: int, directory: Path = MANIFESTS) -> Path:
    """Draw by the rule and write `<corpus>.draws.json`, a line for the order and one for each k-shot size of a draw.

    Numbers of sentences share one list of rows, being its prefixes; rows rather than ids keep the file small.

    Raises:
        ConfigError: a size is none, or is larger than the train split.
    """
    numbers = sorted(size for size in sizes if isinstance(size, int))
    shots = sorted((size for size in sizes if isinstance(size, str)), key=lambda size: k_of(size) or 0)
    every: list[Size] = [*numbers, *shots]
    blocks = []
    for draw in range(draws):
        samples = {size: sample(train, corpus, size, draw) for size in every}
        lines = [f'"rows": {_compact(samples[numbers[-1]].rows if numbers else ())}']
        lines += [f'"{size}": {_compact({"sha256": samples[size].sha256})}' for size in numbers]
        lines += [
            f'"{size}": {_compact({"sha256": s.sha256, "rows": s.rows} | ({"short": s.short} if s.short else {}))}'
            for size, s in samples.items()
            if size in shots
        ]
        blocks.append("{" + ",\n".join(lines) + "}")
    fields = {"corpus": corpus, "salt": SALT, "train": {"sentences": len(train), "sha256": content_hash(train)}}
    head = ",\n".join(f'"{key}": {_compact(value)}' for key, value in fields.items())
    path = manifest_path(corpus, directory)
    write_text(path, "{" + head + ',\n"draws": [\n' + ",\n".join(blocks) + "\n]}\n")
    return path


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_manifest(corpus: str, directory: Path = MANIFESTS) -> Manifest | None:
    """The committed manifest of a corpus; None where it has none.

    Raises:
        CorpusError: the file is damaged.
    """
    path = manifest_path(corpus, directory)
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        entries = {}
        for draw, block in enumerate(value["draws"]):
            for key, row in block.items():
                if key == "rows":
                    continue
                size = parse_size(key)
                rows = block["rows"][:size] if isinstance(size, int) else row["rows"]
                entries[size, draw] = Entry(tuple(rows), row["sha256"], row.get("short", {}))
        return Manifest(value["corpus"], value["train"]["sha256"], entries)
    except (ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
        raise CorpusError(path, None, f"not a manifest of draws: {error}", "Restore it: `git checkout -- splits/manifests`.") from None


def verify(drawn: Sample, manifest: Manifest | None) -> bool:
    """True where the manifest holds this (size, draw) and agrees, False where it says nothing about it.

    Raises:
        ConfigError: it holds other rows or another content hash; names the draw and both hashes.
    """
    entry = manifest.entries.get((drawn.size, drawn.draw)) if manifest else None
    if entry is None:
        return False
    where = f"{drawn.corpus}: size {drawn.size}, draw {drawn.draw}"
    if entry.rows != drawn.rows:
        at = next(
            (i for i, (a, b) in enumerate(zip(entry.rows, drawn.rows, strict=False)) if a != b), min(len(entry.rows), len(drawn.rows))
        )
        raise ConfigError(f"{where}: other sentences than in the manifest, from place {at} on", MEND.format(corpus=drawn.corpus))
    if entry.sha256 != drawn.sha256:
        raise ConfigError(
            f"{where}: the sentences' sha256 is {drawn.sha256[:12]}..., the manifest has {entry.sha256[:12]}...",
            MEND.format(corpus=drawn.corpus),
        )
    return True
