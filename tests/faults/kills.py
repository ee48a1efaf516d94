"""SIGKILLs at random moments of the micro pipeline, each followed by a plain re-run that must end in the undisturbed bytes.

    python -m tests.faults.kills --kills 50 --seed 0 --log kills.log

A kill starts from a copy of the finished pipeline in which a stage, and all that follow from it, never ran. `dvc repro -k` runs;
at a moment drawn within that stage its process is killed, or dvc is (whose child then lives on); sometimes the re-run is killed
as well. A moment is a share of what the stage did in an undisturbed run, counted in CPU seconds, or pieces of a download: a busy
machine moves it nowhere. What the last re-run leaves is held against the undisturbed run: predictions, metrics, data and tables
byte by byte, the names of all files, and which process trained which cell when.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tests import system
from tests.faults.pipeline import LIMIT, VARIANTS, Pipeline, make, served, until
from tests.faults.upstream import PIECES, Upstream

# In turn, so that a run of any length hits what it can; training is where a cell may be lost.
TARGETS = ("download", "train", "annotate", "report", "train", "prepare", "draw", "explain", "fuse", "method")
ENGINES = ("serial", "processes")
BEYOND = 1.15  # of a stage's duration: a moment may fall behind its end, where DVC hashes and records
TWICE = 0.25  # how often a re-run is killed, too
NAMED = 5  # faults in a line
RUNS = 3  # re-runs at most; one is to do
# What DVC writes in place, and says when a kill cut it; the remedy is that of docs/footguns.md.
REFUSALS = {"dvc.lock": "tests/micro/dvc.lock", "rwlock": ".dvc/tmp/rwlock"}


@dataclass(frozen=True)
class Moment:
    """When to kill, and whom."""

    target: str
    share: float  # of the stage's duration, as the undisturbed run had it
    whom: str  # "stage" or "dvc"
    twice: bool
    engine: str
    variant: str


@dataclass
class Verdict:
    """What a kill led to; `faults` is empty where all is well."""

    moment: Moment
    landed: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    cured: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def line(self, number: int) -> str:
        m = self.moment
        more = f"; and {len(self.faults) - NAMED} more" if len(self.faults) > NAMED else ""
        said = "; ".join(self.faults[:NAMED]) + more if self.faults else "ok"
        return (
            f"{number:3} {m.target:8} at {m.share:4.2f} of it, {m.engine:9}: {' then '.join(self.landed)} | "
            f"{', then '.join(self.runs)}{' | DVC refused, cured by removing ' + ', '.join(self.cured) if self.cured else ''} | {said}"
        )


def moments(seed: int, kills: int) -> Iterator[Moment]:
    """The kills of a run: the first ones are the same for any number."""
    for number in range(kills):
        draw = np.random.default_rng([seed, number])
        target = TARGETS[number % len(TARGETS)]
        share, whom, twice = BEYOND * draw.random(), ("stage", "dvc")[int(draw.random() < 0.5)], bool(draw.random() < TWICE)
        engine = ENGINES[(number + number // len(TARGETS)) % 2]
        yield Moment(target, share, whom, twice, engine, VARIANTS[int(draw.random() < 0.5)])


class Undisturbed:
    """A whole run without a kill: what every other one must come to, and how long each stage took."""

    def __init__(self, root: Path, upstream: Upstream, files: dict[str, bytes]) -> None:
        self.pipeline = make(root, upstream, files)
        if self.pipeline.run() != 0:
            raise SystemExit(f"the undisturbed run failed:\n{self.pipeline.output()}")
        self.contents, self.lock = self.pipeline.contents(), self.pipeline.lock()
        self.work = {"download": float(len(files) * PIECES)}
        begun: dict[int, float] = {}
        for event in self.pipeline.events():
            if event.what == "begin":
                begun.setdefault(event.pid, event.cpu)
            elif event.what == "stop":
                self.work[event.stage] = event.cpu
                if event.pid in begun:
                    self.work["cells"] = event.cpu - begun[event.pid]


def kill(undisturbed: Undisturbed, moment: Moment, root: Path) -> Verdict:
    """One kill, or two, and the re-run."""
    verdict = Verdict(moment)
    pipeline = undisturbed.pipeline.copy(root)
    stage = "prepare" if moment.target == "download" else moment.target
    pipeline.before(stage, moment.variant)
    if moment.target == "download":
        pipeline.forget_downloads()
    draw = np.random.default_rng([int(moment.share * 1e9)])
    _strike(pipeline, undisturbed, moment, verdict)
    if moment.twice:
        span = undisturbed.work["draw"] + undisturbed.work[stage]  # the start of dvc, about a small stage, and the stage
        _strike(pipeline, undisturbed, replace(moment, target="", share=span * draw.random()), verdict)
    for _ in range(RUNS):
        code = pipeline.run(moment.engine)
        verdict.runs.append(_did(pipeline, code))
        if code == 0:
            break
        for name, path in REFUSALS.items():
            if refused(pipeline.output(), name):
                (pipeline.root / path).unlink()
                verdict.cured.append(name)
    else:
        verdict.faults.append(f"does not end well: {pipeline.output()[-800:]!r}")
    if len(verdict.runs) - len(verdict.cured) > 1:
        verdict.faults.append(f"took {len(verdict.runs)} re-runs")
    if not pipeline.wait_for_all():
        verdict.faults.append(f"left processes {pipeline.processes()}")
        system.kill(pipeline.processes())
    verdict.faults += faults(pipeline, undisturbed)
    return verdict


def faults(pipeline: Pipeline, undisturbed: Undisturbed) -> list[str]:
    """What differs from the undisturbed run, and what ran that should not have."""
    found, expected = pipeline.contents(), undisturbed.contents
    wrong = [f"left behind: {name}" for name in found.keys() - expected.keys()]
    wrong += [f"not there: {name}" for name in expected.keys() - found.keys()]
    wrong += [f"other bytes: {name}" for name in found.keys() & expected.keys() if found[name] != expected[name]]
    if not wrong and pipeline.lock() != undisturbed.lock:
        wrong.append("dvc.lock differs")
    wrong += [
        f"{event.what} in training: {event.hash[:12]} by {event.pid}" for event in pipeline.events() if event.what in ("twice", "again")
    ]
    return sorted(wrong)


def _strike(pipeline: Pipeline, undisturbed: Undisturbed, moment: Moment, verdict: Verdict) -> None:
    """Run, wait for the moment, kill. Without a target, `share` is CPU seconds from the very start."""
    before, sent = len(pipeline.events()), pipeline.upstream.sent
    stage = "prepare" if moment.target == "download" else moment.target
    inside = moment.target == "train" and moment.share > BEYOND / 4  # most times when a cell has begun
    dvc = pipeline.start(engine=moment.engine)
    anchor, seen = dict[int, float](), dict[int, float]()

    def begun() -> bool:
        events = pipeline.events()[before:]
        return not stage or any(e.what == "begin" if inside else e.what == "start" and e.stage == stage for e in events)

    def reached() -> bool:
        if moment.target == "download":
            return pipeline.upstream.sent - sent >= moment.share * undisturbed.work["download"]
        seen.update(pipeline.cpu())
        used = sum(cpu - anchor.get(pid, 0.0) for pid, cpu in seen.items())
        return used >= moment.share * (undisturbed.work["cells" if inside else stage] if stage else 1.0)

    if until(lambda: begun() or dvc.poll() is not None, LIMIT):
        anchor.update(pipeline.cpu())
        until(lambda: reached() or dvc.poll() is not None, LIMIT, 0.05)
    events = pipeline.events()[before:]
    if dvc.poll() is not None:
        verdict.landed.append("after the end")
        return
    living = [e for e in events if e.what == "start" and not any(o.what == "stop" and o.pid == e.pid for o in events)]
    cells = Counter(e.what for e in events if e.what in ("begin", "end"))
    where = f"in {living[-1].stage}" if living else f"behind {events[-1].stage or 'a stage'}" if events else "before any stage"
    if living and living[-1].stage == "train":
        where += f" (cells begun {cells['begin']}, trained {cells['end']})"
    if moment.whom == "stage" and living:
        with suppress(ProcessLookupError):
            os.kill(living[-1].pid, signal.SIGKILL)
        verdict.landed.append(f"SIGKILL to the stage {where}")
        dvc.wait(LIMIT)  # it goes on with what does not need the stage
    else:
        dvc.kill()
        dvc.wait()
        orphans = len(pipeline.processes())
        verdict.landed.append(f"SIGKILL to dvc {where}, {orphans} processes live on" if orphans else f"SIGKILL to dvc {where}")


def _did(pipeline: Pipeline, code: int) -> str:
    """A re-run in words."""
    text = pipeline.output()
    count = {what: text.count(what) for what in ("Running stage", "didn't change, skipping", "another process runs it")}
    waited = f", waited for {count['another process runs it']} cells" if count["another process runs it"] else ""
    return f"re-run: {count['Running stage']} stages run, {count['didn' + chr(39) + 't change, skipping']} skipped{waited}, exit {code}"


def refused(text: str, name: str) -> bool:
    """Whether DVC refuses to start because a kill cut one of its own files."""
    said = {"dvc.lock": ("dvc.lock' is invalid", "dvc.lock' validation failed"), "rwlock": ("Unable to read RWLock-file",)}
    return any(words in text for words in said[name])


def run(kills: int, seed: int, say: object = print) -> list[Verdict]:
    """The undisturbed run, then as many kills."""
    assert callable(say)
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        top = Path(folder)
        files = served(top / "served")
        with Upstream(files, top) as upstream:
            undisturbed = Undisturbed(top / "undisturbed", upstream, files)
            work = ", ".join(f"{stage} {amount:.1f}" for stage, amount in undisturbed.work.items() if stage != "download")
            say(f"undisturbed: {len(undisturbed.contents)} files and folders; CPU seconds: {work}")
            for number, moment in enumerate(moments(seed, kills), 1):
                verdict = kill(undisturbed, moment, top / str(number))
                say(verdict.line(number))
                verdicts.append(verdict)
                if not verdict.faults:
                    shutil.rmtree(top / str(number))
    return verdicts


def summary(verdicts: list[Verdict]) -> str:
    """Counts: of all, of stages that were hit, of whom, of refusals."""
    landed = [text for verdict in verdicts for text in verdict.landed]
    hit = Counter(found.group(1) for text in landed if (found := re.search(r" (?:in|behind) (\w+)", text)))
    behind = sum(" behind " in text for text in landed)
    bad = sum(bool(verdict.faults) for verdict in verdicts)
    lines = [
        f"{len(verdicts)} kills, {len(landed) - len(verdicts)} of them with a second one; {len(verdicts) - bad} ok, {bad} not",
        "killed in: "
        + ", ".join(f"{stage} {count}" for stage, count in sorted(hit.items()))
        + f"; {behind} of them behind it, as dvc recorded it",
        f"whom: stage {sum('to the stage' in text for text in landed)}, dvc {sum('to dvc' in text for text in landed)}, "
        f"of which left processes that lived on {sum('live on' in text for text in landed)}; after the end {landed.count('after the end')}",
        f"re-runs: {sum(len(v.runs) for v in verdicts)}; refused until a file of DVC was removed: {sum(len(v.cured) for v in verdicts)}",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="also write the lines there")
    asked = parser.parse_args()
    lines: list[str] = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)
        if asked.log:
            asked.log.write_text("\n".join(lines) + "\n", encoding="utf-8")

    verdicts = run(asked.kills, asked.seed, say)
    say(summary(verdicts))
    raise SystemExit(any(verdict.faults for verdict in verdicts))


if __name__ == "__main__":
    main()
