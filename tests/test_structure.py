"""The house: which room may import which, what is listed where, how large files are, and what importing loads."""

import ast
import graphlib
import importlib
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import unmask

ROOT = Path(__file__).resolve().parents[1]
TOP = ("runtime", "export", "quant", "benchmarks", "training", "apps", "models")
LAB = "benchmarks/lab"

# Each room imports only itself and the rooms above it. A file belongs to the longest of these that it lies in.
ROOMS = (
    "runtime/errors.py",
    "runtime/system.py",
    "runtime/replaced_files.py",
    "runtime/user_cache.py",
    "runtime/decoding",
    "runtime/bundle",
    "runtime/engines",
    "runtime/image",
    "runtime/text",
    "runtime/speech",
    "runtime/voice",
    "runtime",
    "apps/ui",  # what a panel is, which its training has to know
    "export",
    "quant",
    "benchmarks/measure",
    "benchmarks/report",
    "benchmarks/compare",
    "benchmarks/scenarios",
    "benchmarks/tuning",
    "benchmarks",
    "training",
    "models",
    "apps",
    "apps/audio",
    "apps/captions",
    "apps/modalities",
    "apps/terminal",
    "apps/web",
    "apps/wyoming",
    "apps/batch",
    "apps/cli",
    LAB,
)
# How many files may name an engine or a family: its own and the table that lists it, for each thing of that name. litert is an
# engine (known_engines) and a conversion target (export/litert, quant/targets); coreml is also a provider of ONNX Runtime;
# omnivoice is a family, a published decoding and the scenario of its random weights;
# dream, llada and fast_dllm are families and published decodings (schedule, reference), and Omni-Diffusion decodes as Dream does.
# The numbers only fall. ("onnx" is also a package's name, and "block" a kind of attention, so they cannot be counted.)
NAMED = {"litert": 3, "rknn": 3, "coreml": 5, "dream": 5, "llada": 4, "fast_dllm": 4, "a2d": 1, "omnivoice": 5}

ENGINES = ("onnxruntime", "ai_edge_litert", "coremltools", "onnxruntime_qnn", "onnxruntime_ep_openvino", "onnxruntime_ep_webgpu")
HEAVY = ("torch", "onnx", *ENGINES, "soundfile", "soxr", "sounddevice", "rich", "cyclopts", "transformers")
LONGEST_FILE, LONGEST_FUNCTION, LARGEST_FOLDER = 400, 60, 12


@cache
def trees() -> dict[str, ast.Module]:
    """Every file of the package by its path."""
    paths = sorted(path for top in TOP for path in (ROOT / top).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


@cache
def modules() -> dict[str, str]:
    """Path of every module by its name. The lab is not installed, so it goes by its folders."""
    found = {}
    for path in trees():
        parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
        if parts[0] == "runtime":
            parts = ["unmask", *parts[1:]]
        elif not path.startswith(LAB):
            parts = ["unmask", *parts]
        found[".".join(parts)] = path
    return found


def imported(tree: ast.AST) -> Iterator[str]:
    """Full names of all that a file imports anywhere, on first use and for type checking included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{ast.unparse(node)}: imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(name: str) -> str | None:
    """Path of the module that an imported name is or lies in, None for other packages."""
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return modules().get(name)


@cache
def edges() -> list[tuple[str, str]]:
    """Pairs of paths, the first of which imports the second."""
    found = {(path, own(name)) for path, tree in trees().items() for name in imported(tree)}
    return sorted((path, other) for path, other in found if other and path != other)


def room(path: str) -> int:
    return ROOMS.index(max((room for room in ROOMS if f"{path}/".startswith(f"{room}/")), key=len))


def test_rooms_import_only_rooms_above_them() -> None:
    assert [(path, other) for path, other in edges() if room(path) < room(other)] == []


def test_no_file_imports_itself_through_others() -> None:
    graph = defaultdict[str, set[str]](set)
    for path, other in edges():
        graph[path].add(other)
    graphlib.TopologicalSorter(graph).prepare()  # a circle is an error that lists its files


def test_the_import_check_sees_everything() -> None:
    source = "import a.b, c\nfrom d import e\nif c:\n    def f():\n        from g.h import i, j\n"
    assert sorted(imported(ast.parse(source))) == ["a.b", "c", "d.e", "g.h.i", "g.h.j"]
    assert own("unmask.decoding.sampler.Sampler") == "runtime/decoding/sampler.py"
    assert own("unmask.load_bundle") == "runtime/__init__.py"
    assert own("numpy.typing") is None


def test_runtime_stands_alone() -> None:
    """Its dependencies are three; other engines are extras, each in its own file, imported on use."""
    known = {*sys.stdlib_module_names, "numpy", "onnxruntime", "tokenizers", "unmask"}
    extras = {
        f"runtime/engines/{name}.py": f
        for name, f in (("litert", "ai_edge_litert"), ("coreml", "coremltools"), ("rknn", "rknnlite"))
    }
    strangers = [
        (path, name)
        for path, tree in trees().items()
        if path.startswith("runtime/")
        for name in imported(tree)
        if name.split(".")[0] not in {*known, extras.get(path)}
    ]
    assert strangers == []


def test_tests_of_the_runtime_and_the_apps_need_no_torch() -> None:
    """What the runtime computes is held against PyTorch in tests/agreement."""
    paths = [path for folder in ("runtime", "apps") for path in (ROOT / "tests" / folder).rglob("*.py")]
    assert paths
    found = {path.name for path in paths for name in imported(ast.parse(path.read_text(encoding="utf-8"))) if name == "torch"}
    assert found == set()


@cache
def holders() -> dict[str, set[str]]:
    """Paths of the files that name an engine or a family, the lab left out."""
    found: dict[str, set[str]] = {name: set() for name in NAMED}
    for path, tree in trees().items():
        for node in () if path.startswith(LAB) else ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in found:
                found[node.value].add(path)
    return found


@pytest.mark.parametrize("name", NAMED)
def test_an_engine_or_a_family_is_named_in_few_files(name: str) -> None:
    assert 0 < len(holders()[name]) <= NAMED[name], sorted(holders()[name])


def test_every_folder_is_installed_but_the_lab() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {name for name, path in modules().items() if path.endswith("__init__.py") and not path.startswith(LAB)}
    assert set(settings["packages"]) == folders
    mapped = settings["package-dir"]
    for top in TOP:
        assert mapped["unmask" if top == "runtime" else f"unmask.{top}"] == top
    bare = {path.rsplit("/", 1)[0] for path in trees()}
    assert bare == {path.removesuffix("/__init__.py") for path in trees() if path.endswith("/__init__.py")}


def test_files_functions_and_folders_stay_short() -> None:
    long = [
        f"{path}: {lines} lines"
        for path in trees()
        if (lines := len((ROOT / path).read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    ]
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                long += [f"{path}:{node.lineno}: {node.name} has {lines} lines"] * (lines > LONGEST_FUNCTION)
    counts = Counter(path.rsplit("/", 1)[0] for path in trees() if not path.endswith("__init__.py"))
    long += [f"{folder}: {count} modules" for folder, count in counts.items() if count > LARGEST_FOLDER]
    assert long == []


def loaded(code: str, *arguments: str | Path) -> list[str]:
    """The modules of a fresh interpreter after the code, which may print nothing else to stderr."""
    line = f"{code}\nimport sys; print(*sys.modules, sep='\\n', file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", line, *arguments], check=True, capture_output=True, text=True)
    return done.stderr.split()


def within(names: list[str], packages: tuple[str, ...]) -> list[str]:
    return [name for name in names if any(f"{name}.".startswith(f"{package}.") for package in packages)]


def test_import_loads_nothing_heavy() -> None:
    assert within(loaded("import unmask"), ("numpy", "tokenizers", "unmask.decoding")) == []
    found = loaded("import unmask; unmask.open_model, unmask.LiveCaptioner")
    assert "unmask.decoding.sampler" in found
    assert within(found, (*HEAVY, *(f"unmask.{top}" for top in TOP))) == []


def test_the_version_loads_no_model_code() -> None:
    found = loaded("from unmask.apps.cli.main import main; assert main(['--version']) == 0")
    rooms = ("unmask.export", "unmask.quant", "unmask.benchmarks", "unmask.training", "unmask.apps.web", "unmask.apps.audio")
    assert within(found, ("torch", "onnx", "soundfile", "soxr", "sounddevice", *ENGINES, *rooms)) == []


def test_an_engine_imports_no_other(fp32_bundle: Path) -> None:
    found = loaded("import sys; from unmask import Engine, load_bundle; Engine(load_bundle(sys.argv[1])).load()", fp32_bundle)
    assert [name for name in ENGINES if name in found] == ["onnxruntime"]


def test_public_names() -> None:
    """Each is there when it is asked for, and type checkers see the same names in the same modules."""
    assert unmask.__all__ == sorted(unmask.__all__)
    listed = {(name, module) for module, names in unmask._HOMES.items() for name in names}
    checked = {
        tuple(name.rpartition(".")[::-2]) for name in imported(trees()["runtime/__init__.py"]) if name.startswith("unmask.")
    }
    assert {name for name, _ in listed} == set(unmask.__all__)
    assert checked == listed
    for name in unmask.__all__:
        assert getattr(unmask, name) is getattr(importlib.import_module(dict(listed)[name]), name)
    assert set(unmask.__all__) <= set(dir(unmask))
    with pytest.raises(AttributeError, match="module 'unmask' has no attribute 'nothing'"):
        unmask.nothing  # noqa: B018
    assert unmask.__version__
