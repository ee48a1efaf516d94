"""`kfbench slurm`: a job script that starts Ray over an allocation and runs the plan on it."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmark.commands.common import commands
from benchmark.places import PARAMS
from splits.errors import ConfigError

BODY = Path(__file__).with_suffix(".sh")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*")
NAMES = re.compile(rf"{NAME.pattern}(,{NAME.pattern})*")
LINE = re.compile(r"--[a-z]+(-[a-z]+)*(=[A-Za-z0-9_.,:@+%/&|\[\]*()-]+)?")  # of sbatch: no blanks, no quotes, no comment sign
# As sbatch reads it: minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes, days-hours:minutes:seconds.
TIME = re.compile(r"\d+(:\d{1,2}){0,2}|\d+-\d{1,2}(:\d{1,2}){0,2}", re.ASCII)


@dataclass(frozen=True)
class Job:
    """What is asked of Slurm, and what runs.

    Attributes:
        gpus, cpus: of each node.
        setup: lines of bash that run first: they activate the environment.
        sbatch: further options of sbatch, `--name=value`.
        prepare: make samples and training data first, which asks the language model where the profile has one.

    Raises:
        ConfigError: a value that Slurm or bash would misread.
    """

    profile: Path
    nodes: int = 1
    gpus: int = 1
    cpus: int = 8
    time: str = "24:00:00"
    partition: str | None = None
    account: str | None = None
    name: str = "kfbench"
    setup: Sequence[str] = ()
    sbatch: Sequence[str] = ()
    prepare: bool = False

    def __post_init__(self) -> None:
        for option, number, least in (("--nodes", self.nodes, 1), ("--gpus", self.gpus, 0), ("--cpus", self.cpus, 1)):
            if number < least:
                raise ConfigError(f"{option} {number}: fewer than {least}", f"Give {least} or more.")
        _fits(TIME, "--time", self.time, "minutes, hours:minutes:seconds, or days-hours:minutes:seconds")
        _fits(NAME, "--job-name", self.name, "letters, digits and _.@+-")
        for option, value in (("--partition", self.partition), ("--account", self.account)):
            if value is not None:
                _fits(NAMES, option, value, "a name of letters, digits and _.@+-, or several with commas")
        for line in self.sbatch:
            _fits(LINE, "--sbatch", line, "one option of sbatch, as --mem=64G")
        for line in self.setup:
            _runs(line)
        if "\0" in str(self.profile) or "\n" in str(self.profile) or "\r" in str(self.profile):
            raise ConfigError(f"--profile {str(self.profile)!r}: a line end in its name", "Rename the directory.")

    def script(self) -> str:
        """The job script."""
        asked = [
            f"--job-name={self.name}",
            f"--nodes={self.nodes}",
            "--ntasks-per-node=1",
            f"--cpus-per-task={self.cpus}",
            *([f"--gpus-per-node={self.gpus}"] if self.gpus else []),
            f"--time={self.time}",
            *([f"--partition={self.partition}"] if self.partition else []),
            *([f"--account={self.account}"] if self.account else []),
            f"--output={self.name}-%j.log",
            "--no-kill",
            "--signal=B:TERM@120",
            *self.sbatch,
        ]
        lines = [
            "#!/usr/bin/env bash",
            *(f"#SBATCH {option}" for option in asked),
            "# Written by `kfbench slurm`. A node that fails does not end the job (--no-kill): Ray gives its cells to others.",
            "# Slurm says two minutes before the time is up, so that the run ends cleanly.",
            "set -euo pipefail",
            "",
        ]
        if self.setup:
            lines += ["set +u # scripts that activate an environment read variables that are not set", *self.setup, "set -u", ""]
        run = [*(["dvc repro -k fuse"] if self.prepare else []), "kfbench run --all"]
        lines += [
            f"profile={shlex.quote(str(self.profile))}",
            f"cpus={self.cpus} # of each node, as the GPUs",
            f"gpus={self.gpus}",
            f"commands=({' '.join(map(shlex.quote, run))})",
            "",
        ]
        return "\n".join(lines) + "\n" + BODY.read_text(encoding="utf-8")


def _fits(pattern: re.Pattern[str], option: str, value: str, form: str) -> None:
    if not pattern.fullmatch(value):
        raise ConfigError(f"{option} {value!r}: not of the form that Slurm reads", f"Give {form}.")


def _runs(line: str) -> None:
    """Check that a line of setup is one whole line of bash: it must not swallow what follows."""
    if not line.isprintable() or line.endswith("\\"):
        raise ConfigError(f"--setup {line!r}: not one line", "Give --setup once a line.")
    checked = subprocess.run(["bash", "-n"], input=line + "\n", capture_output=True, text=True, encoding="utf-8", check=False)
    if checked.returncode or checked.stderr:  # a here-document without an end is a warning
        said = (checked.stderr.strip().splitlines() or ["?"])[0]
        raise ConfigError(f"--setup {line!r}: bash cannot read it: {said}", "Quote it, as `--setup 'source .venv/bin/activate'`.")


@commands.command()
def slurm(
    nodes: Annotated[int, typer.Option("--nodes", help="How many nodes.")] = 1,
    gpus: Annotated[int, typer.Option("--gpus", help="GPUs of each node.")] = 1,
    cpus: Annotated[int, typer.Option("--cpus", help="CPU cores of each node.")] = 8,
    time: Annotated[str, typer.Option("--time", help="Limit, as sbatch takes it: 24:00:00, 2-12.")] = "24:00:00",
    partition: Annotated[str | None, typer.Option("--partition", help="Where to run.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="Who pays.")] = None,
    job_name: Annotated[str, typer.Option("--job-name", help="The job's name.")] = "kfbench",
    setup: Annotated[list[str] | None, typer.Option("--setup", help="A line of bash that runs first; may be repeated.")] = None,
    sbatch: Annotated[list[str] | None, typer.Option("--sbatch", help="One more option of sbatch; may be repeated.")] = None,
    prepare: Annotated[bool, typer.Option("--prepare", help="First `dvc repro -k fuse`: samples, explanations, annotations.")] = False,
    profile: Annotated[Path, typer.Option("--profile", help="The profile's directory, which all nodes see.")] = Path(),
    out: Annotated[Path | None, typer.Option("--out", help="Write it there; without, it is printed.")] = None,
) -> None:
    """Write a job script for Slurm: it starts Ray on the nodes of its allocation and runs the profile's plan on them.

    Example: kfbench slurm --nodes 4 --gpus 4 --cpus 32 --setup 'source .venv/bin/activate' --out job.sh
    """
    from splits.files import write_text

    if not (profile / PARAMS).is_file():
        raise ConfigError(f"{profile / PARAMS}: no such file", "Give the directory of a profile as --profile.")
    job = Job(profile.resolve(), nodes, gpus, cpus, time, partition, account, job_name, tuple(setup or ()), tuple(sbatch or ()), prepare)
    if out is None:
        print(job.script(), end="")
    else:
        write_text(out, job.script())
        print(f"{out} written: `sbatch {shlex.quote(str(out))}`")
