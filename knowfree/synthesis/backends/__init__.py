"""Engines that run a language model, each imported only when it is opened."""

from __future__ import annotations

from knowfree.synthesis.chat import Backend
from knowfree.synthesis.llm import BACKEND, LLM
from splits.errors import ConfigError


def open_backend(llm: LLM) -> Backend:
    """The engine of a model, started, with what the environment says (`LLM.here`).

    Raises:
        ConfigError: the back end is `none`, its package is not installed, or its settings name what is not there.
        KfbenchError: it cannot start, or the server cannot be reached.
    """
    llm = llm.here()
    match llm.backend:
        case "vllm":
            from knowfree.synthesis.backends.vllm_engine import open_vllm

            return open_vllm(llm)
        case "openai":
            from knowfree.synthesis.backends.openai_server import OpenAIServer

            return OpenAIServer.of(llm)
        case "transformers":
            from knowfree.synthesis.backends.hf_transformers import TransformersModel

            return TransformersModel(llm)
        case "none":
            raise ConfigError(
                f"no engine is named to run {llm.model}", f"Set {BACKEND} (or `backend`) to one of: vllm, openai, transformers."
            )
