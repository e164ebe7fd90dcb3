"""SenseVoiceSmall as the speech encoder of a bundle, with the projector that makes rows of the model's canvas of its states.

The projector lies in the checkpoint of the model (Omni-Diffusion), and the encoder there or in SenseVoice's own folder. The
statistics of its features (am.mvn) lie in SenseVoice's folder alone.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from unmask.bundle.codec_spec import CODECS
from unmask.bundle.manifest import Codec
from unmask.errors import InputError
from unmask.export.bundle_writer import WEIGHTS, WeightsFile
from unmask.export.checkpoint.folder import model_name
from unmask.export.checkpoint.pickled import read_pickled
from unmask.export.checkpoint.weights import Checkpoint, open_checkpoint
from unmask.export.modules.sensevoice import ASKED, SenseVoiceConfig, SpeechEncoder
from unmask.export.onnx.unweighted import point, trace_unweighted
from unmask.speech.encoding.encoder import LONGEST_S, ROLE
from unmask.system import show_bytes

NAME, WHAT = "sensevoice", "SenseVoiceSmall (FunAudioLLM/SenseVoiceSmall)"
LICENSE = "FunASR model license (FunAudioLLM/SenseVoiceSmall); of the projector that of the model"
FILE, STATISTICS = "model.pt", "am.mvn"
ENCODER, PROJECTOR = "model.audio_model.model.", "model.audio_projection."
"""How names of its parts begin in the model's checkpoint."""
PARTS = {"model.": ENCODER, "projector.": PROJECTOR}
"""The same, by how names begin in the module."""
UNUSED = "ctc."  # what recognizes text
LONGEST = 120.0  # seconds: 2,004 rows, and Omni-Diffusion was trained on sequences of 3,072
MOST = 1 << 16  # stacked frames in the graph's signature

Parts = Iterable[NDArray[Any]]


@dataclass(frozen=True)
class Sources:
    """Where each parameter of the module comes from, by its name there. Nothing is read yet."""

    shapes: dict[str, tuple[int, ...]]
    parts: dict[str, Callable[[], Parts]]

    def read(self, name: str) -> NDArray[Any]:
        return np.concatenate(list(self.parts[name]()))


def write(source: Path, checkpoint: Path | None, folder: Path, say: Callable[[str], None]) -> Codec:
    """Write the graph in `folder`. Raises InputError or BundleError for files of another model; see `unmask.export.codecs`."""
    if checkpoint is None:
        raise InputError(
            f"--sensevoice {source}: what joins it to the model lies in the model's own checkpoint; name that folder too, with "
            "--projector"
        )
    if not source.is_dir():
        raise InputError(f"{source}: not a folder; give that of {WHAT}")
    model = open_checkpoint(checkpoint)
    sources, own = _sources(source, model)
    config = config_of(source, sources.shapes)
    _check(source, sources.shapes, config)
    say(f"{config.layers} + {config.later_layers} layers of {config.width}, weights from {own}")
    graph = export(config, folder, sources)
    onnx.save_model(graph, folder / f"{ROLE}.onnx")
    say(f"{show_bytes((folder / WEIGHTS).stat().st_size)} of weights written")
    provenance = {"architecture": "SenseVoiceSmall", "encoder": own, "projector": model_name(checkpoint)}
    return Codec({ROLE: f"{ROLE}.onnx"}, LICENSE, provenance, {LONGEST_S: LONGEST})


def export(config: SenseVoiceConfig, folder: Path, sources: Sources) -> onnx.ModelProto:
    """The graph for any number of frames, whose weights are written in `folder`."""
    with torch.device("meta"):
        module = SpeechEncoder(config)
    names = [name for name, _ in module.named_parameters()]
    stacked = torch.export.Dim("stacked", min=1, max=MOST)
    queries = len(ASKED)
    dims = {"features": config.features, "width": config.rows, "stacked": 20, "encoded": 20 + queries}
    varying = {"stacked": stacked, "encoded": stacked + queries}
    program = trace_unweighted(module, CODECS[NAME].graphs[ROLE], dims, varying)
    weights = WeightsFile(folder / WEIGHTS)
    graph = point(program, {name: (name, 0) for name in names}, lambda name: weights.stream(sources.parts[name]()), sources.read)
    weights.close()
    return graph


def _sources(source: Path, model: Checkpoint) -> tuple[Sources, str]:
    """The parts from the checkpoint, or the encoder from SenseVoice's own file; and where the encoder comes from."""
    found = Sources({}, {})
    for ours, theirs in PARTS.items():
        for name in (name for name in model.shapes if name.startswith(theirs) and not name.startswith(theirs + UNUSED)):
            own = ours + name.removeprefix(theirs)
            found.shapes[own], found.parts[own] = model.shapes[name], lambda name=name: model.parts(name)
    if not any(name.startswith("projector.") for name in found.shapes):
        raise InputError(
            f"{model.folder}: no tensors {PROJECTOR}* here, so this model reads no {NAME}; give the folder of Omni-Diffusion"
        )
    own = "the model's checkpoint"
    if not any(name.startswith("model.") for name in found.shapes):
        own = f"{source.name}/{FILE}"
        for name, tensor in read_pickled(source / FILE).items():
            if not name.startswith(UNUSED):
                found.shapes[f"model.{name}"] = tuple(tensor.shape)
                found.parts[f"model.{name}"] = lambda name=name, tensor=tensor: _finite(source / FILE, name, tensor)
    for name, values in zip(("shift", "scale"), statistics(source / STATISTICS), strict=True):
        found.shapes[name], found.parts[name] = values.shape, lambda values=values: [values]
    return found, own


def _finite(path: Path, name: str, tensor: Tensor) -> Iterator[NDArray[np.float32]]:
    values = tensor.float()
    if not torch.isfinite(values).all():
        raise InputError(f"{path}: {name} holds numbers that are not finite; download it again")
    yield values.numpy()


def statistics(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What is added to each feature, and what it is then multiplied by, of Kaldi's text file am.mvn. Raises InputError."""
    if not path.is_file():
        raise InputError(f"{path}: missing; give the folder of {WHAT}, where it lies beside {FILE}")
    text = path.read_text(encoding="utf-8", errors="replace")
    found = [re.search(rf"<{mark}>[^\[]*\[([^\]]*)\]", text) for mark in ("AddShift", "Rescale")]
    try:
        shift, scale = (np.array(match[1].split() if match else [], np.float32) for match in found)
    except ValueError as error:
        raise InputError(f"{path}: not Kaldi's statistics of features ({error}); download it again") from error
    if not len(shift) or len(shift) != len(scale) or not (np.isfinite(shift).all() and np.isfinite(scale).all()):
        raise InputError(f"{path}: {len(shift)} shifts and {len(scale)} scales of features; download it again")
    return shift, scale


def config_of(source: Path, shapes: Mapping[str, tuple[int, ...]]) -> SenseVoiceConfig:
    """The sizes, from names and shapes; the number of heads leaves no trace there. Raises InputError when these are others."""

    def count(group: str) -> int:
        found = (match for name in shapes if (match := re.match(rf"model\.encoder\.{group}\.(\d+)\.", name)))
        return 1 + max((int(match[1]) for match in found), default=-1)

    try:
        first = "model.encoder.encoders0.0."
        return SenseVoiceConfig(
            rows=shapes["projector.mlp.2.weight"][0],
            features=shapes[f"{first}norm1.weight"][0],
            width=shapes[f"{first}norm2.weight"][0],
            feed_forward=shapes[f"{first}feed_forward.w_1.weight"][0],
            layers=1 + count("encoders"),
            later_layers=count("tp_encoders"),
            memory=shapes[f"{first}self_attn.fsmn_block.weight"][2],
        )
    except (KeyError, IndexError) as error:
        raise InputError(f"{source}: not {WHAT}: it has no tensor {_theirs(str(error.args[0]))}") from error


def _theirs(name: str) -> str:
    """A name of the module as the files have it."""
    return name.removeprefix("model.").replace("projector.", PROJECTOR, 1)


def _check(source: Path, shapes: Mapping[str, tuple[int, ...]], config: SenseVoiceConfig) -> None:
    """Raises InputError that names what is missing, of another shape, or unknown."""
    with torch.device("meta"):
        expected = {name: tuple(value.shape) for name, value in SpeechEncoder(config).named_parameters()}
    missing = [name for name in expected if name not in shapes]
    wrong = [f"{name} {list(shapes[name])}" for name in expected if name in shapes and shapes[name] != expected[name]]
    unknown = [name for name in shapes if name not in expected]
    for what, names in (("lacks", missing), ("has other sizes of", wrong), ("has besides", unknown)):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise InputError(f"{source}: not {WHAT}: it {what} {', '.join(map(_theirs, names[:3]))}{more}")
