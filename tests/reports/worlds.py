"""A profile whose cells have predictions on prepared corpora, and a corpus that means harm to every page that shows it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from benchmark.cell import to_jsonl
from benchmark.method import Predicted
from benchmark.result import METRICS, PREDICTIONS, RUN, CellId, Metrics, Run, dump
from benchmark.scoring import score
from reports.cli import commands
from splits.draw import materialise, write_draws
from splits.files import write_text
from splits.prepare import load, prepare
from splits.schema import Entity, Sentence, Span, write_jsonl

HOSTILE = "hostile"
EVIL = "<script>window.pwned=1</script>"
LABELS = ("PER", "<b>LOC</b>", "O'\"&RG")
SENTENCES = (
    (EVIL, "said", "hello"),
    ("</script><img", "src=x", "onerror=window.pwned=2>", "end"),
    ('"quotes"', "'and'", "`ticks`", "\\u003c", "${window.pwned=3}"),
    ("مرحبا", "بالعالم", "שלום", "\u202eevil\u202c", "end"),
    ("👩‍👩‍👧‍👦", "🇰🇷", "ok\u2028line", "-->", "<!--"),
)
VARIANTS = ("bert_crf", "cnn_ner", "knowfree", "<i>own")
METHODS = {name: {"method": name} for name in VARIANTS[:3]} | {"<i>own": {"method": "cnn_ner", "params": {"depth": 2}}}


class World:
    """A folder with params.yaml, data/, results/ and a store; every planned cell is done."""

    def __init__(self, root: Path, **changes: Any) -> None:
        self.root = root
        self.values: dict[str, Any] = {
            "corpora": ["demo_zh", "demo_en", HOSTILE],
            "variants": list(VARIANTS),
            "methods": METHODS,
            "sizes": [50, 100],
            "draws": 3,
            "seeds": [0],
            "present": "present.json",
        } | changes
        self.values["encoders"] = {corpus: {"name": "scratch"} for corpus in self.values["corpora"]}
        write_text(root / "params.yaml", yaml.safe_dump(self.values, allow_unicode=True))
        self._hostile()
        for corpus in self.values["corpora"]:
            prepare(corpus, root / "data" / corpus, listed=root / "present.json")
            if corpus != HOSTILE:
                drawn = materialise(load(root / "data" / corpus), self.values["sizes"], self.values["draws"])
                write_draws(root / "data" / "draws" / f"{corpus}.json", drawn)
            self._cells(corpus)

    def _hostile(self) -> None:
        """Ten copies of each sentence, so that there is a second page of them."""
        folder = self.root / HOSTILE
        rows = [
            Sentence(f"{split}-{i}", (*SENTENCES[i % 5], str(i)), (Entity(0, 1, LABELS[i % 3]), Entity(2, 3, LABELS[(i + 1) % 3])))
            for split in ("train", "dev", "test")
            for i in range(50)
        ]
        for split in ("train", "dev", "test"):
            write_jsonl(folder / f"{split}.jsonl", [row for row in rows if row.id.startswith(split)])
        write_text(folder / "labels.txt", "\n".join(("O", *LABELS)) + "\n")
        paths = {split: f"{HOSTILE}/{split}.jsonl" for split in ("train", "dev", "test")} | {"labels": f"{HOSTILE}/labels.txt"}
        write_text(self.root / "present.json", json.dumps({HOSTILE: {key: str(self.root / path) for key, path in paths.items()}}))

    def _cells(self, corpus: str) -> None:
        v = self.values
        loaded = load(self.root / "data" / corpus)
        test, labels = loaded.splits["test"], loaded.labels.targets
        for variant, size, draw, seed in (
            (m, z, d, s) for m in v["variants"] for z in v["sizes"] for d in range(v["draws"]) for s in v["seeds"]
        ):
            cell = CellId(corpus=corpus, variant=variant, size=size, draw=draw, seed=seed)
            rng = random.Random(str(cell))
            skill = 0.55 + 0.09 * v["variants"].index(variant) + (0.08 if size == v["sizes"][-1] else 0.0) + rng.uniform(-0.03, 0.03)
            predicted = [guess(sentence, labels, skill, rng) for sentence in test]
            self._write(cell, test, predicted, skill, rng)

    def _write(self, cell: CellId, test: list[Sentence], predicted: list[set[Span]], skill: float, rng: random.Random) -> None:
        known = {sentence.surface(entity) for sentence in test for entity in sentence.entities if hash_of(sentence.surface(entity)) % 3}
        found = score(test, predicted, known=known)
        metrics = Metrics(
            cell=cell,
            hash=rng.randbytes(32).hex(),
            protocol="dev",
            scores={"dev": found, "last": found},
            selected={"step": 10, "f1": skill},
        )
        folder, store = self.root / "results" / str(cell), self.root / ".kfbench" / "store" / metrics.hash
        write_text(folder / METRICS, dump(metrics))
        rows = [[Predicted(*span, 0.5) for span in sorted(spans)] for spans in predicted]
        write_text(folder / PREDICTIONS, to_jsonl(test, rows))
        curve = [{"step": 10 * i, "epoch": float(i), "loss": 9 / i, "dev_f1": skill * (1 - 1 / (i + 1))} for i in range(1, 9)]
        config = {"cell": cell.model_dump(), "code": "c" * 64, "method": {"name": cell.variant, "params": {}}, "training": {"threads": 1}}
        provenance = {
            "config": config,
            "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False},
            "machine": {"cpu": "Some CPU", "platform": "Linux"},
            "packages": {"torch": "2.6"},
            "time": "2026-01-02T03:04:05+00:00",
            "draw": "d" * 64,
        }
        seconds = {"fit": 10.0 * (1 + self.values["variants"].index(cell.variant)) + rng.random(), "predict": 1.0, "total": 12.0}
        run = Run(hash=metrics.hash, curve=curve, seconds=seconds, sentences_per_second=99.5, peak_memory_mb=700.0, provenance=provenance)
        write_text(store / RUN, dump(run))


def hash_of(surface: tuple[str, ...]) -> int:
    """The same on every machine, unlike `hash`."""
    return sum(map(ord, "".join(surface)))


def guess(sentence: Sentence, labels: list[str], skill: float, rng: random.Random) -> set[Span]:
    """Gold spans, some of them missed, shifted, mistyped, or joined by a spurious one."""
    found: set[Span] = set()
    for start, end, label in sorted(sentence.spans):
        if rng.random() < skill:
            found.add((start, end, label))
            continue
        what = rng.choice(["missed", "type", "boundary", "both"])
        other = rng.choice([name for name in labels if name != label])
        longer = min(end + 1, len(sentence.text))
        if what == "type":
            found.add((start, end, other))
        elif what != "missed" and longer > end:
            found.add((start, longer, label if what == "boundary" else other))
    if rng.random() < 0.08:
        at = rng.randrange(len(sentence.text))
        found.add((at, at + 1, rng.choice(labels)))
    return found


def report(root: Path, *options: str, out: str = "site") -> Path:
    """`kfbench report` in a profile's folder; where it wrote."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("KFBENCH_STORE", raising=False)
        result = CliRunner().invoke(commands, ["report", "--out", out, *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return root / out
