"""How much memory exporting takes against a checkpoint's size: random weights of growing shapes, each in a process of its own.

    python -m benchmarks.lab.export_memory --work .cache/export

Checkpoints are bfloat16, bundles float32; both are deleted after their row. Needs about 2.5 times the largest bundle on disk.
"""

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import torch

from unmask.benchmarks.measure.machine import describe_machine
from unmask.benchmarks.scenarios.checkpoints import SHAPES, SHARD_BYTES, write_checkpoint

CODE = (
    "import sys; from pathlib import Path; from unmask.export.onnx.backbone import export_model; "
    "from unmask.benchmarks.measure.machine import peak_rss_mib; "
    "export_model(Path(sys.argv[1]), Path(sys.argv[2])); print(round(peak_rss_mib()))"
)


@dataclass(frozen=True)
class Memory:
    work: Path = Path(".cache/export")
    shapes: tuple[str, ...] = ("dream-small", "dream-0.5b", "dream-1.5b", "dream-3b")


def main(options: Annotated[Memory, cyclopts.Parameter(name="*")] = Memory()) -> None:
    print(describe_machine())
    print(
        "| shape | parameters | checkpoint GiB | bundle GiB | peak RSS of the export GiB | seconds |\n|---|---|---|---|---|---|"
    )
    for shape in options.shapes:
        print(row(shape, options.work), flush=True)


def row(shape: str, work: Path) -> str:
    checkpoint, bundle = work / shape, work / f"{shape}.bundle"
    family, changes = SHAPES[shape]
    try:
        write_checkpoint(checkpoint, family, shard_bytes=SHARD_BYTES, dtype=torch.bfloat16, **changes)
        stored = sum(path.stat().st_size for path in checkpoint.glob("*.safetensors"))
        began = time.perf_counter()
        line = [sys.executable, "-c", CODE, str(checkpoint), str(bundle)]
        peak = int(subprocess.run(line, capture_output=True, text=True, check=True).stdout.split()[-1]) / 1024
        seconds = time.perf_counter() - began
        made = sum(path.stat().st_size for path in bundle.iterdir())
    finally:
        for folder in (checkpoint, bundle):
            shutil.rmtree(folder, ignore_errors=True)
    return f"| {shape} | {stored / 2e9:.2f} B | {stored / 2**30:.2f} | {made / 2**30:.2f} | {peak:.2f} | {seconds:.0f} |"


if __name__ == "__main__":
    cyclopts.run(main)
