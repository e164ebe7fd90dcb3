"""rknn-toolkit2's simulator in place of a board's NPU: a module `rknnlite.api` whose models run in the toolkit's own process.

The simulator runs what it has just compiled and no .rknn file, so it compiles again: the ONNX graph that was compiled into it.
Run as a program, by the toolkit's Python, it is that process: a line with a graph, then lines with calls.
"""

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from unmask.export.onnx import rknn_toolkit

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".cache/rknn/bin/python"
needs_toolkit = pytest.mark.skipif(not PYTHON.exists(), reason="no rknn-toolkit2 here: make rknn-env")
SERVE = """
import runpy, sys
import numpy as np
toolkit = runpy.run_path(sys.argv[1])["build"](sys.argv[2], sys.argv[3])
assert toolkit.init_runtime() == 0
print("ready", flush=True)
for line in sys.stdin:
    with np.load(line.strip()) as stored:
        given = [stored[f"arr_{i}"] for i in range(len(stored.files))]
    np.savez(line.strip() + ".made.npz", *toolkit.inference(inputs=given, data_format=["nchw"] * len(given)))
    print("ready", flush=True)
"""


class Simulated:
    """What the engine calls of `rknnlite.api.RKNNLite`."""

    graphs: Path
    """Folder with NAME.onnx of each NAME.rknn."""
    chip = "rk3588"

    def load_rknn(self, path: str) -> int:
        self._graph = self.graphs / f"{Path(path).stem}.onnx"
        return 0 if Path(path).is_file() and self._graph.is_file() else -1

    def init_runtime(self) -> int:
        line = [PYTHON, "-I", "-c", SERVE, rknn_toolkit.__file__, self._graph, self.chip]
        self._process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        return self._wait()

    def _wait(self) -> int:
        assert self._process.stdout is not None
        return 0 if any(line == "ready\n" for line in iter(self._process.stdout.readline, "")) else -1

    def inference(self, inputs: list[Any], data_format: list[str]) -> list[Any] | None:
        assert data_format == ["nchw"] * len(inputs)
        assert self._process.stdin is not None
        call = self._graph.with_suffix(".npz")
        np.savez(call, *inputs)
        print(call, file=self._process.stdin, flush=True)
        if self._wait():
            return None
        with np.load(f"{call}.made.npz") as stored:
            return [stored[f"arr_{i}"] for i in range(len(stored.files))]

    def release(self) -> None:
        self._process.kill()
        self._process.wait()


def install(monkeypatch: pytest.MonkeyPatch, model: type) -> None:
    """Let `from rknnlite.api import RKNNLite` give `model`."""
    package, api = ModuleType("rknnlite"), ModuleType("rknnlite.api")
    api.RKNNLite = model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rknnlite", package)
    monkeypatch.setitem(sys.modules, "rknnlite.api", api)
