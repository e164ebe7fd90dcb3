"""What importing costs and loads, which package may import which, and how large files and functions may be."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import unmask

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("runtime", "export", "quant", "apps", "benchmarks", "training", "models")
SIBLINGS = tuple(f"unmask.{name}" for name in PACKAGES[1:])
ENGINES = ("onnxruntime", "ai_edge_litert", "coremltools", "onnxruntime_qnn", "onnxruntime_ep_openvino", "onnxruntime_ep_webgpu")
HEAVY = ("torch", "onnx", *ENGINES, "soundfile", "soxr", "sounddevice", "rich", "cyclopts", "transformers")


def files(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Full names of all modules that a file imports anywhere, on first use and for type checking included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offences(packages: tuple[str, ...], forbidden: tuple[str, ...]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files(*packages)
        for name in imported(path)
        if any(f"{name}.".startswith(f"{other}.") for other in forbidden)
    ]


@pytest.fixture(scope="module")
def imports() -> list[tuple[float, list[str]]]:
    """Seconds that `import unmask` took and the modules there after it, in five fresh interpreters."""
    code = (
        "import json, sys, time; start = time.perf_counter(); import unmask; took = time.perf_counter() - start; "
        "print(json.dumps([took, sorted(sys.modules)]))"
    )
    return [
        json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
        for _ in range(5)
    ]


def test_import_is_quick(imports: list[tuple[float, list[str]]]) -> None:
    assert min(took for took, _ in imports) < 0.3


def test_import_loads_nothing_heavy(imports: list[tuple[float, list[str]]]) -> None:
    _, modules = imports[0]
    assert "unmask.decoding.sampler" in modules
    assert [name for name in modules if name.split(".")[0] in HEAVY] == []
    assert [name for name in modules if any(f"{name}.".startswith(f"{other}.") for other in SIBLINGS)] == []


def test_an_engine_imports_no_other(fp32_bundle: Path) -> None:
    code = (
        "import sys; from unmask import Engine, load_bundle; Engine(load_bundle(sys.argv[1])).load(); "
        f"print([name for name in {ENGINES!r} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code, fp32_bundle], check=True, capture_output=True, text=True).stdout
    assert shown == "['onnxruntime']\n"


def test_runtime_stands_alone() -> None:
    """Its dependencies are three; other engines are extras, each in its own file, imported on use."""
    known = {*sys.stdlib_module_names, "numpy", "onnxruntime", "tokenizers", "unmask"}
    extras = {"litert.py": "ai_edge_litert", "coreml.py": "coremltools"}
    strangers = [
        f"{path.name} imports {name}"
        for path in files("runtime")
        for name in imported(path)
        if name.split(".")[0] != extras.get(path.name)
    ]
    assert [line for line in strangers if line.split(" imports ")[1].split(".")[0] not in known] == []
    assert offences(("runtime",), SIBLINGS) == []


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("export", ("unmask.apps", "unmask.benchmarks", "unmask.training")),
        ("quant", tuple(name for name in SIBLINGS if name not in ("unmask.quant", "unmask.export"))),
    ],
)
def test_siblings_import_downwards(package: str, forbidden: tuple[str, ...]) -> None:
    assert offences((package,), forbidden) == []


def test_nothing_imports_the_apps() -> None:
    """But for the voice activity detector, which benchmarks of live captions share with the command."""
    found = offences(tuple(name for name in PACKAGES if name != "apps"), ("unmask.apps",))
    assert [line for line in found if line != "benchmarks/lab/live.py imports unmask.apps.audio.silero.Silero"] == []


def test_the_import_check_sees_everything(tmp_path: Path) -> None:
    source = "import a.b, c\nfrom d import e\nif c:\n    def f():\n        from g.h import i, j\n"
    (tmp_path / "odd.py").write_text(source, encoding="utf-8")
    assert sorted(imported(tmp_path / "odd.py")) == ["a.b", "c", "d.e", "g.h.i", "g.h.j"]


@pytest.mark.parametrize("path", files(*PACKAGES), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno + 1 <= 60, f"{path}:{node.lineno}: {node.name}"


def test_public_names() -> None:
    public = {name for name, value in vars(unmask).items() if not name.startswith("_") and not isinstance(value, ModuleType)}
    assert set(unmask.__all__) == public
    assert unmask.__all__ == sorted(unmask.__all__)
    assert unmask.__version__
