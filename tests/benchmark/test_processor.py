"""What decides the last bits of a sum is read from the machine, and an unknown machine claims nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark import processor

X86 = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 143
model name\t: some name: with a colon
flags\t\t: fpu sse4_2 ht avx2 avx512f avx512_bf16 amx_tile aes fma hypervisor smep

processor\t: 1
vendor_id\t: Another
"""
ARM = """processor\t: 0
BogoMIPS\t: 50.00
Features\t: fp asimd evtstrm crc32 sve i8mm bf16
CPU implementer\t: 0x41
CPU part\t: 0xd40
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of files; without them nothing is known."""
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(processor, "CACHES", tmp_path / "cache")
    for name in processor.FORCED:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("cpuinfo", "kind", "instructions"),
    [(X86, "GenuineIntel 6 143", "amx_tile avx2 avx512_bf16 avx512f fma sse4_2"), (ARM, "0x41 0xd40", "asimd bf16 i8mm sve")],
    ids=["x86", "arm"],
)
def test_kind_and_vector_instructions_of_a_processor(cpuinfo: str, kind: str, instructions: str, machine: Path) -> None:
    (machine / "cpuinfo").write_text(cpuinfo)
    for index, size in enumerate(("32K", "32K", "1024K")):
        (machine / "cache" / f"index{index}").mkdir(parents=True)
        (machine / "cache" / f"index{index}" / "size").write_text(f"{size}\n")
    found = processor.arithmetic()
    assert (found["processor"], found["instructions"], found["caches"]) == (kind, instructions, "32K 32K 1024K")


def test_what_cannot_be_told_is_empty(machine: Path) -> None:
    found = processor.arithmetic()
    assert (found["processor"], found["instructions"], found["caches"], found["forced"]) == ("", "", "", "")


def test_a_forced_kernel_makes_another_machine(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = processor.arithmetic()
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    assert processor.arithmetic() == before | {"forced": "ATEN_CPU_CAPABILITY=avx2"}
