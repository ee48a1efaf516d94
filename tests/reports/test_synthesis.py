"""The synthesis table: means over draws of what the stages report, for annotators that a variant uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmark.config import Params
from reports.captions import conditions
from reports.synthesis import synthesis_table


def params(**changes: Any) -> Params:
    values: dict[str, Any] = {
        "corpora": ["a", "b"],
        "variants": ["plain", "fused"],
        "methods": {"plain": {"method": "knowfree"}, "fused": {"method": "knowfree_fusion"}},
        "sizes": [10],
        "draws": 2,
        "encoders": {"a": {"name": "scratch"}, "b": {"name": "scratch"}},
    }
    return Params(**(values | changes))


def draw(spans: float, labels: int, synthetic: int) -> dict[str, Any]:
    kinds = {"target": 1.0, "ext": spans, "pos": 2 * spans, "seg": 3 * spans}
    return {
        "fusion": {"sentences": 10, "spans_per_sentence": kinds, "extension_labels": labels},
        "synthetic": {"sentences": synthetic},
        "synthetic_per_real": synthetic / 10,
    }


def put(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def test_rows_are_means_over_draws_and_notes_say_what_was_removed(tmp_path):
    both = {"0": draw(1.0, 4, 20), "1": draw(2.0, 6, 10)}
    put(tmp_path / "fused/a/report.json", {"annotators": {"morph": {"10": both}, "llm": {"10": both}}})
    explained = {"asked": True, "model": "M", "sources": 20, "kept": 30, "sentences": 40, "removed": {"echo": 10}}
    put(tmp_path / "explained/a/report.json", explained)
    table = synthesis_table(params(), tmp_path)
    assert table
    (record,) = table.records
    assert record == {"corpus": "a", "annotator": "morph", "size": "10", "ext": 1.5, "pos": 3.0, "seg": 4.5} | {
        "labels": 5.0,
        "synthetic": 15.0,
        "per_real": 1.5,
    }
    assert [cell.text for cell in table.lines[0].cells] == ["a", "morph", "10", "1.50", "3.00", "4.50", "5", "15", "1.50"]
    assert table.notes == ("a: M explained 20 sentences; 30 of 40 sentences kept; removed: echo 10.",)


def test_an_annotator_that_a_variant_names_has_its_row_and_its_refusals(tmp_path):
    put(tmp_path / "fused/b/report.json", {"annotators": {name: {"10": {"0": draw(1.0, 3, 0)}} for name in ("morph", "llm")}})
    counts = {"rejected": {"pos.one_token": 7}}
    quality = {"precision": 0.991, "recall": 0.973, "f1": 0.982, "pos_accuracy": None}
    put(tmp_path / "annotated/b/report.json", {"annotators": {"morph": counts, "llm": counts}, "quality_of_morph_on_dev": quality})
    methods = {"plain": {"method": "knowfree"}, "fused": {"method": "knowfree_fusion", "annotator": "llm"}}
    table = synthesis_table(params(methods=methods), tmp_path)
    assert table
    assert [record["annotator"] for record in table.records] == ["morph", "llm"]
    assert [cell.text for cell in table.lines[0].cells][-2:] == ["–", "–"]
    assert table.notes == (
        "b: morph against the words that the corpus's own files mark, dev: words P 99.1, R 97.3, F1 98.2.",
        "b: refused of llm: pos.one_token 7.",
    )


def test_a_caption_says_who_has_trained_longer():
    methods = {"plain": {"method": "knowfree"}, "fused": {"method": "knowfree_fusion"}, "longer": {"method": "knowfree_syn"}}
    said = "Trained on from the cell of another variant, so longer than the rest: longer."
    assert said in conditions(params(methods=methods, continued=["longer"]), ["a"], {})
    assert "Trained on" not in conditions(params(), ["a"], {})


def test_a_profile_without_artefacts_has_no_table(tmp_path):
    assert synthesis_table(params(), tmp_path) is None
