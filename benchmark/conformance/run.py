"""All checks on one method, in order; one that fails does not stop the others."""

from __future__ import annotations

import os
import random
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.conformance import declared, fitting, manners, material, predicting, samples
from benchmark.conformance.subject import NAME, Subject
from benchmark.conformance.verdict import Failed, Result, Skipped
from benchmark.conformance.watching import put_back, state
from benchmark.reference import absolute, imported
from splits.errors import KfbenchError
from splits.schema import write_jsonl

Check = Callable[[Subject], str]
CHECKS: tuple[Check, ...] = (*declared.CHECKS, *fitting.CHECKS, *predicting.CHECKS, *manners.CHECKS, *samples.CHECKS)


def examine(reference: str, watch: Callable[[str], None] = lambda check: None) -> list[Result]:
    """Run every check on a method.

    Args:
        reference: a name, `path.py` or `path.py:Class`.
        watch: told the name of each check as it begins.

    Raises:
        ConfigError: there is no such method, or its file cannot be imported.
    """
    method = absolute(reference)
    imported(method)
    results = []
    with tempfile.TemporaryDirectory(prefix="kfbench-check-") as folder, _undisturbed():
        subject = Subject(method, Path(folder).resolve())
        _profile(subject.sandbox)
        os.chdir(subject.sandbox)
        for check in CHECKS:
            watch(name_of(check))
            results.append(_result(check, subject))
    return results


def name_of(check: Check) -> str:
    """As tables print it."""
    return check.__name__


def _result(check: Check, subject: Subject) -> Result:
    asks = (check.__doc__ or "").strip()
    name = name_of(check)
    before = state()
    try:
        return Result(name, asks, "pass", check(subject))
    except Failed as failure:
        return Result(name, asks, "fail", failure.evidence, failure.mend)
    except Skipped as reason:
        return Result(name, asks, "skip", str(reason))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        mend = error.mend if isinstance(error, KfbenchError) else "See the traceback."
        text = error.what if isinstance(error, KfbenchError) else f"{type(error).__name__}: {error}"
        return Result(name, asks, "fail", f"raises {text:.300}", mend, traceback.format_exc())
    finally:
        put_back(before)


def _profile(sandbox: Path) -> None:
    """A working directory as a profile's is: the prepared corpus lies in it, so that who looks for test there finds it."""
    for split, sentences in material.corpus(nested=False).splits.items():
        write_jsonl(sandbox / "data" / NAME / f"{split}.jsonl", sentences)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Leave the process as it was, random generators included."""
    import numpy as np
    import torch

    before, generators = state(), (random.getstate(), np.random.get_state(), torch.get_rng_state())
    try:
        yield
    finally:
        put_back(before)
        random.setstate(generators[0])
        np.random.set_state(generators[1])
        torch.set_rng_state(generators[2])
