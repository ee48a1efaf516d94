"""Cells as they are now become the reference."""

from __future__ import annotations

from typing import Any

from benchmark.provenance import commit, packages
from reports.gate.current import Done, Now, Profile, made_for
from reports.gate.reference import SCHEMA, Corpus, Reference, Stored, Variant, digest_of, f1_of, plan_of
from reports.gate.settings import Settings
from splits.errors import KfbenchError

SHORT = 12  # characters of a machine's name in the file
LISTED = 5


def make_reference(profile: Profile) -> Reference:
    """A reference of all cells of the profile.

    Raises:
        KfbenchError: a cell has no result; half a reference would let the other half pass.
    """
    lacking = [now for now in profile.cells.values() if now.done is None]
    if lacking or not profile.cells:
        named = "".join(f"\n  {now.id}: {now.trouble}: {now.why}" for now in lacking[:LISTED])
        more = f"\n  and {len(lacking) - LISTED} more" if len(lacking) > LISTED else ""
        raise KfbenchError(
            f"{len(lacking)} of {len(profile.cells)} cells have no result, and a reference holds all:{named}{more}",
            "`dvc repro -k` (or `kfbench run`) makes them.",
        )
    done = [(now, now.done) for now in profile.cells.values() if now.done is not None]
    machines = {digest_of(one.machine)[:SHORT]: dict(one.machine) for _, one in done if one.machine is not None}
    return Reference(
        schema_version=SCHEMA,
        plan=plan_of({now.id: digest_of(now.settings) for now, _ in done}),
        protocol=profile.params.protocol,
        written={**commit(), "packages": packages()},
        machines=machines,
        corpora={now.id.corpus: _corpus(now, one) for now, one in done},
        variants={name: variant for now, _ in done for name, variant in _variants(now.id.variant, now.settings).items()},
        cells={str(now.id): _stored(now, one) for now, one in done},
    )


def _corpus(now: Now, done: Done) -> Corpus:
    data = {key: value for key, value in now.settings["data"].items() if key != "sample"}
    return Corpus(data=data, encoder=now.settings["encoder"], gold=tuple(int(gold) for gold in done.counts[:, 2]))


def _variants(name: str, settings: Settings) -> dict[str, Variant]:
    """A variant and all that it starts from."""
    own: dict[str, Any] = {key: value for key, value in settings.items() if key not in ("data", "encoder", "upstream", "variant")}
    above = settings.get("upstream")
    if above is None:
        return {name: Variant(settings=own)}
    return {name: Variant(settings=own, upstream=above["variant"])} | _variants(above["variant"], above)


def _stored(now: Now, done: Done) -> Stored:
    tp, pred, gold = (tuple(map(int, column)) for column in done.counts.T)
    return Stored(
        f1=f1_of(tp, pred, gold),
        tp=tp,
        pred=pred,
        hash=done.metrics.hash,
        settings=digest_of(now.settings),
        sample=now.settings["data"]["sample"],
        artefacts=made_for(now.planned),
        result=done.result,
        predictions=done.predictions,
        machine=digest_of(done.machine)[:SHORT] if done.machine is not None else None,
        commit=done.commit,
        dirty=done.dirty,
    )
