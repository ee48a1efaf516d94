"""`kfbench new-method`: a file to start a method from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from benchmark.commands.common import commands
from splits.errors import ConfigError


@commands.command("new-method")
def new_method(
    name: Annotated[str, typer.Argument(help="What params and tables call it: lower case letters, digits and _.")],
    kind: Annotated[
        str, typer.Option("--kind", help="neural: an encoder and the suite's training loop. rules: no training, no torch.")
    ] = "neural",
    out: Annotated[Path | None, typer.Option("--out", help="The file to write. Default: NAME.py here.")] = None,
) -> None:
    """Write a method in one file that runs as it stands, and say what to type next.

    Example: kfbench new-method span_bert
    """
    from benchmark.templates import Kind, write_method

    if kind not in ("neural", "rules"):
        raise ConfigError(f"--kind {kind!r}", "It is `neural` or `rules`.")
    path = out or Path(f"{name}.py")
    write_method(name, cast("Kind", kind), path)
    print(f"{path}: a {kind} method that runs as it stands; change its model and its `fit`. Then:\n")
    print(f"  kfbench check {path}")
    print(f"  kfbench compare {path} --against bert_crf --corpus demo_zh --size 120    # in a profile's directory, such as demo/")
