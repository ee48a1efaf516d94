"""The stages explain, annotate and fuse of a corpus: from files of a profile to files of a profile."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from benchmark.config import Params
from benchmark.extension import PARTS, synthetic_sentences
from benchmark.workspace import Workspace
from knowfree.synthesis import explain
from knowfree.synthesis.annotate import annotate_morph, entity_types, read
from knowfree.synthesis.annotate import requests as annotation_requests
from knowfree.synthesis.annotations import Annotation, read_annotations, write_annotations
from knowfree.synthesis.annotator_quality import CORPORA as WITH_GOLD_WORDS
from knowfree.synthesis.annotator_quality import morph_quality
from knowfree.synthesis.ask import Answers, ask
from knowfree.synthesis.chat import Request, Sampling
from knowfree.synthesis.config import Annotator, Synthesis, synthesis_of
from knowfree.synthesis.fuse import fuse, statistics, write
from knowfree.synthesis.guard import Guard, overlap
from knowfree.synthesis.llm import BACKEND
from knowfree.synthesis.ontology import read_overrides, write_ontology
from knowfree.synthesis.prompts import Task, prompt
from knowfree.synthesis.tokenise import Style, detokenise, tokenise
from splits.errors import ConfigError
from splits.files import new_folder, write_bytes, write_text
from splits.schema import Sentence, write_jsonl

SYNTHETIC, REPORT = "train.synthetic.jsonl", "report.json"
MIRROR = "KFBENCH_MIRROR"  # where raw files are, if not fetched from upstream
AT_ONCE = 100  # sentences between two steps of a bar


class Stages:
    """The synthesis of one corpus in a profile.

    Raises:
        ConfigError: the profile's `synthesis` is wrong, or the corpus is not one of the profile.
        CorpusError: the corpus is not prepared or not drawn.
    """

    def __init__(self, params: Params, workspace: Workspace, corpus: str, console: Console | None = None) -> None:
        self.params, self.workspace, self.corpus, self.console = params, workspace, corpus, console
        self.settings: Synthesis = synthesis_of(params)
        self.data = workspace.data(corpus)
        self.language = self.data.info.language

    # --- folders ---

    @property
    def explained(self) -> Path:
        return self.workspace.root / "data" / "explained" / self.corpus

    @property
    def annotated(self) -> Path:
        return self.workspace.root / "data" / "annotated" / self.corpus

    @property
    def fused(self) -> Path:
        return self.workspace.root / "data" / "fused" / self.corpus

    def log(self, stage: str) -> Path:
        """The reply log of a stage, there from now on: started from a recorded one if the profile has it."""
        name = f"{self.corpus}.{stage}.jsonl"
        path = self.workspace.root / "data" / "replies" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        recorded = self.workspace.root / (self.settings.recorded or "") / name
        fresh = not (path.is_file() and path.stat().st_size)
        live = os.environ.get(BACKEND, "none") not in ("", "none")  # who names a model to ask wants its replies, not recorded ones
        if self.settings.recorded and recorded.is_file() and fresh and not live:
            write_bytes(path, recorded.read_bytes())  # whole or not at all: half of it would pass for a log of one's own
        path.touch()
        return path

    # --- stages ---

    def explain(self) -> dict[str, Any]:
        """Ask for explanations of all samples of the profile, and cut them into sentences."""
        log = self.log("explain")
        report: dict[str, Any] = {"corpus": self.corpus, "asked": self.settings.explains(self.corpus), "overlap_with_test": self._overlap()}
        sentences: list[Sentence] = []
        if self.settings.explains(self.corpus):
            sources = self.samples()
            requests = explain.requests(sources, self.language, detokenise=partial(detokenise, language=self.language))
            answers = self._ask(requests, log, ("explain", "describe"), self.settings.explain.sampling)
            splits = self.data.corpus.splits
            style = Style.of(sentence.text for sentence in splits["train"])
            found = explain.read(
                sources,
                [answers[request] for request in requests],
                self.settings.explain.rules_of(self.language),
                language=self.language,
                tokenise=partial(tokenise, language=self.language, style=style),
                guard=Guard([*splits["dev"], *splits["test"]], self.language),
            )
            sentences = found.sentences
            report |= explain.statistics(found) | self._about(answers, ("explain", "describe"))
        with new_folder(self.explained) as folder:
            write_jsonl(folder / SYNTHETIC, sentences)
            _write(folder / REPORT, report)
        return report

    def annotate(self) -> dict[str, Any]:
        """Annotate samples and explanations, once a sentence and annotator."""
        log = self.log("annotate")
        sentences = [*self.samples(), *synthetic_sentences(self._made(self.explained / SYNTHETIC, by="explain"))]
        report: dict[str, Any] = {"corpus": self.corpus, "annotators": {}}
        with new_folder(self.annotated) as folder:
            for annotator in self.settings.annotate.annotators:
                found, about = self._annotations(annotator, sentences, log, folder)
                write_annotations(folder / f"{annotator}.jsonl", found)
                report["annotators"][annotator] = _counts(found) | about
            if "morph" in report["annotators"] and self.corpus in WITH_GOLD_WORDS:
                report["quality_of_morph_on_dev"] = self._quality()
            _write(folder / REPORT, report)
        return report

    def fuse(self) -> dict[str, Any]:
        """Write the artefacts of every annotator, size and draw."""
        explained = synthetic_sentences(self._made(self.explained / SYNTHETIC, by="explain"))
        report: dict[str, Any] = {"corpus": self.corpus, "annotators": {}}
        with new_folder(self.fused) as folder:
            for annotator in self.settings.annotate.annotators:
                spans = {a.id: a.spans for a in read_annotations(self._made(self.annotated / f"{annotator}.jsonl", by="annotate"))}
                rows: dict[str, dict[str, Any]] = {}
                for size in self.params.sizes:
                    for draw in range(self.params.draws):
                        made = fuse(self.data.sample(size, draw), explained, spans, self.data.corpus.labels)
                        write(made, folder / annotator / str(size) / str(draw))
                        rows.setdefault(str(size), {})[str(draw)] = statistics(made)
                report["annotators"][annotator] = rows
            _write(folder / REPORT, report)
        return report

    # --- parts ---

    def samples(self) -> list[Sentence]:
        """The union of all samples of the profile, in the order of draws."""
        found: dict[str, Sentence] = {}
        for draw in range(self.params.draws):
            for size in self.params.sizes:
                found |= {sentence.id: sentence for sentence in self.data.sample(size, draw) if sentence.id not in found}
        return list(found.values())

    def _made(self, path: Path, *, by: str) -> Path:
        if not path.is_file():
            mend = f"Run `kfbench {by} {self.corpus}` first, or `dvc repro`, which runs all stages in order."
            raise ConfigError(f"{path}: no such file: `kfbench {by}` writes it", mend)
        return path

    def _quality(self) -> dict[str, Any]:
        """How good the analyser is where the raw files hold gold words: a figure for the report, which no method sees."""
        mirror = os.environ.get(MIRROR)
        return asdict(morph_quality(self.corpus, "dev", Path(mirror) if mirror else None))

    def _overlap(self) -> dict[str, dict[str, Any]]:
        """How many sentences of each sample stand in test, or share long runs with it."""
        test, rows = self.data.corpus.splits["test"], dict[str, dict[str, Any]]()
        for size in self.params.sizes:
            samples = [self.data.sample(size, draw) for draw in range(self.params.draws)]
            rows[str(size)] = {str(draw): overlap(sample, test, self.language) for draw, sample in enumerate(samples)}
        return rows

    def _ask(self, requests: Sequence[Request], log: Path, tasks: Sequence[Task], sampling: Sampling | None) -> Answers:
        llm = self.settings.llm
        assert llm is not None
        if sampling is not None:
            llm = llm.model_copy(update={"sampling": sampling})
        used = [prompt(task, self.language) for task in tasks]
        answers = ask(requests, log, llm, prompts={p.name: p.sha256 for p in used}, progress=self.console)
        if self.console is not None:
            self.console.print(f"{self.corpus}: {answers.summary}", markup=False)
        return answers

    def _about(self, answers: Answers, tasks: Sequence[Task]) -> dict[str, Any]:
        """Model, prompts and tokens: the same for a run that asks and one that only reads."""
        summary = answers.summary
        return {
            "model": answers.asked.model,
            "revision": answers.asked.revision,
            "prompts": {p.name: p.sha256 for p in (prompt(task, self.language) for task in tasks)},
            "tokens_in": summary.tokens_in,
            "tokens_out": summary.tokens_out,
        }

    def _annotations(
        self, annotator: Annotator, sentences: Sequence[Sentence], log: Path, folder: Path
    ) -> tuple[list[Annotation], dict[str, Any]]:
        rules = self.settings.annotate.rules
        if annotator == "morph":
            parts = range(0, len(sentences), AT_ONCE)
            steps = track(parts, f"{self.corpus}: morph", console=self.console, transient=True) if self.console else parts
            return [a for at in steps for a in annotate_morph(sentences[at : at + AT_ONCE], self.language, rules)], {}
        answers = self._ask(annotation_requests(sentences, self.language, rules), log, ("entities", "pos"), self.settings.annotate.sampling)
        overrides = self.settings.annotate.overrides
        renamed = read_overrides(self.workspace.root / overrides) if overrides else None
        types = entity_types(sentences, answers, self.language, rules, renamed)
        write_ontology(folder / f"{annotator}.types.json", types)
        return read(sentences, answers, self.language, rules, types), self._about(answers, ("entities", "pos"))


def _counts(annotations: Sequence[Annotation]) -> dict[str, Any]:
    kinds: Counter[str] = Counter(label.partition(":")[0] for a in annotations for _, _, label in a.spans)
    rejected: Counter[str] = Counter()
    for annotation in annotations:
        rejected.update(annotation.rejected)
    return {
        "sentences": len(annotations),
        "spans_per_sentence": {kind: round(kinds[kind] / max(len(annotations), 1), 3) for kind in PARTS},
        "labels": len({label for a in annotations for _, _, label in a.spans}),
        "rejected": dict(sorted(rejected.items())),
    }


def _write(path: Path, value: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")
