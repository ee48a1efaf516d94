"""`kfbench explain`, `annotate`, `fuse`: the artefacts of KnowFREE, stage by stage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.places import PARAMS

if TYPE_CHECKING:
    from knowfree.synthesis.stages import Stages

commands = typer.Typer()

Corpus = Annotated[str, typer.Argument(metavar="CORPUS", help="A corpus of the profile, prepared and drawn.")]
ParamsFile = Annotated[Path, typer.Option("--params", help="The profile's params file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the stage's report as JSON, for machines.")]


@commands.command()
def explain(corpus: Corpus, params: ParamsFile = PARAMS, as_json: AsJson = False) -> None:
    """Have a language model explain the samples of CORPUS, and cut its text into new sentences.

    Replies go to data/replies/CORPUS.explain.jsonl as they come: a run that is killed asks only for the rest. Without a
    language model in the profile the result is empty. KFBENCH_LLM chooses the back end: vllm, openai, transformers, none.

    Example: KFBENCH_LLM=vllm kfbench explain mit_movie
    """
    _report(_stages(corpus, params).explain(), as_json, "kept", "sentences", "removed")


@commands.command()
def annotate(corpus: Corpus, params: ParamsFile = PARAMS, as_json: AsJson = False) -> None:
    """Annotate the samples and explanations of CORPUS with extension entities, parts of speech and words.

    Example: kfbench annotate weibo
    """
    _report(_stages(corpus, params).annotate(), as_json, "annotators")


@commands.command()
def fuse(corpus: Corpus, params: ParamsFile = PARAMS, as_json: AsJson = False) -> None:
    """Write data/fused/CORPUS: fusion and synthetic training data of every size and draw, with their labels.

    Example: kfbench fuse weibo --json
    """
    _report(_stages(corpus, params).fuse(), as_json)


def _stages(corpus: str, params: Path) -> Stages:
    from rich.console import Console

    from benchmark.config import load_params
    from benchmark.workspace import Workspace
    from knowfree.synthesis.stages import Stages
    from splits.errors import ConfigError

    profile = load_params(params)
    if corpus not in profile.corpora:
        raise ConfigError(f"the profile has no corpus {corpus!r}", f"It has: {', '.join(profile.corpora)}.")
    return Stages(profile, Workspace(), corpus, Console(stderr=True, highlight=False))


def _report(report: Mapping[str, Any], as_json: bool, *shown: str) -> None:
    if as_json:
        print(json.dumps(report, ensure_ascii=False, indent=1))
        return
    rows = {name: report[name] for name in shown if name in report}
    print(f"{report['corpus']}: {json.dumps(rows, ensure_ascii=False)}" if rows else f"{report['corpus']}: done")
