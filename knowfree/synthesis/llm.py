"""Which language model is asked, with which settings, and where it runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from knowfree.synthesis.chat import Asked, Sampling
from splits.errors import ConfigError

BackendName = Literal["vllm", "openai", "transformers", "none"]

BACKEND = "KFBENCH_LLM"  # a back end's name, over the configured one
DIRECTORY = "KFBENCH_LLM_DIRECTORY"  # a local copy of the model, over the configured one


class LLM(BaseModel):
    """A model, how its replies are drawn, and the engine that runs it.

    `model`, `revision` and `sampling` are part of a request's key. All the rest says how the replies are computed on this
    machine: it is recorded with them where they may depend on it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    backend: BackendName = "none"  # none: read the replies that are there, ask nobody
    model: str = Field(min_length=1)  # its public name: a hub id, or what a server calls it
    revision: str | None = None  # a commit of the hub; without one, whatever it serves today
    directory: str | None = None  # a local copy to load instead; may hold environment variables (`$KFBENCH_LLMS/smollm2`)
    sampling: Sampling = Sampling()

    # vllm and transformers
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"  # auto: the type of the weights
    trust_remote_code: bool = False  # runs code of the model's repository
    thinking: bool | None = None  # `enable_thinking` of templates that know it (Qwen3); None: as the template has it

    # vllm
    tensor_parallel_size: int = Field(1, ge=1)  # devices that share one copy of the model
    data_parallel_size: int = Field(1, ge=1)  # copies of the model, each on its own devices
    max_model_len: int | None = Field(None, ge=16)  # prompt and reply; None: what the model was trained for
    gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    cpu_cache_gib: int = Field(2, ge=1)  # of keys and values, where there is no GPU
    enforce_eager: bool = False  # no compilation: starts in seconds, runs slower

    # openai
    concurrency: int = Field(16, ge=1)  # requests under way at a time
    timeout: float = Field(600.0, gt=0)  # seconds until a request counts as lost

    # transformers
    batch_size: int = Field(8, ge=1)

    @field_validator("sampling")
    @classmethod
    def _in_range(cls, sampling: Sampling) -> Sampling:
        if sampling.temperature < 0 or not 0 < sampling.top_p <= 1 or sampling.max_tokens < 1:
            raise ValueError("temperature must be 0 or more, top_p in (0, 1], max_tokens 1 or more")
        return sampling

    def asked(self) -> Asked:
        """What goes into the keys of its requests."""
        return Asked(self.model, self.revision, self.sampling)

    def here(self, environ: Mapping[str, str] | None = None) -> LLM:
        """The model as this machine runs it: environment variables win over the configuration, and are filled in.

        Engines and directories differ between machines, and keys must not: so `dvc.lock` is the same everywhere.

        Raises:
            ConfigError: an unknown back end, or one that loads weights and a directory with a variable that is not set.
        """
        environ = os.environ if environ is None else environ
        changes: dict[str, Any] = {}
        if backend := environ.get(BACKEND):
            if backend not in get_args(BackendName):
                raise ConfigError(f"{BACKEND}={backend}: there is no such back end", f"There are: {', '.join(get_args(BackendName))}.")
            changes["backend"] = backend
        loads = changes.get("backend", self.backend) in ("vllm", "transformers")
        if loads and (directory := environ.get(DIRECTORY) or self.directory):
            changes["directory"] = expanded(directory, environ)
        return self.model_copy(update=changes)

    @property
    def place(self) -> str:
        """Where weights are loaded from: the local copy, or the hub."""
        return self.directory or self.model


def expanded(path: str, environ: Mapping[str, str]) -> str:
    """A path with its environment variables filled in.

    Raises:
        ConfigError: one of them is not set.
    """
    try:
        return str(Path(Template(path).substitute(environ)).expanduser())
    except (KeyError, ValueError):
        raise ConfigError(
            f"directory {path!r} of the language model: an environment variable in it is not set",
            f"Export it, or set {DIRECTORY} to a directory that holds the model.",
        ) from None
