"""What a caption must say so that a number can be read without asking."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from benchmark.config import Encoder, Params
from benchmark.method import SCRATCH_LAYERS
from reports.coverage import simulated

if TYPE_CHECKING:
    from reports.significance import Verdicts


def conditions(params: Params, corpora: Iterable[str], biases: Mapping[str, str]) -> str:
    """Protocol, draws, seeds, encoder, training, output bias, overrides, and who has trained longer.

    Args:
        corpora: those of the table; their encoders are named.
        biases: variant -> how its output bias starts; a variant without one (no span method) is not in it.
    """
    parts = [protocol(params), _draws(params), _encoders(params, list(corpora)), _training(params)]
    parts += [_biases(params, biases)] if biases else []
    parts += [_overrides(params)] if any(params.methods[v].training for v in params.rows) else []
    if params.continued:
        parts += [f"Trained on from the cell of another variant, so longer than the rest: {', '.join(params.continued)}"]
    return " ".join(f"{part}." for part in parts)


def intervals(params: Params, judged: Verdicts | None) -> str:
    """What an F1 cell holds, how its interval is made, and in how many simulated cases such an interval held the truth."""
    if judged is None or not judged.intervals:
        return "mean ± standard deviation over draws (n); no interval, which takes two draws."
    return (
        f"mean [{100 * judged.level:.0f} % interval] ± standard deviation over draws (n). {coverage(params, 'f1')} "
        "Bold: separable from every other variant of its column."
    )


def coverage(params: Params, of: str) -> str:
    """Over what intervals are, and their simulated coverage; `of` is `f1` or `difference`."""
    draws, low, high = simulated(params.draws, of)
    return f"Intervals are over draws and test sentences; simulated with {draws} draws they held the truth in {span(low, high)} of cases."


def span(low: float, high: float) -> str:
    """`94-97 %`"""
    ends = [f"{100 * end:.0f}" for end in (low, high)]
    return f"{ends[0]} %" if ends[0] == ends[1] else f"{ends[0]}–{ends[1]} %"


def protocol(params: Params) -> str:
    """`Protocol dev_size 100: checkpoint selected on 100 dev sentences`."""
    if params.protocol.select == "last":
        return "Protocol last: the checkpoint after the last step"
    size = params.protocol.dev_size
    which = "all dev sentences" if size is None else f"{size} dev sentences"
    return f"Protocol {params.protocol.name}: checkpoint selected on {which}"


def _draws(params: Params) -> str:
    seeds = ", ".join(map(str, params.seeds))
    many = f"seeds {seeds}, averaged within a draw" if len(params.seeds) > 1 else f"seed {seeds}"
    return f"{params.draws} draw{'s' if params.draws > 1 else ''}, {many}"


def _encoders(params: Params, corpora: list[str]) -> str:
    users: defaultdict[str, list[str]] = defaultdict(list)
    for corpus in corpora:
        users[encoder_name(params.encoders[corpus])].append(corpus)
    if len(users) == 1:
        return f"Encoder {next(iter(users))}"
    return "Encoders: " + "; ".join(f"{name} for {', '.join(names)}" for name, names in users.items())


def encoder_name(encoder: Encoder) -> str:
    """As params name it, with what of it matters for a number."""
    if encoder.name == "scratch":
        return f"scratch ({_layers(encoder.layers or SCRATCH_LAYERS)}, hidden {encoder.hidden}, untrained)"
    revision = f"@{encoder.revision[:7]}" if encoder.revision else ""
    cut = f" (first {_layers(encoder.layers)})" if encoder.layers else ""
    return f"{encoder.name}{revision}{cut}" + (" with frozen word embeddings" if encoder.freeze_words else "")


def _layers(n: int) -> str:
    return f"{n} layer{'s' if n > 1 else ''}"


def _training(params: Params) -> str:
    training = params.training
    count, unit = (training.steps, "step") if training.steps else (training.epochs, "epoch")
    length = f"{count} {unit}{'s' if count > 1 else ''}"
    patience = f", patience {training.patience}" if training.patience else ""
    return f"Training: {length}, batch {training.batch_size}, {training.precision}{patience}"


def _biases(params: Params, biases: Mapping[str, str]) -> str:
    named = [f"{variant} {biases[variant]}" for variant in params.rows if variant in biases]
    return "Output bias: " + ", ".join(named)


def _overrides(params: Params) -> str:
    named = [
        f"{variant} ({', '.join(f'{key} {value}' for key, value in sorted(params.methods[variant].training.items()))})"
        for variant in params.rows
        if params.methods[variant].training
    ]
    return "Trained otherwise: " + ", ".join(named)
