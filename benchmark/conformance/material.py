"""Small sentences to try a method on: easy ones that it must learn, odd ones that it must survive."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from pathlib import Path

from benchmark.cell import bare
from splits.corpus import Corpus
from splits.labels import Inventory, Label, write_labels
from splits.schema import Entity, Sentence, write_jsonl
from splits.template import Grammar, words

SIZES = {"train": 24, "dev": 12, "test": 12}
LABELS = ("PER", "LOC", "ORG", "DAY")

RULES = {
    "sentence": (
        "<person> <sees> <person> .",
        "<person> lives in <place> .",
        "<company> moves to <place> <day> .",
        "<person> and <person> left <company> .",
        "nobody <sees> the <thing> .",
        "<place> has a <thing> .",
        "<day> <person> leaves for <place> .",
    ),
    "person": ("[PER <name>]",),
    "place": ("[LOC <town>]",),
    "company": ("[ORG <firm>]",),
    "day": ("[DAY Monday]", "[DAY Friday]"),
    "name": ("Anna", "Bob", "Carl Berg"),
    "town": ("Rome", "New York"),
    "firm": ("Acme", "Blue Sky Ltd"),
    "sees": ("sees", "meets"),
    "thing": ("house", "bridge", "garden"),
}
NESTED = RULES | {"firm": ("Acme", "Bank of <place>", "Blue Sky Ltd"), "name": ("Anna", "Bob of <place>", "Carl Berg")}

ODD_TOKENS = (
    *("", " ", "\t", "\u200b", "\u00a0", "\x01", "\ufffd", "e\u0301", "𝒜", "🧭", "👩‍👩‍👧", "北", "ﷺ", "שלום"),
    *("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", "<s>", "</s>", "##a", "▁", "O", "B-PER", "x" * 500),
)
NEVER_SEEN = "DAY"  # the label that `without` is asked to take away
EXTENSIONS = ("ext:THING", "pos:NOUN", "seg:WORD")


def corpus(*, nested: bool) -> Corpus:
    """Four types, a few names each: what a method with any capacity learns in a few steps."""
    return Grammar(name="tiny", labels=LABELS, rules=NESTED if nested else RULES, open_rules={}, cut=words).corpus(SIZES)


def probes(made: Corpus) -> list[Sentence]:
    """Sentences without entities: dev, then words in no order, on which two models agree only if they are the same."""
    vocabulary = sorted({word for sentence in made.splits["train"] for word in sentence.text})
    draw = random.Random(0)
    noise = [tuple(draw.choice(vocabulary) for _ in range(draw.randint(2, 9))) for _ in range(40)]
    return [*map(bare, made.splits["dev"]), *(Sentence(f"noise-{i}", text) for i, text in enumerate(noise))]


def without(sentences: list[Sentence], *labels: str) -> list[Sentence]:
    """The sentences, entities of some types taken away; all types where none is named."""
    return [replace(s, entities=tuple(e for e in s.entities if labels and e.label not in labels), tags=None) for s in sentences]


def make_artefacts(names: tuple[str, ...], sample: list[Sentence], labels: Inventory, folder: Path) -> dict[str, Path]:
    """The files that the suite gives a method which declares `fusion` or `synthetic`: extension labels, and sentences beyond the sample.

    A sentence is written for each two of the sample. What they say is of no account; their form is that of `kfbench fuse`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fused = Inventory((*labels.labels, *(Label(name, False, 7) for name in EXTENSIONS)))
    merged = Inventory((*fused.labels, Label("pos:VERB", False, 3)))
    written = [Sentence(f"{s.id}#0", tuple(reversed(s.text))) for s in sample[::2]]
    write_jsonl(folder / "train.fusion.jsonl", [_extended(s, *EXTENSIONS) for s in sample])
    write_jsonl(folder / "train.synthetic.jsonl", [_extended(s, "pos:VERB") for s in written])
    write_labels(folder / "labels.json", fused)
    write_labels(folder / "labels.synthetic.json", merged)
    return {name: folder / f"train.{name}.jsonl" for name in names}


def _extended(sentence: Sentence, *labels: str) -> Sentence:
    return replace(sentence, entities=(*sentence.entities, *(Entity(0, 1, label) for label in labels)))


def contents(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder, by its name there."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
