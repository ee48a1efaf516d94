"""A profile's results on disk, made up through the models of benchmark.result."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import yaml

from benchmark.external import FACTS, FOLDER, Declared
from benchmark.result import METRICS, NOT_APPLICABLE, RUN, CellId, Counts, Metrics, Run, Score, dump
from splits.files import write_text

TYPES = {"demo_zh": {"人物": 90, "LOC_%": 60, "A&B": 30}, "demo_en": {"PER": 80, "x|y": 20, "NONE": 0}}
SENTENCES = 60
PARAMS: dict[str, Any] = {
    "corpora": ["demo_zh", "demo_en"],
    "variants": ["bert_crf", "cnn_ner", "knowfree_zero"],
    "sizes": [50, 100],
    "draws": 3,
    "seeds": [0],
    "methods": {
        "bert_crf": {"method": "bert_crf"},
        "cnn_ner": {"method": "cnn_ner"},
        "knowfree_zero": {"method": "knowfree", "params": {"output_bias": "zero"}, "training": {"epochs": 40}},
    },
    "encoders": {"demo_zh": {"name": "scratch"}, "demo_en": {"name": "$SOMEWHERE/e5_small", "freeze_words": True}},
    "training": {"epochs": 8},
    "protocol": {"dev_size": 100},
}
REASON = "a linear chain cannot hold nested entities"


def counts(gold: int, recall: float, rng: random.Random) -> Counts:
    tp = min(gold, max(0, round(gold * (recall + rng.uniform(-0.08, 0.08)))))
    return Counts(tp=tp, pred=tp + round(gold * 0.2), gold=gold)


def score(corpus: str, recall: float, rng: random.Random) -> Score:
    types = {label: counts(gold, recall, rng) for label, gold in TYPES[corpus].items()}
    micro = Counts(**{key: sum(getattr(c, key) for c in types.values()) for key in ("tp", "pred", "gold")})
    rest = {name: counts(gold, recall, rng) for name, gold in (("boundary", micro.gold), ("unseen", 40), ("no_overlap", 70))}
    return Score(micro=micro, types=types, sentences=sentences(corpus, micro, rng), **rest)


def sentences(corpus: str, micro: Counts, rng: random.Random) -> list[tuple[int, int, int]]:
    """(tp, pred, gold) of each test sentence, which sum to `micro`; gold is the same for all runs of a corpus."""
    once = random.Random(corpus)
    home = [once.randrange(SENTENCES) for _ in range(micro.gold)]  # the sentence of each gold entity
    rows = [[0, 0, home.count(i)] for i in range(SENTENCES)]
    for i in rng.sample(home, micro.tp):
        rows[i][0] += 1
        rows[i][1] += 1
    for _ in range(micro.pred - micro.tp):
        rows[rng.randrange(SENTENCES)][1] += 1
    return [(tp, pred, gold) for tp, pred, gold in rows]


class Profile:
    """A folder with params.yaml, results/ and a store in which every cell is done and one pair is n/a."""

    def __init__(self, root: Path, **changes: Any) -> None:
        self.root, self.values = root, PARAMS | changes
        write_text(root / "params.yaml", yaml.safe_dump(self.values))
        write_text(root / "results" / "demo_en" / "bert_crf" / NOT_APPLICABLE, json.dumps({"reason": REASON}))
        for cell in self.cells():
            self.write(cell)

    def cells(self) -> list[CellId]:
        names, v = ("corpus", "variant", "size", "draw", "seed"), self.values
        pairs = [(c, m) for c in v["corpora"] for m in v["variants"] if (c, m) != ("demo_en", "bert_crf")]
        grid = [(*pair, z, d, s) for pair in pairs for z in v["sizes"] for d in range(v["draws"]) for s in v["seeds"]]
        return [CellId(**dict(zip(names, key, strict=True))) for key in grid]

    def folder(self, cell: CellId) -> Path:
        return self.root / "results" / str(cell)

    def write(self, cell: CellId, /, **changes: Any) -> Metrics:
        rng = random.Random(str(cell))
        level = 0.45 + 0.15 * self.values["variants"].index(cell.variant) + (0.1 if cell.size == 100 else 0)
        size = self.values["protocol"].get("dev_size")
        metrics = Metrics(
            cell=cell,
            hash=rng.randbytes(32).hex(),
            protocol=f"dev_size {size}" if size else "dev",
            scores={"dev": score(cell.corpus, level, rng), "last": score(cell.corpus, level - 0.05, rng)},
            selected={"step": 10, "f1": level},
            absent=["A&B"] if cell.corpus == "demo_zh" and cell.draw == 1 and cell.size == 50 else [],
        ).model_copy(update=changes)
        write_text(self.folder(cell) / METRICS, dump(metrics))
        losses = [40 * math.exp(-i * level) + rng.random() for i in range(12)]
        f1 = [level * (1 - math.exp(-i / 2)) for i in range(12)]
        points = enumerate(zip(losses, f1, strict=True), 1)
        curve = [{"step": 25 * i, "epoch": float(i), "loss": loss, "dev_f1": dev} for i, (loss, dev) in points]
        run = Run(hash=metrics.hash, curve=curve, seconds={"fit": 2.0}, sentences_per_second=1.0, peak_memory_mb=1.0, provenance={})
        write_text(self.root / ".kfbench" / "store" / metrics.hash / RUN, dump(run))
        return metrics


def external(profile: Profile, cell: CellId, protocol: str = "test", **changes: Any) -> Declared:
    """A row of another system in the profile's `external/`."""
    rng = random.Random(str(cell))
    found = score(cell.corpus if cell.corpus in TYPES else "demo_zh", 0.7, rng)
    metrics = Metrics(cell=cell, hash=rng.randbytes(32).hex(), protocol=protocol, scores={protocol: found}, selected={})
    told: dict[str, Any] = {"cell": cell, "protocol": protocol, "file": "theirs.conll", "sha256": "0" * 64, "format": "bio", "data": {}}
    declared = Declared(**told | changes)
    write_text(profile.root / FOLDER / str(cell) / METRICS, dump(metrics))
    write_text(profile.root / FOLDER / str(cell) / FACTS, dump(declared))
    return declared
