"""A process that asks SmolLM2 the real questions, for tests that kill it: `python asking_smollm2.py LOG`.

The back end, its address and the model's directory come from the environment, as they do for a user.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

from knowfree.synthesis import annotate, explain
from knowfree.synthesis.ask import ask
from knowfree.synthesis.chat import Request, Sampling
from knowfree.synthesis.llm import LLM
from knowfree.synthesis.tokenise import detokenise
from splits.schema import Entity, Sentence

MODEL = LLM(model="smollm2", sampling=Sampling(max_tokens=96), enforce_eager=True, max_model_len=2048, concurrency=2)

YES_OR_NO = {"type": "object", "properties": {"answer": {"enum": ["yes", "no"]}}, "required": ["answer"], "additionalProperties": False}

TEXTS = (
    "which film with sigourney weaver plays on a space ship",
    "list the comedies that billy wilder directed before 1960",
    "is there a movie about a talking dog",
)
ENTITIES = ((Entity(3, 5, "ACTOR"),), (Entity(4, 6, "DIRECTOR"), Entity(8, 9, "YEAR")), ())
SENTENCES = [Sentence(f"train-{k}", tuple(text.split()), found) for k, (text, found) in enumerate(zip(TEXTS, ENTITIES, strict=True))]


def requests() -> list[Request]:
    """Short ones, which end at once, and those of both pipelines."""
    short = [Request("Answer yes or no.", f"Is {s.text[0]} a word?", YES_OR_NO, {"task": "short", "sentence": s.id}) for s in SENTENCES]
    long = explain.requests(SENTENCES, "en", detokenise=partial(detokenise, language="en"))
    return [*short, *annotate.requests(SENTENCES, "en"), *long]


if __name__ == "__main__":
    answers = ask(requests(), Path(sys.argv[1]), MODEL)
    print(json.dumps(asdict(answers.summary)))
