"""Checks of how a trained tagger predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmark.cell import MethodError, predict, to_jsonl
from benchmark.conformance import material
from benchmark.conformance.subject import ENCODER, Subject, first_difference, spans_of, text_of
from benchmark.conformance.verdict import Failed, Skipped
from benchmark.method import Predicted, Tagger
from splits.labels import Inventory
from splits.schema import Entity, Sentence

TOLERANCE = 1e-4  # of a score, which batches of other shapes may round otherwise
LONG = 200  # words, several times what the encoder takes
TARGETS = Inventory.of_targets(material.LABELS)


def valid(tagger: Tagger, sentences: Sequence[Sentence]) -> list[list[Predicted]]:
    """What a tagger predicts, as the harness takes it.

    Raises:
        Failed: the harness would refuse it.
    """
    try:
        rows = predict(tagger, sentences, TARGETS)
    except MethodError as error:
        raise Failed(
            error.what, "A row a sentence; 0 <= start < end <= words; labels of given.labels.targets; scores that are numbers."
        ) from None
    for row in rows:
        for p in row:
            if p.score is not None and not 0 <= p.score <= 1:
                raise Failed(f"score {p.score} of {p.start}:{p.end}", "A score lies in [0, 1], or is None.")
    try:
        to_jsonl(sentences, rows)
    except TypeError as error:
        raise Failed(
            f"predictions cannot be written: {error}", "Make start and end plain int, label str, score float: .item() of a tensor."
        ) from None
    return rows


def predictions(subject: Subject) -> str:
    """A row a sentence, in order; spans inside it, labels of the corpus, scores in [0, 1] or None."""
    rows = [row for tagger in (subject.base.fitted.best, subject.base.fitted.last) for row in valid(tagger, subject.probes)]
    return f"{sum(map(len, rows))} spans in {len(rows)} rows"


def tokens_alone(subject: Subject) -> str:
    """Entities, tags and ids that stand in a sentence change nothing: there are none in a run, or other ones."""
    tagger = subject.base.fitted.last
    subject.steady()
    renamed = [replace(s, id=f"other-{i}") for i, s in enumerate(subject.probes)]
    answered = [replace(s, entities=_all_words(s), tags=("B-PER",) * len(s.text), extra={"entities": 1}) for s in subject.probes]
    plain = text_of(tagger.predict(list(subject.probes)))
    for changed, what in ((renamed, "ids"), (answered, "entities and tags")):
        try:
            found = text_of(tagger.predict(changed))
        except Exception as error:
            if changed is renamed:
                raise
            return f"refuses sentences with entities: {type(error).__name__}"
        if found != plain:
            raise Failed(f"with other {what}: {first_difference(plain, found, subject.probes)}", "Predict from sentence.text alone.")
    return "other ids, entities and tags, the same predictions"


def repeatable(subject: Subject) -> str:
    """A tagger predicts the same again, whatever it and the other one did in between."""
    fitted, probes = subject.base.fitted, subject.probes
    seen: dict[str, str] = {}
    for name in ("last", "best", "last", "best"):
        found = text_of(getattr(fitted, name).predict(list(probes)))
        if found != seen.setdefault(name, found):
            raise Failed(
                f"`{name}` again: {first_difference(seen[name], found, probes)}",
                "Switch dropout off (model.eval()), draw nothing at random in `predict`, and give each tagger weights of its own.",
            )
    return "both taggers, twice in turn"


def company(subject: Subject) -> str:
    """A sentence's entities do not depend on which others it is read with, nor on their order."""
    tagger, probes = subject.base.fitted.last, subject.probes
    subject.steady()
    sound(subject)
    together = tagger.predict(list(probes))
    others = {"alone": [tagger.predict([s])[0] for s in probes], "in reverse order": tagger.predict(probes[::-1])[::-1]}
    for what, rows in others.items():
        for sentence, row, other in zip(probes, together, rows, strict=True):
            if spans_of([row]) != spans_of([other]) or not _near(row, other):
                difference = first_difference(text_of([row]), text_of([other]), [sentence])
                raise Failed(f"{what}: {difference}", "Mask padding everywhere: in attention, in sums and means, in the loss.")
    return f"{len(probes)} sentences alone, together, and in reverse order"


def no_sentences(subject: Subject) -> str:
    """No sentences, no rows."""
    found = subject.base.fitted.last.predict([])
    if list(found) != []:
        raise Failed(f"predict([]) is {found!r:.80}", "Return an empty list.")
    return "predict([]) is []"


def empty_sentence(subject: Subject) -> str:
    """A sentence without words has no entities, and does not disturb its neighbours."""
    sound(subject)
    tagger, first = subject.base.fitted.last, subject.probes[0]
    rows = valid(tagger, [first, Sentence("empty", ()), first])
    if rows[1]:
        raise Failed(f"{rows[1]} in a sentence without words", "Return an empty row for it.")
    return "an empty row"


def one_token(subject: Subject) -> str:
    """Sentences of one word."""
    sound(subject)
    words = sorted({word for s in subject.sample for word in s.text})
    rows = valid(subject.base.fitted.last, [Sentence(f"one-{i}", (word,)) for i, word in enumerate(words)])
    return f"{len(words)} of them, {sum(map(len, rows))} entities"


def odd_tokens(subject: Subject) -> str:
    """Words that it never saw and tokenizers stumble over: empty, invisible, emoji, other scripts, names of special tokens, 500 letters."""
    sound(subject)
    tagger, odd = subject.base.fitted.last, material.ODD_TOKENS
    each = [Sentence(f"odd-{i}", ("Anna", token)) for i, token in enumerate(odd)]
    for sentence in [*each, Sentence("all", odd)]:
        try:
            valid(tagger, [sentence])
        except Failed as failure:
            raise Failed(f"{sentence.text!r:.60}: {failure.evidence}", failure.mend) from None
    return f"{len(odd)} of them, each and together"


def overlong(subject: Subject) -> str:
    """A sentence longer than the encoder takes, and sentences trained on that are."""
    sound(subject)
    words = tuple(word for s in subject.corpus.splits["dev"] for word in s.text)
    text = (words * LONG)[:LONG]
    rows = valid(subject.base.fitted.last, [Sentence("long", text), subject.probes[0]])
    joined = _joined(subject.sample[:16])
    valid(subject.fit(sample=[*subject.sample, joined]).fitted.last, subject.probes)
    found = f"{len(rows[0])} entities in {LONG} words, where the encoder takes {ENCODER.max_length} sub-words"
    return f"{found}; trained on a sentence of {len(joined.text)}"


def _joined(sentences: Sequence[Sentence]) -> Sentence:
    """One long sentence of several."""
    words: list[str] = []
    entities: list[Entity] = []
    for sentence in sentences:
        entities += [Entity(e.start + len(words), e.end + len(words), e.label) for e in sentence.entities]
        words += sentence.text
    return Sentence("joined", tuple(words), tuple(entities))


def _all_words(sentence: Sentence) -> tuple[Entity, ...]:
    return tuple(Entity(i, i + 1, material.LABELS[i % len(material.LABELS)]) for i in range(len(sentence.text)))


def _near(row: Sequence[Predicted], other: Sequence[Predicted]) -> bool:
    scores = [{(p.start, p.end, p.label): p.score for p in each} for each in (row, other)]
    return all(
        (a is None) == (b is None) and (a is None or b is None or abs(a - b) <= TOLERANCE)
        for a, b in ((scores[0][span], scores[1][span]) for span in scores[0])
    )


def sound(subject: Subject) -> None:
    """Pass over what cannot be told of a method whose predictions the harness refuses anyway.

    Raises:
        Skipped: it is one.
    """
    try:
        predictions(subject)
    except Failed:
        raise Skipped("its predictions are refused anyway: see `predictions`") from None


CHECKS = (predictions, repeatable, tokens_alone, company, no_sentences, empty_sentence, one_token, odd_tokens, overlong)
