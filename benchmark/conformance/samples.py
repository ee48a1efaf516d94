"""Checks with samples that are not as one wishes."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.conformance import material
from benchmark.conformance.predicting import sound, valid
from benchmark.conformance.subject import LANGUAGES, NAME, Subject
from splits.schema import Sentence
from splits.source import CorpusInfo


def label_never_seen(subject: Subject) -> str:
    """A label of the corpus that the sample lacks: small samples often do."""
    return _survives(subject, material.without(subject.sample, material.NEVER_SEEN), f"a sample without {material.NEVER_SEEN}")


def no_entity(subject: Subject) -> str:
    """A sample without a single entity."""
    return _survives(subject, material.without(subject.sample), "a sample without entities")


def one_sentence(subject: Subject) -> str:
    """A sample of one sentence, less than a batch."""
    return _survives(subject, [s for s in subject.sample if s.entities][:1], "a sample of one sentence")


def small_dev(subject: Subject) -> str:
    """A dev of one sentence."""
    sound(subject)
    dev = subject.corpus.splits["dev"][:1]
    valid(subject.fit(dev=dev).fitted.best, subject.probes)
    return "trained with a dev of one sentence"


def nested(subject: Subject) -> str:
    """Entities inside others, unless `supports` says that it takes none."""
    kinds = [CorpusInfo(NAME, language, nested=True, redistributable=True) for language in LANGUAGES]
    reasons = [subject.method.supports(kind) for kind in kinds]
    kind = next((kind for kind, reason in zip(kinds, reasons, strict=True) if reason is None), None)
    if kind is None:
        return f"does not take them: {reasons[0]}"
    sound(subject)
    made = material.corpus(nested=True)
    trial = subject.fit(sample=made.splits["train"], dev=made.splits["dev"], info=kind)
    valid(trial.fitted.last, made.splits["dev"])
    return "trained on them"


def _survives(subject: Subject, sample: Sequence[Sentence], what: str) -> str:
    sound(subject)
    fitted = subject.fit(sample=sample).fitted
    rows = [row for tagger in (fitted.best, fitted.last) for row in valid(tagger, subject.probes)]
    return f"trained on {what}; {sum(map(len, rows))} spans in {len(rows)} rows"


CHECKS = (label_never_seen, no_entity, one_sentence, small_dev, nested)
