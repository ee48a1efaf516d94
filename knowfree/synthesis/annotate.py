"""Annotation (Pipeline 1 of KnowFREE): extension entities, parts of speech and words of a sentence, as extension labels.

An extension label is `ext:<TYPE>`, `pos:<UPOS>` or `seg:WORD`. The prefixes keep them apart from every target label, and a
type that means the same as a target (`ext:PERSON` beside `PER.NAM`) stays: the annotator has never seen a target.
Reading is a pure function of the replies: what is mended here needs no language model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from knowfree.synthesis.align import Aligned, Mention, align
from knowfree.synthesis.annotations import Annotation
from knowfree.synthesis.chat import Reply, Request
from knowfree.synthesis.morph import analyser
from knowfree.synthesis.ontology import LONGEST_NAME, Ontology, name_types, part_of_speech, plain
from knowfree.synthesis.parse_json import Twice, json_items
from knowfree.synthesis.prompts import prompt
from knowfree.synthesis.tokenise import detokenise
from splits.schema import Sentence, Span

Part = Literal["entities", "pos", "seg"]
OneToken = Literal["drop", "entities", "keep"]

WORD = "seg:WORD"
ONE_TOKEN: Mapping[str, OneToken] = {"zh": "drop", "ja": "drop", "en": "entities", "ko": "entities"}
KEYS = {"entities": ("entity", "type"), "pos": ("word", "pos")}


class Rules(BaseModel):
    """How annotations are read.

    Attributes:
        parts: which extension labels are made.
        one_token: spans of one token: `drop` them (the paper's rule), `entities` keeps those of entities, `keep` keeps parts of
            speech too. None: `drop` where a token is a character (zh, ja), `entities` where it is a word or morpheme, because a
            name often is a single one there. `seg:WORD` always has two tokens or more.
        longest: tokens of a span at most; a longer one is the annotator's failure to find an edge.
        most: mentions of a reply at most; the rest is not read.
        distance, rare, keep_rare: how unknown entity types are clustered (`ontology.name_types`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    parts: tuple[Part, ...] = ("entities", "pos", "seg")
    one_token: OneToken | None = None
    longest: int = Field(default=30, ge=1)
    most: int = Field(default=200, ge=1)
    distance: float = Field(default=0.5, gt=0, lt=1)
    rare: int = Field(default=5, ge=1)
    keep_rare: bool = False

    def keeps(self, span: Span, language: str) -> bool:
        """False for a span of one token that the rules drop."""
        start, end, label = span
        if end - start > 1:
            return True
        rule = self.one_token or ONE_TOKEN.get(language, "drop")
        return label != WORD and (rule == "keep" or (rule == "entities" and label.startswith("ext:")))


class Replies(Protocol):
    """Replies under their requests (`ask.Answers`)."""

    def __contains__(self, request: Request, /) -> bool: ...
    def __getitem__(self, request: Request, /) -> Reply: ...


def schema(task: str, most: int = 100) -> dict[str, Any]:
    """The JSON schema of a task's reply: an array of {entity, type} or {word, pos}."""
    text = {"type": "string", "maxLength": 200}
    keys = KEYS[task]
    item = {"type": "object", "properties": dict.fromkeys(keys, text), "required": list(keys), "additionalProperties": False}
    return {"type": "array", "items": item, "maxItems": most}


def tasks(rules: Rules) -> list[Literal["entities", "pos"]]:
    """What the language model is asked for: words come with their parts of speech."""
    asked: list[Literal["entities", "pos"]] = []
    if "entities" in rules.parts:
        asked.append("entities")
    if {"pos", "seg"} & set(rules.parts):
        asked.append("pos")
    return asked


def requests(sentences: Sequence[Sentence], language: str, rules: Rules | None = None) -> list[Request]:
    """What to ask about each sentence, task by task, so that an engine computes an instruction once.

    Raises:
        ConfigError: there is no instruction in this language.
    """
    texts = [detokenise(sentence.text, language) for sentence in sentences]
    return [
        Request(prompt(task, language).text, text, schema(task), {"task": task, "sentence": sentence.id})
        for task in tasks(rules or Rules())
        for sentence, text in zip(sentences, texts, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Found:
    """What a reply names, (string, raw name of its type), and what was wrong in it."""

    pairs: tuple[tuple[str, str], ...] = ()
    faults: tuple[str, ...] = ()


def parse(reply: str, task: str, most: int) -> Found:
    """The pairs of strings in a reply; never raises.

    Faults: `too_long`, `not_json`, `truncated` (its whole items are read), `not_an_object`, `wrong_fields` (an item without
    the two strings, or that names one twice), `empty`, `too_many`.
    """
    items, fault = json_items(reply)
    faults: list[str] = [fault] if fault else []
    pairs: list[tuple[str, str]] = []
    for item in items[:most]:
        if not isinstance(item, dict):
            faults.append("not_an_object")
            continue
        text, kind = (item.get(key) for key in KEYS[task])
        if isinstance(item, Twice) or not isinstance(text, str) or not isinstance(kind, str):
            faults.append("wrong_fields")
        elif not text.strip() or not kind.strip():
            faults.append("empty")
        else:
            pairs.append((text, kind))
    return Found(tuple(pairs), (*faults, *["too_many"] * (len(items) > most)))


def _found(sentences: Sequence[Sentence], answers: Replies, language: str, rules: Rules) -> Iterator[tuple[str, str, Found]]:
    """Id, task and content of every reply."""
    for request in requests(sentences, language, rules):
        task, name = request.about["task"], request.about["sentence"]
        if request not in answers:
            yield name, task, Found(faults=("no_reply",))
            continue
        reply = answers[request]
        found = parse(reply.text, task, rules.most)
        yield name, task, replace(found, faults=(*found.faults, *["cut_by_max_tokens"] * (reply.finish == "length")))


def entity_types(
    sentences: Sequence[Sentence],
    answers: Replies,
    language: str,
    rules: Rules | None = None,
    overrides: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    """What the entity types of all replies become; `ontology.write_ontology` writes it for a human to read and override."""
    rules = rules or Rules()
    counts = Counter(
        kind for _, task, found in _found(sentences, answers, language, rules) if task == "entities" for _, kind in found.pairs
    )
    return name_types(counts, distance=rules.distance, rare=rules.rare, keep_rare=rules.keep_rare, overrides=overrides)


def read(
    sentences: Sequence[Sentence], answers: Replies, language: str, rules: Rules | None = None, ontology: Ontology | None = None
) -> list[Annotation]:
    """The annotation of each sentence, in their order.

    Refused, counted by `<task>.<reason>`: what `parse` finds wrong, `no_reply`, `cut_by_max_tokens`, `unknown_type`,
    `not_in_sentence`, `one_token`, `too_many_tokens`. A word of unknown part of speech still is a word.

    Args:
        ontology: what entity types become; None: `entity_types` of these very replies.
    """
    rules = rules or Rules()
    ontology = entity_types(sentences, answers, language, rules) if ontology is None else ontology
    mentions: dict[str, list[tuple[str, Mention]]] = {sentence.id: [] for sentence in sentences}
    rejected: dict[str, Counter[str]] = {sentence.id: Counter() for sentence in sentences}
    for name, task, found in _found(sentences, answers, language, rules):
        rejected[name].update(f"{task}.{fault}" for fault in found.faults)
        for text, kind in found.pairs:
            labels = list(_entity(kind, ontology) if task == "entities" else _word(kind, rules))
            mentions[name].extend((task, Mention(text, label)) for label in labels)
            if not labels or (task == "pos" and part_of_speech(kind) is None):
                rejected[name][f"{task}.unknown_type"] += 1
    return [_annotation(s, mentions[s.id], rejected[s.id], language, rules) for s in sentences]


def _entity(kind: str, ontology: Ontology) -> Iterator[str]:
    key = plain(kind)
    named = ontology.get(key) if len(key) <= LONGEST_NAME else None
    if named is not None and named.label is not None:
        yield f"ext:{named.label}"


def _word(kind: str, rules: Rules) -> Iterator[str]:
    part = part_of_speech(kind)
    if "pos" in rules.parts and part is not None:
        yield f"pos:{part}"
    if "seg" in rules.parts:
        yield WORD


def _annotation(
    sentence: Sentence, mentions: Sequence[tuple[str, Mention]], rejected: Counter[str], language: str, rules: Rules
) -> Annotation:
    spans: set[Span] = set()
    lost: set[tuple[str, str]] = set()
    places: dict[str, list[Aligned]] = {}
    for task, mention in dict.fromkeys(mentions):
        if mention.text not in places:
            places[mention.text] = align([mention], sentence.text, language)
        if not places[mention.text]:
            lost.add((task, mention.text))
        for place in places[mention.text]:
            spans.update(_kept((place.start, place.end, mention.label), task, rejected, language, rules))
    rejected.update(f"{task}.not_in_sentence" for task, _ in lost)
    return Annotation(sentence.id, tuple(sorted(spans)), rejected)


def _kept(span: Span, task: str, rejected: Counter[str], language: str, rules: Rules) -> Iterator[Span]:
    if span[1] - span[0] > rules.longest:
        rejected[f"{task}.too_many_tokens"] += 1
    elif rules.keeps(span, language):
        yield span
    elif span[2] != WORD:
        rejected[f"{task}.one_token"] += 1


def annotate_morph(sentences: Sequence[Sentence], language: str, rules: Rules | None = None) -> list[Annotation]:
    """As `read`, from a morphological analyser instead of a language model.

    Raises:
        ConfigError: the language has no analyser, or its package is not installed.
    """
    rules = rules or Rules()
    analyse = analyser(language).analyse
    annotations = []
    for sentence in sentences:
        found = analyse(sentence.text)
        made: dict[Part, list[Span]] = {
            "entities": [(start, end, f"ext:{kind}") for start, end, kind in found.names],
            "pos": [(start, end, f"pos:{part}") for start, end, part in found.parts],
            "seg": [(start, end, WORD) for start, end in found.words],
        }
        rejected: Counter[str] = Counter()
        spans = {span for part in rules.parts for made_span in made[part] for span in _kept(made_span, part, rejected, language, rules)}
        annotations.append(Annotation(sentence.id, tuple(sorted(spans)), rejected))
    return annotations
