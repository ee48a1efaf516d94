"""Checks of how a method trains."""

from __future__ import annotations

import math

from benchmark.cell import bare
from benchmark.conformance.child import refit
from benchmark.conformance.subject import BATCH, LEARNING, Subject, Trial, first_difference, spans_of, text_of
from benchmark.conformance.verdict import Failed, Skipped
from benchmark.extension import synthetic_sentences
from benchmark.method import Budget

SEEDED = (
    "Take everything random from given.seed: torch.manual_seed(given.seed) before the first weight (encoder_of does it), "
    "numpy.random.default_rng(given.seed), random.Random(given.seed)."
)
OBEY = "Train for budget.steps, or budget.epochs where that is None; the suite's loop does (benchmark.nn.tagger.fit_tagger)."


def fits(subject: Subject) -> str:
    """It trains on a small sample with its test_config and gives back two taggers."""
    base = subject.base
    return f"{len(subject.sample)} sentences, {_said(base)}"


def learns(subject: Subject) -> str:
    """It finds something again of what it was trained on."""
    rows = spans_of(subject.base.fitted.last.predict([bare(s) for s in subject.sample]))
    right = sum(len(s.spans & row) for s, row in zip(subject.sample, rows, strict=False))
    gold = sum(len(s.spans) for s in subject.sample)
    if not right:
        raise Failed(
            f"finds none of the {gold} entities of its sample after {LEARNING.epochs} epochs, predicts {sum(map(len, rows))}",
            "If it learns elsewhere, give test_config what lets it learn from an untrained encoder: a learning rate of 1e-3.",
        )
    return f"finds {right} of the {gold} entities of its sample"


def best_and_last(subject: Subject) -> str:
    """`best` is the tagger that the monitor liked best, the first of equals; `last` the one after the last step."""
    base = subject.base
    subject.steady()
    best, last = (text_of(tagger.predict(list(subject.probes))) for tagger in (base.fitted.best, base.fitted.last))
    if not base.calls:
        if best != last:
            raise Failed("`best` is not `last`, though the monitor was never asked", "Ask given.monitor, or give the same tagger twice.")
        return "one tagger, and the monitor was never asked"
    answers = base.answers
    liked = answers.index(max(answers))
    if best != base.calls[liked].predictions:
        same = [i for i, call in enumerate(base.calls) if call.predictions == best]
        now = f"predicts as the tagger of call {same[0] + 1} did" if same else "predicts as at no call"
        raise Failed(
            f"the monitor answered {', '.join(map(str, answers))}; `best` {now}, not as that of call {liked + 1}",
            "Keep a copy of the tagger whenever the monitor answers more than ever before, and return that one.",
        )
    if base.calls[-1].step == base.seen.steps and last != base.calls[-1].predictions:
        raise Failed(
            f"`last` does not predict as the tagger of the last step ({base.seen.steps}) did", "Return the tagger as it stands at the end."
        )
    return f"kept that of call {liked + 1} of {len(answers)}"


def deterministic(subject: Subject) -> str:
    """Two fits with one seed predict the same, to the last digit of a score."""
    subject.steady()
    _agree(subject, subject.base, subject.again, "a second fit with the same seed predicts otherwise", SEEDED)
    return "two fits, the same predictions"


def global_random_state(subject: Subject) -> str:
    """It does not depend on what others left in the global random generators."""
    _alike(subject)
    shaken = subject.fit(budget=LEARNING, shake=True)
    _agree(subject, subject.base, shaken, "with other global generators (random, numpy, torch) it predicts otherwise", SEEDED)
    return "the global generators changed, the predictions did not"


def another_process(subject: Subject) -> str:
    """A fit in another process, where sets of strings have another order, predicts the same."""
    _alike(subject)
    here = _texts(subject, subject.base)
    for name, text in refit(subject).items():
        if text != here[name]:
            raise Failed(
                f"`{name}` of another process: {first_difference(here[name], text, subject.probes)}",
                "Sort before you go through a set of strings, and do not use hash(): both differ from process to process.",
            )
    return "the same predictions"


def budget(subject: Subject) -> str:
    """It trains for as long as the budget says: not longer, and longer where the budget is larger."""
    one = subject.fit(budget=Budget(epochs=1, batch_size=BATCH))
    two = subject.fit(budget=Budget(epochs=2, batch_size=BATCH))
    few = subject.fit(budget=Budget(epochs=50, steps=2, batch_size=BATCH))
    for trial, epochs in ((one, 1), (two, 2)):
        _within(trial, most=epochs * _an_epoch(trial), epochs=epochs, of=f"epochs={epochs}")
    _within(few, most=2, epochs=None, of="steps=2, epochs=50")
    if not one.seen.steps:
        return _said(one)
    if two.seen.steps <= one.seen.steps:
        raise Failed(f"{one.seen.steps} steps with epochs=1, {two.seen.steps} with epochs=2", OBEY)
    return f"{one.seen.steps} steps in an epoch, {two.seen.steps} in two; {few.seen.steps} where steps=2"


def patience(subject: Subject) -> str:
    """It stops after `budget.patience` calls of the monitor without a better F1."""
    asked = Budget(steps=12, batch_size=BATCH, evaluate_every=1, patience=2)
    calls = len(subject.fit(budget=asked, f1=lambda call: 0.5).calls)
    if calls > 1 + 2:
        raise Failed(f"with patience=2 the monitor was asked {calls} times though the first answer stayed the best", OBEY)
    return f"stopped after {_counted(calls, 'call')}" if calls else "it never asks"


def _within(trial: Trial, *, most: int, epochs: int | None, of: str) -> None:
    if trial.seen.steps > most:
        raise Failed(f"{trial.seen.steps} optimiser steps with {of}, which allows {most}", OBEY)
    for call in trial.calls:
        if call.step > most:
            raise Failed(f"tells the monitor of step {call.step} with {of}, which allows {most}", OBEY)
        if epochs is not None and call.epoch > epochs + 1e-6:
            raise Failed(f"tells the monitor of epoch {call.epoch:g} with {of}", OBEY)


def _an_epoch(trial: Trial) -> int:
    """Steps of an epoch on all that the method was given."""
    path = trial.given.artefacts.get("synthetic")
    return math.ceil((len(trial.given.sample) + (len(synthetic_sentences(path)) if path else 0)) / trial.given.budget.batch_size)


def _alike(subject: Subject) -> None:
    subject.steady()
    if _texts(subject, subject.again) != _texts(subject, subject.base):
        raise Skipped("two fits differ anyway: see `deterministic`")


def _agree(subject: Subject, one: Trial, other: Trial, what: str, mend: str) -> None:
    left, right = _texts(subject, one), _texts(subject, other)
    for name in left:
        if left[name] != right[name]:
            raise Failed(f"{what} (`{name}`): {first_difference(left[name], right[name], subject.probes)}", mend)


def _texts(subject: Subject, trial: Trial) -> dict[str, str]:
    return {name: text_of(getattr(trial.fitted, name).predict(list(subject.probes))) for name in ("best", "last")}


def _said(trial: Trial) -> str:
    return f"{_counted(trial.seen.steps, 'optimiser step')}, {_counted(len(trial.calls), 'call')} of the monitor"


def _counted(number: int, thing: str) -> str:
    return f"{number or 'no'} {thing}{'' if number == 1 else 's'}"


CHECKS = (fits, learns, best_and_last, deterministic, global_random_state, another_process, budget, patience)
