#!/usr/bin/env python3
"""The same prompts through vLLM and transformers, one after the other in one run: tokens a second, their ratio, what can be used.

    KFBENCH_LLMS=DIR python perf/llm/throughput.py --corpus data/mit_movie/train.jsonl --n 50 --directory '$KFBENCH_LLMS/smollm2'

Tokens are those that the back ends report with their replies; seconds are of asking alone, engines started before.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from knowfree.synthesis import annotate, explain
from knowfree.synthesis.ask import Answers, Summary, ask
from knowfree.synthesis.backends import open_backend
from knowfree.synthesis.backends.json_schema import fault
from knowfree.synthesis.chat import Backend, Request, Sampling
from knowfree.synthesis.guard import Guard
from knowfree.synthesis.llm import LLM
from knowfree.synthesis.replies import sessions
from knowfree.synthesis.tokenise import Style, detokenise, tokenise
from splits.schema import Sentence, read_jsonl

TASKS = ("entities", "pos", "explain")


def main() -> None:
    args = arguments()
    sentences = read_jsonl(args.corpus, split="train")[: args.n]
    asked = {task: requests(task, sentences, args.language) for task in args.tasks}
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.backends:
            llm = LLM(
                backend=name, model=args.model, directory=args.directory, sampling=Sampling(max_tokens=args.max_tokens), dtype=args.dtype,
                enforce_eager=args.enforce_eager, max_model_len=args.max_model_len, batch_size=args.batch_size,
            )  # fmt: skip
            started = time.perf_counter()
            backend = open_backend(llm)
            start = time.perf_counter() - started
            print(f"{name}: started in {start:.1f} s: {json.dumps(dict(backend.settings))}", flush=True)
            try:
                for task, wanted in asked.items():
                    log = Path(folder, f"{name}.{task}.jsonl")
                    answers = ask(wanted, log, llm, open_backend=Kept(backend).again)
                    row = {"backend": name, "task": task, "start": start, **asdict(answers.summary)}
                    rows.append(row | {"yield": yields(task, sentences, wanted, answers, args.language), "session": sessions(log)[0]})
                    print(line(name, task, answers.summary, rows[-1]["yield"]), flush=True)
            finally:
                backend.close()
    report(rows)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True, help="train.jsonl of a prepared corpus")
    parser.add_argument("--language", default="en")
    parser.add_argument("--n", type=int, default=50, help="its first n sentences")
    parser.add_argument("--model", default="SmolLM2-135M-Instruct")
    parser.add_argument("--directory", default="$KFBENCH_LLMS/smollm2")
    parser.add_argument("--backends", nargs="+", default=["vllm", "transformers"])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--max-model-len", type=int, default=2048)
    parser.add_argument("--batch-size", type=int, default=8, help="of transformers")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--enforce-eager", action="store_true", help="vLLM without compilation")
    parser.add_argument("--json", type=Path, help="where the figures go")
    args = parser.parse_args()
    args.directory = os.path.expandvars(args.directory)
    return args


def requests(task: str, sentences: Sequence[Sentence], language: str) -> list[Request]:
    """The real prompts of a task."""
    if task == "explain":
        return explain.requests(sentences, language, detokenise=partial(detokenise, language=language))
    return [r for r in annotate.requests(sentences, language) if r.about["task"] == task]


class Kept:
    """An engine that outlives one round of asking."""

    def __init__(self, backend: Backend) -> None:
        self.settings = backend.settings
        self.chat = backend.chat

    def again(self, llm: LLM) -> Backend:
        """Itself, for who would open one."""
        return self

    def close(self) -> None:
        pass


def yields(task: str, sentences: Sequence[Sentence], wanted: Sequence[Request], answers: Answers, language: str) -> dict[str, Any]:
    """What can be used of the replies, and why the rest cannot."""
    ends = Counter(answers[request].finish for request in wanted)
    if task == "explain":
        style = Style.of(sentence.text for sentence in sentences)
        found = explain.read(
            sentences,
            [answers[request] for request in wanted],
            explain.rules_of(language),
            language=language,
            tokenise=partial(tokenise, language=language, style=style),
            guard=Guard([], language),
        )
        return {"replies": len(wanted), **ends, "sentences": len(found.sentences), "removed": dict(found.removed.most_common())}
    valid = sum(request.schema is None or fault(answers[request].text, request.schema) is None for request in wanted)
    part = ("entities",) if task == "entities" else ("pos", "seg")
    read = annotate.read(sentences, answers, language, annotate.Rules(parts=part))
    rejected = sum((Counter(annotation.rejected) for annotation in read), Counter())
    spans = sum(len(annotation.spans) for annotation in read)
    return {"replies": len(wanted), **ends, "valid JSON": valid, "spans": spans, "rejected": dict(rejected.most_common())}


def line(name: str, task: str, s: Summary, found: dict[str, Any]) -> str:
    rate = s.new_tokens_out / max(s.seconds, 1e-9)
    return f"{name:13} {task:9} {s.new_tokens_in:7} in {s.new_tokens_out:7} out {s.seconds:8.1f} s {rate:8.1f} tokens/s  {found}"


def report(rows: Sequence[dict[str, Any]]) -> None:
    """Tokens a second of each back end over all tasks, and how many times the last's the first's is."""
    rates = {}
    for name in dict.fromkeys(row["backend"] for row in rows):
        mine = [row for row in rows if row["backend"] == name]
        tokens, seconds = sum(row["new_tokens_out"] for row in mine), sum(row["seconds"] for row in mine)
        rates[name] = (tokens / seconds, sum(row["asked"] for row in mine) / seconds)
        print(f"{name:13} all       {tokens} tokens out in {seconds:.1f} s: {rates[name][0]:.1f} tokens/s, {rates[name][1]:.2f} replies/s")
    if len(rates) > 1:
        (first, a), *_, (last, b) = rates.items()
        print(f"{first} / {last}: {a[0] / b[0]:.2f} x tokens/s, {a[1] / b[1]:.2f} x replies/s")


if __name__ == "__main__":
    main()
