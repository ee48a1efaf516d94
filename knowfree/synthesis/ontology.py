"""Names of types, as annotators write them, mapped to a closed inventory.

The inventory and its synonyms in four languages stand in `ontology.yaml`. An entity type that is none of them is
clustered by its spelling (the paper clusters too); a part of speech that is none is refused: UPOS is closed.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml

from splits import plain_yaml
from splits.errors import ConfigError
from splits.files import text_lines, write_text

How = Literal["exact", "synonym", "cluster", "rare", "override"]
Kind = Literal["entities", "parts"]

OTHER = "OTHER"
LONGEST_NAME = 60  # characters; a longer one is prose, not a name
MOST_NAMES = 2000  # distinct unknown names that are clustered, the commonest first: clustering takes memory in its square

CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
BREAK = re.compile(r"[\s_\-/.·・:：]+")


@dataclass(frozen=True, slots=True)
class Named:
    """What a raw name became, how, and how often it was seen; label None: it is dropped."""

    label: str | None
    how: How
    count: int = 0


Ontology = Mapping[str, Named]  # plain name -> what it became


def plain(name: str) -> str:
    """A name as it is compared: NFKC, lower case, separators as one blank; lone surrogates, which no file can hold, as `?`."""
    text = unicodedata.normalize("NFKC", name.encode("utf-8", "replace").decode())
    text = "".join(c for c in CAMEL.sub(" ", text) if c.isspace() or unicodedata.category(c) not in {"Cc", "Cf"})
    return BREAK.sub(" ", text.casefold()).strip()


@cache
def table(kind: Kind) -> Mapping[str, str]:
    """Every name that `ontology.yaml` knows, plain, with its label."""
    known: dict[str, str] = {}
    for label, names in _inventory()[kind].items():
        for name in (label, *names):
            if known.setdefault(plain(name), label) != label:
                raise ConfigError(f"ontology.yaml: {name!r} stands under {known[plain(name)]} and {label}", "Leave one of them.")
    return known


@cache
def _inventory() -> dict[Kind, dict[str, list[str]]]:
    found: dict[Kind, dict[str, list[str]]] = yaml.safe_load((files(__package__) / "ontology.yaml").read_text(encoding="utf-8"))
    return found


def labels(kind: Kind) -> tuple[str, ...]:
    """The closed inventory, in the file's order."""
    return tuple(_inventory()[kind])


def part_of_speech(name: str) -> str | None:
    """The UPOS class of a name, or None where it is not known."""
    return table("parts").get(plain(name))


def name_types(
    counts: Mapping[str, int],
    *,
    distance: float,
    rare: int,
    keep_rare: bool,
    overrides: Mapping[str, str | None] | None = None,
) -> dict[str, Named]:
    """What each raw entity type becomes; keys are plain names, in order.

    An override wins, then the inventory, then clusters: unknown names are clustered together with all known ones by character
    n-grams (average linkage, cosine). A cluster with known names takes the label of most of those, one without is named
    after its commonest member, in capitals.

    Args:
        counts: raw names and how often each was given.
        distance: names farther apart than this are never in a cluster, 0 to 1.
        rare: a cluster of unknown names seen fewer times than this in all is rare.
        keep_rare: rare clusters become OTHER; False: they are dropped.
        overrides: plain or raw name -> label, None drops it (`read_overrides`).
    """
    seen: dict[str, int] = {}
    for name, count in counts.items():
        if 0 < len(key := plain(name)) <= LONGEST_NAME:
            seen[key] = seen.get(key, 0) + count
    by_hand = {plain(name): label for name, label in (overrides or {}).items()}
    known = table("entities")
    found: dict[str, Named] = {}
    for key in seen:
        if key in by_hand:
            found[key] = Named(by_hand[key], "override", seen[key])
        elif key in known:
            found[key] = Named(known[key], "exact" if key == plain(known[key]) else "synonym", seen[key])
    unknown = {key: seen[key] for key in seen if key not in found}
    for group, label in _clusters(unknown, known, distance):
        if label is None and sum(unknown[key] for key in group) < rare:
            found.update((key, Named(OTHER if keep_rare else None, "rare", unknown[key])) for key in group)
        else:
            label = label or min(group, key=lambda key: (-unknown[key], key)).upper().replace(" ", "_")
            found.update((key, Named(label, "cluster", unknown[key])) for key in group)
    return {key: found.get(key, Named(OTHER if keep_rare else None, "rare", seen[key])) for key in sorted(seen)}


def _clusters(unknown: Mapping[str, int], known: Mapping[str, str], distance: float) -> Iterable[tuple[list[str], str | None]]:
    """Groups of unknown names, each with the label of the known names beside them, if any."""
    if not unknown:
        return
    from sklearn.cluster import AgglomerativeClustering  # a second to import, and only new names need it
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics.pairwise import cosine_distances

    commonest = sorted(unknown, key=lambda key: (-unknown[key], key))[:MOST_NAMES]
    names = sorted(commonest) + sorted(known)
    grams = TfidfVectorizer(analyzer="char", ngram_range=(1, 3)).fit_transform(names)
    apart = cosine_distances(grams).round(9)  # the last bits depend on the machine
    linkage = AgglomerativeClustering(n_clusters=None, metric="precomputed", linkage="average", distance_threshold=distance)
    groups: dict[int, list[str]] = {}
    for name, group in zip(names, linkage.fit_predict(apart).tolist(), strict=True):
        groups.setdefault(group, []).append(name)
    for members in sorted(groups.values()):
        new = [name for name in members if name in unknown]
        votes = [known[name] for name in members if name not in unknown]
        if new:
            yield new, min(set(votes), key=lambda label: (-votes.count(label), label)) if votes else None


def write_ontology(path: str | Path, ontology: Ontology) -> None:
    """One line a name, for a human to read; with labels changed, the file is good as overrides."""
    rows = [
        f"{json.dumps(name, ensure_ascii=False)}: {json.dumps({'label': n.label, 'how': n.how, 'count': n.count}, ensure_ascii=False)}"
        for name, n in sorted(ontology.items())
    ]
    write_text(path, "{\n" + ",\n".join(f"  {row}" for row in rows) + "\n}\n")


def read_overrides(path: str | Path) -> dict[str, str | None]:
    """Raw name -> label (null: drop it) of a YAML or JSON file; the form that `write_ontology` writes is taken too.

    Raises:
        CorpusError: the file cannot be read.
        ConfigError: it is no such mapping; names the file and the entry.
    """
    text = "\n".join(line for _, line in text_lines(path))
    try:
        rows = plain_yaml.parse(text)
    except (yaml.YAMLError, ValueError) as error:
        where = getattr(error, "problem_mark", None)
        line = f":{where.line + 1}" if where else ""
        raise ConfigError(f"{path}{line}: not YAML", "A line is `name: LABEL`, or `name: null` to drop the name.") from None
    if not isinstance(rows, dict):
        raise ConfigError(f"{path}: expected a mapping of names to labels", "A line is `name: LABEL`, or `name: null` to drop the name.")
    return {_checked(path, name, row): _label(path, name, row) for name, row in rows.items()}


def _checked(path: str | Path, name: Any, row: Any) -> str:
    if not isinstance(name, str) or not plain(name):
        raise ConfigError(f"{path}: {name!r} is no name of a type", "Quote names that YAML takes for something else, such as `no` or 1.")
    return name


def _label(path: str | Path, name: str, row: Any) -> str | None:
    label = row.get("label", 0) if isinstance(row, dict) else row
    if label is None or (isinstance(label, str) and label.strip() and not any(c.isspace() for c in label)):
        return label
    raise ConfigError(f"{path}: {name!r}: expected a label without blanks or null, found {label!r}", "A line is `name: LABEL`.")


def inventory_of(ontology: Ontology) -> Sequence[str]:
    """The labels that a mapping uses, sorted."""
    return sorted({n.label for n in ontology.values() if n.label is not None})
