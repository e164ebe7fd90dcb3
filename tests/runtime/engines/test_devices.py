"""Reading a machine's hardware, from system files of other machines."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from unmask import system
from unmask.benchmarks.measure.machine import describe_machine, peak_rss_mib
from unmask.engines import devices
from unmask.engines.devices import (
    Accelerator,
    describe_cpu,
    read_cpu,
    read_machine,
)
from unmask.system import read_memory_mib

X86 = """processor\t: 0
model name\t: AMD EPYC 9R14
flags\t\t: fpu avx2 avx512f avx512_vnni avx512_bf16 sse
processor\t: 1
model name\t: another
flags\t\t: fpu
"""
BOARD = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm asimddp
"""


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_a_server(tmp_path: Path) -> None:
    cpu = read_cpu(written(tmp_path, {"proc/cpuinfo": X86}))
    assert cpu.name == "AMD EPYC 9R14"
    assert cpu.flags == ("avx2", "avx512f", "avx512_vnni", "avx512_bf16")
    assert describe_cpu(cpu) == f"AMD EPYC 9R14, {cpu.cores} cores, avx2 avx512f avx512_vnni avx512_bf16"


def test_a_board_names_itself(tmp_path: Path) -> None:
    files = {"proc/cpuinfo": BOARD, "proc/device-tree/model": "Raspberry Pi 5 Model B\0", "proc/meminfo": "MemTotal: 8192 kB\n"}
    cpu = read_cpu(written(tmp_path, files))
    assert (cpu.name, cpu.flags) == ("Raspberry Pi 5 Model B", ("asimd", "asimddp"))
    assert read_memory_mib(tmp_path) == 8


def test_a_mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"machdep.cpu.brand_string": "Apple M3", "hw.memsize": "17179869184", "hw.optional.arm.FEAT_I8MM": "1"}
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    for module in (devices, system):
        monkeypatch.setattr(module, "sysctl", values.get)
    cpu = read_cpu(tmp_path)
    assert (cpu.name, cpu.flags, read_memory_mib(tmp_path)) == ("Apple M3", ("i8mm",), 16384)
    assert Accelerator("NPU", "Apple M3 Neural Engine", "macOS") in devices._system_accelerators(tmp_path)


def test_a_laptop_with_an_npu(tmp_path: Path) -> None:
    files = {
        "sys/class/accel/accel0/device/uevent": "DRIVER=intel_vpu\nPCI_ID=8086:7D1D\n",
        "sys/class/accel/accel0/device/vendor": "0x8086\n",
        "sys/class/drm/card0/device/uevent": "DRIVER=amdgpu\n",
        "sys/class/drm/card0/device/vendor": "0x1002\n",
        "sys/class/drm/card0-HDMI-A-1/device/uevent": "",
    }
    found = devices._system_accelerators(written(tmp_path, files))
    assert found == [
        Accelerator("GPU", "AMD (amdgpu)", "/sys/class/drm"),
        Accelerator("NPU", "Intel (intel_vpu)", "/sys/class/accel"),
    ]


def test_this_machine() -> None:
    machine = read_machine()
    assert machine.cpu.name
    assert 1 <= machine.cpu.cores <= (os.cpu_count() or 1)
    assert "cpu" in {provider.provider for provider in machine.providers}
    assert not {provider.provider for provider in machine.providers} & set(machine.missing)
    (onnx,) = (engine for engine in machine.engines if engine.engine == "onnx")
    assert onnx.version
    json.dumps(asdict(machine))
    assert describe_machine().startswith(describe_cpu(machine.cpu))
    assert 10 < peak_rss_mib() < 1e5


def test_nothing_is_asked_at_import() -> None:
    code = "import sys, unmask.engines.devices; print('onnxruntime' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == "False\n"
