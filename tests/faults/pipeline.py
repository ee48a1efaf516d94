"""The micro profile in a checkout of its own, with a corpus to download: `dvc repro` in it, what its processes do, what it leaves."""

from __future__ import annotations

import compileall
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from splits.corpora import demo_zh
from splits.schema import write_jsonl
from tests.benchmark.test_pipeline import checkout
from tests.environment import environment
from tests.faults.upstream import Upstream
from tests.system import process

HOOK = Path(__file__).parent / "hook"
CORPUS = "served_zh"
VARIANTS = ("bert_crf", "knowfree")
SENTENCES = 100  # of each split
LIMIT = 600  # seconds for a process to end by itself
CHAIN = ("prepare", "draw", "explain", "annotate", "fuse", "train", "report")  # each needs those before it
OUTS = {
    "prepare": [f"data/{CORPUS}"],
    "draw": [f"data/draws/{CORPUS}.json"],
    "explain": [f"data/explained/{CORPUS}", f"data/replies/{CORPUS}.explain.jsonl"],
    "annotate": [f"data/annotated/{CORPUS}", f"data/replies/{CORPUS}.annotate.jsonl"],
    "fuse": [f"data/fused/{CORPUS}"],
    "method": ["data/methods", ".kfbench/methods.json"],
    "report": ["site"],
}
# what DVC and Python keep for themselves
NOT_OURS = re.compile(r"^\.dvc/(tmp|cache)/|^site-cache/|/__pycache__/|^events/")
TIMED = re.compile(r"run\.json|cell\.json|\.index\.json|site/.*|.*\.lock|dvc\.lock")  # names that stay, bytes that may differ
TABLES = re.compile(r"site/(cells\.csv|tables/(?!cost\.).*)")

CONVERTER = '''"""What tests/faults serves: demo_zh as files to download."""
from splits.corpus import Corpus
from splits.labels import Inventory
from splits.schema import read_jsonl
from splits.source import Pinned, Source

FILES = {files!r}
SOURCE = Source(
    language="zh", licence="Apache-2.0", redistributable=True, citation="knowfree-bench",
    files={{split: Pinned(f"{{split}}.jsonl", *rest) for split, rest in FILES.items()}},
)


def read(files):
    return Corpus("{name}", {{split: read_jsonl(path) for split, path in files.items()}}, Inventory.of_targets({labels!r}))
'''


@dataclass(frozen=True)
class Event:
    """A line of the hook: `what` happened in process `pid`, which had by then used `cpu` seconds."""

    what: str
    pid: int
    cpu: float
    command: tuple[str, ...] = ()
    hash: str = ""

    @property
    def stage(self) -> str:
        """The stage whose command it is, `train` for all variants."""
        names = {"corpora": "prepare", "fingerprint": "method", "run": "train"}
        return names.get(self.command[0], self.command[0]) if self.command else ""


@dataclass(frozen=True)
class Pipeline:
    """A checkout with the micro profile in it."""

    root: Path
    upstream: Upstream

    @property
    def profile(self) -> Path:
        return self.root / "tests" / "micro"

    @property
    def log(self) -> Path:
        return self.root / "events"

    def start(self, *arguments: str, engine: str = "serial") -> subprocess.Popen[str]:
        """`dvc repro -k`, its output in a file."""
        self.log.mkdir(exist_ok=True)
        env = environment(
            PYTHONPATH=f"{HOOK}{os.pathsep}{self.root}",
            FAULTS_LOG=str(self.log),
            SSL_CERT_FILE=str(self.upstream.certificate),
            NO_PROXY="127.0.0.1",
            DVC_SITE_CACHE_DIR=str(self.root / "site-cache"),
            HF_HUB_OFFLINE="1",
            OMP_NUM_THREADS="1",
            KFBENCH_ENGINE=engine,
            KFBENCH_WORKERS="2",
        )
        env.pop("KFBENCH_MIRROR", None)
        (self.log / "output").unlink(missing_ok=True)  # an orphan goes on writing into the old one
        with (self.log / "output").open("w") as output:
            return subprocess.Popen(
                ["dvc", "repro", "-k", *arguments],
                cwd=self.profile,
                env=env,
                stdout=output,
                stderr=output,
                text=True,
                start_new_session=True,
            )

    def output(self) -> str:
        """What the last `start` printed so far."""
        return (self.log / "output").read_text(errors="replace")

    def run(self, engine: str = "serial") -> int:
        """`dvc repro -k` to its end."""
        return self.start(engine=engine).wait(LIMIT)

    def events(self) -> list[Event]:
        return events(self.log)

    def processes(self) -> list[int]:
        """Everything alive that this pipeline started, whoever its parent is now."""
        mark = f"FAULTS_LOG={self.log}".encode()
        found = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in environ.read_bytes().split(b"\0"):
                    found.append(int(environ.parent.name))
            except OSError:  # it has ended, or is not ours to look at
                continue
        return found

    def cpu(self) -> dict[int, float]:
        """Seconds that each of them has used."""
        found = {}
        for pid in self.processes():
            if (one := process(pid)) is not None:
                found[pid] = one.seconds
        return found

    def wait_for_all(self) -> bool:
        """Whether every process ends by itself."""
        return until(lambda: not self.processes(), LIMIT / 5)

    def before(self, stage: str, variant: str = VARIANTS[0]) -> None:
        """Take back a stage and all that follow from it, as if they had never run."""
        after = {"method", "train", "report"} if stage == "method" else set(CHAIN[CHAIN.index(stage) :])
        trained = () if "train" not in after else (variant,) if stage == "train" else VARIANTS
        for name in after - {"train"}:
            for out in OUTS[name]:
                _remove(self.profile / out)
        for one in trained:
            _remove(self.profile / "results" / CORPUS / one)
            for manifest in (self.profile / ".kfbench" / "store").glob("*/cell.json"):
                if json.loads(manifest.read_text())["cell"]["variant"] == one:
                    _remove(manifest.parent)
                    _remove(manifest.parent.with_suffix(".lock"))
        lock = yaml.safe_load((self.profile / "dvc.lock").read_text())
        gone = {f"{name}@{CORPUS}" for name in after} | after | {f"train@{CORPUS}-{one}" for one in trained}
        lock["stages"] = {name: value for name, value in lock["stages"].items() if name not in gone}
        (self.profile / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))

    def forget_downloads(self) -> None:
        _remove(self.profile / ".kfbench" / "downloads")

    def copy(self, root: Path) -> Pipeline:
        """The same in another folder, without what DVC remembers of runs."""
        shutil.copytree(self.root, root, ignore=shutil.ignore_patterns("events", "site-cache", "runs", "tmp"), symlinks=True)
        return Pipeline(root, self.upstream)

    def contents(self) -> dict[str, str]:
        """Every file that is left, with a hash of its bytes where they must be the same each time."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            inside = name.removeprefix("tests/micro/")
            if NOT_OURS.search(f"{name}/" if path.is_dir() else name):
                continue
            if path.is_dir():
                found[f"{inside}/"] = ""
                continue
            same = TABLES.fullmatch(inside) or not any(TIMED.fullmatch(text) for text in (inside, path.name))
            found[inside] = hashlib.sha256(path.read_bytes()).hexdigest() if same else ""
        return found

    def lock(self) -> dict[str, Any]:
        """dvc.lock without the pages, whose times differ."""
        stages = dict(yaml.safe_load((self.profile / "dvc.lock").read_text())["stages"])
        stages.pop("report")
        return stages


def events(log: Path) -> list[Event]:
    """What the hook told so far."""
    path = log / "events.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    return [Event(row["what"], row["pid"], row["cpu"], tuple(row.get("command", ())), row.get("hash", "")) for row in rows]


def until(condition: Callable[[], object], seconds: float, pause: float = 0.005) -> bool:
    """Whether a condition came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


def served(folder: Path) -> dict[str, bytes]:
    """The files of the corpus that is downloaded: a part of demo_zh."""
    folder.mkdir()
    for split, sentences in demo_zh.read({}).splits.items():
        write_jsonl(folder / f"{split}.jsonl", sentences[:SENTENCES])
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def make(root: Path, upstream: Upstream, files: dict[str, bytes]) -> Pipeline:
    """A checkout that has not run yet: micro with a corpus to download, and two draws."""
    checkout(root)
    pinned = {
        name.removesuffix(".jsonl"): (hashlib.sha256(data).hexdigest(), len(data), upstream.url(name)) for name, data in files.items()
    }
    converter = CONVERTER.format(files=pinned, name=CORPUS, labels=list(demo_zh.LABELS))
    (root / "splits" / "corpora" / f"{CORPUS}.py").write_text(converter, encoding="utf-8")
    made = Pipeline(root, upstream)
    params = made.profile / "params.yaml"
    values = yaml.safe_load(params.read_text(encoding="utf-8"))
    values |= {"corpora": [CORPUS], "draws": 2, "encoders": {CORPUS: values["encoders"].popitem()[1]}}
    params.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    compileall.compile_dir(root, quiet=2)  # the stages write no bytecode: a kill would leave Python's own half-written files
    return made


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
