"""A bundle whose graphs are compiled for the NPU of a Rockchip chip: one .rknn file for each graph of fixed sizes.

The compiler is a program of its own (`rknn_toolkit`) in another environment. Knows what it prints; knows no PyTorch.
"""

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from unmask.bundle.graph import GraphSpec
from unmask.bundle.graph_spec import kind_of
from unmask.bundle.manifest import Bundle
from unmask.engines.device_check import fixed_call
from unmask.engines.engine_options import EngineOptions
from unmask.engines.onnx import open_session
from unmask.engines.runner import Arrays
from unmask.errors import InputError
from unmask.export.onnx import rknn_toolkit
from unmask.export.onnx.static import fixed_onnx
from unmask.export.target import target_bundle

if TYPE_CHECKING:
    from unmask.export.modules.static import FixedGraph

ENGINE = "rknn"
CHIPS = ("rk3588", "rk3576", "rk3568", "rk3566", "rk3562")
OPSET = 19  # the highest that the toolkit reads
HAS_IT = "import importlib.util, sys; sys.exit(importlib.util.find_spec('rknn') is None)"
TOO_WIDE = "REGTASK"  # in lines on numbers that registers of the NPU cannot hold; the toolkit calls such a graph a success
Say = Callable[[str], None]


def check_toolkit(python: Path, chip: str) -> None:
    """Raises InputError for an interpreter that has no rknn-toolkit2, and for a chip that is not known."""
    if chip not in CHIPS:
        raise InputError(f"--soc {chip}: no chip for which this is made; choose {', '.join(CHIPS)}")
    try:
        has_it = subprocess.run([python, "-I", "-c", HAS_IT], capture_output=True, check=False).returncode == 0
    except OSError as error:
        raise InputError(f"--toolkit {python}: cannot be run ({error.strerror}); {NEXT}") from error
    if not has_it:
        raise InputError(f"--toolkit {python}: has no rknn-toolkit2; {NEXT}")


NEXT = "`make rknn-env` makes the environment .cache/rknn, and --toolkit names the Python of another"


def write_rknn(
    source: Bundle, folder: Path, graphs: Sequence["FixedGraph"], chip: str, python: Path, say: Say = lambda line: None
) -> Path:
    """Write the bundle at `folder` and return it: float16, with the CPU's answers to a call of the first graph of each role.

    source: the bundle that manifest, embedding and tokenizer are taken from. python: of the environment of rknn-toolkit2.
    Raises InputError as `check_toolkit`, and for a graph that cannot be compiled.
    """
    check_toolkit(python, chip)
    kind = kind_of(source.manifest)
    with target_bundle(source, folder, ENGINE, "fp16", f"RKNN, fp16, for {chip}, from {source.manifest.precision}") as target:
        for graph in graphs:
            say(f"compiling {graph.role} {' '.join(f'{name} {count}' for name, count in graph.sizes.items())}")
            model, file = fixed_onnx(graph, OPSET), target.file(graph.role, graph.sizes, "rknn")
            compile_graph(model, target.folder / file, chip, python)
            answers = target.answer(graph.role, file, partial(answers_of, model, kind.graph(graph.role)))
            target.add(graph.role, graph.sizes, file, chip=chip, answers=answers)
    return folder


def compile_graph(model: onnx.ModelProto, made: Path, chip: str, python: Path) -> None:
    """Raises InputError with the toolkit's reason, or when the graph is beyond what the chip's registers hold."""
    with tempfile.TemporaryDirectory() as part:
        given = Path(part) / "graph.onnx"
        onnx.save(model, given)
        done = subprocess.run(
            [python.absolute(), "-I", rknn_toolkit.__file__, given, made.absolute(), chip],
            capture_output=True,
            text=True,
            check=False,
            cwd=part,
        )
    lines = [line.strip() for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
    if done.returncode or not made.is_file():
        raise InputError(f"{made.name}: rknn-toolkit2 cannot compile it: {lines[-1] if lines else 'it ended without a word'}")
    if wide := next((line for line in lines if TOO_WIDE in line), None):
        raise InputError(f"{made.name}: beyond what {chip} computes: {wide}; shorter graphs (--longest-s) may be within")


def answers_of(model: onnx.ModelProto, spec: GraphSpec) -> tuple[Arrays, Arrays]:
    """A call of a graph, and what the CPU gives in float32."""
    session = open_session(model.SerializeToString(), EngineOptions())
    feeds = fixed_call({value.name: tuple(value.shape) for value in session.get_inputs()}, spec)
    names = [value.name for value in session.get_outputs()]
    return feeds, dict(zip(names, session.run(names, feeds), strict=True))
