"""What of a machine decides the last bits of a sum: libraries choose their kernels by it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")  # oneDNN and MKL cut matrices by their sizes
VECTORS = re.compile(r"(sse|ssse|avx|amx|fma|f16c|neon|asimd|fphp|sve|sme\d?$|bf16|i8mm)")  # x86 and ARM: instructions that add up numbers
FORCED = (  # variables that choose kernels whatever the processor can do
    *("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE"),
    *("MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE"),
)


def arithmetic() -> dict[str, str]:
    """Architecture, processor, vector instructions, caches, C library, and what the environment forces.

    Two machines that agree in all of it, and in the versions of their libraries, give the same bytes; where a part cannot be told
    (a system without /proc), it is empty, and nothing may be concluded.
    """
    forced = {name: value for name in FORCED if (value := os.environ.get(name))}
    return {
        "architecture": f"{platform.system()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()).strip(),
        "forced": " ".join(f"{name}={value}" for name, value in forced.items()),
        **_processor(CPUINFO, CACHES),
    }


@cache
def _processor(cpuinfo: Path, caches: Path) -> Mapping[str, str]:
    fields = _first(cpuinfo)
    kind = [fields.get(name, "") for name in ("vendor_id", "cpu family", "model")]  # x86
    kind += [fields.get(name, "") for name in ("CPU implementer", "CPU part", "CPU variant")]  # ARM
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    return {
        "processor": " ".join(filter(None, kind)),
        "instructions": " ".join(sorted(flag for flag in flags if VECTORS.match(flag))),
        "caches": " ".join(_text(index / "size") for index in sorted(caches.glob("index*"))),
    }


def _first(cpuinfo: Path) -> dict[str, str]:
    """The fields of the first processor."""
    fields: dict[str, str] = {}
    for line in _text(cpuinfo).split("\n\n")[0].splitlines():
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    return fields


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
