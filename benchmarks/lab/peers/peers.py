"""Which systems exist, what each needs, and why one is left out.

Knows names, packages and paths. Opens nothing.
"""

import importlib.util
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from unmask.benchmarks.scenarios.runner import Case
from unmask.errors import InputError

SYSTEMS = "benchmarks.lab.peers.systems:"
SCENARIO = "peers"


@dataclass(frozen=True)
class Peer:
    """A captioning system that is not ours."""

    name: str
    package: str  # to import
    install: str  # to pip
    weights: str  # what its path is
    target: str
    ways: dict[str, dict[str, Any]] = field(default_factory=lambda: {"": {}})  # of reading -> settings of a call
    python: Path | None = None  # of an environment of its own, if it needs one

    @property
    def option(self) -> str:
        return self.name.replace("-", "_").replace(".", "_")


OPTIMUM_PYTHON = Path(__file__).absolute().parents[3] / ".cache/optimum/bin/python"  # what `make optimum-env` makes
TORCH = ("eager", "compiled")  # ways of PyTorch to run the bundle's own weights
COMPILERS = ("g++", "clang++", "c++", "cl")
CAPTIONS = (
    Peer(
        "faster-whisper",
        "faster_whisper",
        "faster-whisper",
        "a folder with Whisper in CTranslate2's form",
        "faster_whisper",
        {"int8, beam 1": {"beam_size": 1, "without_timestamps": True}, "int8, default (beam 5)": {}},
    ),
    Peer("whisper.cpp", "pywhispercpp", "pywhispercpp", "a ggml file of Whisper", "whisper_cpp"),
    Peer("vosk", "vosk", "vosk", "a folder of a Vosk model", "vosk"),
    Peer("moonshine", "moonshine_voice", "moonshine-voice", "a Moonshine model's folder, tiny or base by its name", "moonshine"),
    Peer("sherpa-onnx", "sherpa_onnx", "sherpa-onnx", "a folder with encoder, decoder, joiner and tokens.txt", "sherpa_onnx"),
    Peer("optimum", "optimum", "optimum-onnx", "what optimum-cli made of Moonshine", "optimum", python=OPTIMUM_PYTHON),
)


def absent(peer: Peer, weights: Path | None) -> str | None:
    """Why a peer cannot be measured; None if it can. Raises InputError for weights that are given and do not exist."""
    if weights is None:
        return f"no weights given; name them with --{peer.option.replace('_', '-')} ({peer.weights})"
    if not weights.exists():
        raise InputError(f"{weights}: no such file or folder; --{peer.option.replace('_', '-')} takes {peer.weights}")
    if peer.python is not None:
        return None if peer.python.is_file() else f"{peer.install} not installed; make {peer.name}-env"
    if importlib.util.find_spec(peer.package) is None:
        return f"{peer.package} not installed; pip install {peer.install}"
    return None


def version(peer: Peer) -> str:
    """Of an installed peer's package."""
    if peer.python is None:
        return metadata.version(peer.install)
    sites = [str(path) for path in peer.python.parents[1].glob("lib/python*/site-packages")]
    return next(iter(metadata.distributions(name=peer.install, path=sites))).version


def torch_absent(way: str, asked: Sequence[str]) -> str | None:
    """Why PyTorch cannot run the bundle's own weights in this way; None if it can."""
    if way not in asked:
        return f"not chosen; --pytorch {way} runs the bundle's own weights"
    missing = [name for name in ("torch", "onnx") if importlib.util.find_spec(name) is None]
    if missing:
        return f"{' and '.join(missing)} not installed; pip install 'unmask[export]'"
    named = os.environ.get("CXX")
    if way == "compiled" and not any(shutil.which(name) for name in ([named] if named else COMPILERS)):
        return "torch.compile needs a C++ compiler; install one, or name it in CXX"
    return None


def caption_cases(
    bundle: Path,
    name: str,
    given: Mapping[str, Path | None],
    threads: int,
    recordings: Sequence[str],
    pytorch: Sequence[str] = (),
) -> tuple[list[Case], dict[str, str]]:
    """Cases of the bundle, its own decoding first, and of every available peer; and why the others are left out.

    given: weights by the peer's option; pytorch: of `TORCH`. Raises InputError for weights that do not exist.
    """
    skipped: dict[str, str] = {}
    own = {"own decoding": "default", "draft alone": "draft", "token by token": "greedy"}
    common = {"threads": threads, "recordings": list(recordings)}
    cases = [
        Case(SCENARIO, name, label, f"{SYSTEMS}ours", {"weights": str(bundle), **common}, {"way": way}, threads)
        for label, way in own.items()
    ]
    for way in TORCH:
        if why := torch_absent(way, pytorch):
            skipped[f"PyTorch {way}"] = why
            continue
        arguments = {"weights": str(bundle), **common, "compiled": way == "compiled"}
        cases += [
            Case(SCENARIO, f"PyTorch {way}", label, f"{SYSTEMS}pytorch", arguments, {"way": own[label]}, threads)
            for label in ("own decoding", "token by token")
        ]
    for peer in CAPTIONS:
        weights = given.get(peer.option)
        if why := absent(peer, weights):
            skipped[peer.name] = why
            continue
        arguments = {"weights": str(weights), **common} | ({"python": str(peer.python)} if peer.python else {})
        cases += [
            Case(SCENARIO, peer.name, way, f"{SYSTEMS}{peer.target}", arguments, settings, threads)
            for way, settings in peer.ways.items()
        ]
    return cases, skipped
