"""GLM-4-Voice's decoder, the codec that makes sound of Omni-Diffusion's speech codes: files to graphs.

Knows the names in its files and their config.yaml. Knows no task.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

import onnx
import torch
from torch import Tensor, nn

from unmask.bundle.codec_spec import CODECS
from unmask.bundle.manifest import Codec
from unmask.errors import InputError
from unmask.export.bundle_writer import WEIGHTS, WeightsFile, externalize
from unmask.export.checkpoint.yaml_numbers import Value, read_numbers
from unmask.export.codecs.tensor_file import fitting, read_tensors
from unmask.export.modules.voice.estimator import Estimator
from unmask.export.modules.voice.flow_encoder import FlowEncoder
from unmask.export.modules.voice.sizes import FlowSizes, VocoderSizes
from unmask.export.modules.voice.vocoder import Vocoder
from unmask.export.onnx.trace import trace
from unmask.speech.synthesis.frames import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME

NAME, SOURCE = "glm-voice", "THUDM/glm-4-voice-decoder"
FLOW, VOCODER, CONFIG = "flow.pt", "hift.pt", "config.yaml"
ESTIMATOR = "decoder.estimator."  # where the flow's file has it
LICENSE = "GLM-4 model license (commercial use needs a registration; read its LICENSE)"
FLOW_KEYS = {
    "codes": "flow.vocab_size",
    "codes_per_second": "flow.input_frame_rate",
    "width": "flow.input_size",
    "heads": "flow.encoder.attention_heads",
    "ffn": "flow.encoder.linear_units",
    "layers": "flow.encoder.num_blocks",
    "block": "flow.encoder.block_size",
    "mels": "flow.output_size",
    "speaker": "flow.spk_embed_dim",
    "channels": "flow.decoder.estimator.channels",
    "estimator_heads": "flow.decoder.estimator.num_heads",
    "head_width": "flow.decoder.estimator.attention_head_dim",
    "transformers": "flow.decoder.estimator.n_blocks",
    "middle": "flow.decoder.estimator.num_mid_blocks",
    "guidance": "flow.decoder.cfm_params.content.inference_cfg_rate",
}
VOCODER_KEYS = {
    "mels": "hift.in_channels",
    "width": "hift.base_channels",
    "harmonics": "hift.nb_harmonics",
    "sample_rate_hz": "hift.sampling_rate",
    "amplitude": "hift.nsf_alpha",
    "noise": "hift.nsf_sigma",
    "voiced_hz": "hift.nsf_voiced_threshold",
    "rates": "hift.upsample_rates",
    "kernels": "hift.upsample_kernel_sizes",
    "fft": "hift.istft_params.n_fft",
    "hop": "hift.istft_params.hop_len",
    "block_kernels": "hift.resblock_kernel_sizes",
    "source_kernels": "hift.source_resblock_kernel_sizes",
    "slope": "hift.lrelu_slope",
    "limit": "hift.audio_limit",
    "pitch_width": "hift.f0_predictor.cond_channels",
}
"""Field of the sizes -> entry of config.yaml."""
Sizes = TypeVar("Sizes", FlowSizes, VocoderSizes)


def write(source: Path, checkpoint: Path | None, folder: Path, say: Callable[[str], None]) -> Codec:
    """source: the folder with flow.pt and hift.pt, and config.yaml if its sizes are not the published ones. As the table says."""
    if not source.is_dir():
        raise InputError(f"{source}: not a folder; give the one with {FLOW} and {VOCODER} ({SOURCE})")
    flow, vocoder = read_sizes(source)
    with torch.device("meta"):  # they are given tensors, so nothing needs to be drawn first
        encoder, estimator = FlowEncoder(flow), Estimator(flow)
    load(source / FLOW, {"": encoder, ESTIMATOR: estimator})
    hift = Vocoder(vocoder)
    load(source / VOCODER, {"": hift})
    modules = {"flow_encoder": encoder, "flow_estimator": estimator, "pitch": hift.f0_predictor, "vocoder": hift}
    weights = WeightsFile(folder / WEIGHTS)
    for role in CODECS[NAME].graphs:
        say(f"codec {NAME}: {role}")
        graph = traced(role, modules[role], flow, vocoder)
        onnx.save_model(externalize(graph, weights), folder / f"{role}.onnx")
    weights.close()
    names = ("codes", "codes_per_second", "block", "guidance", "mels")
    settings = {name: float(getattr(flow, name)) for name in names} | {"sines": float(vocoder.harmonics + 1)}
    files = {role: f"{role}.onnx" for role in CODECS[NAME].graphs}
    return Codec(files, LICENSE, {"source": SOURCE, "exported by": "unmask export"}, settings)


def read_sizes(source: Path) -> tuple[FlowSizes, VocoderSizes]:
    """The published sizes, and those that config.yaml gives. Raises InputError for numbers that this codec does not fit."""
    path = source / CONFIG
    numbers = read_numbers(path) if path.is_file() else {}
    top = {"flow.spk_embed_dim": "spk_embed_dim", "hift.sampling_rate": "sample_rate"}  # `!ref` to these
    numbers |= {entry: numbers[name] for entry, name in top.items() if name in numbers}
    flow, vocoder = _sizes(FlowSizes(), FLOW_KEYS, numbers, path), _sizes(VocoderSizes(), VOCODER_KEYS, numbers, path)
    found = (vocoder.sample_rate_hz, vocoder.samples_per_frame, vocoder.mels)
    if found != (SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, flow.mels):
        raise InputError(
            f"{path}: {found[0]} Hz, {found[1]} samples a frame and {found[2]} mels; a speech codec has {SAMPLE_RATE_HZ} Hz, "
            f"{SAMPLES_PER_FRAME} samples and the {flow.mels} mels of its flow"
        )
    return flow, vocoder


def _sizes(published: Sizes, keys: Mapping[str, str], numbers: Mapping[str, Value], path: Path) -> Sizes:
    changes: dict[str, Any] = {}
    for field in fields(published):
        value, usual = numbers.get(keys.get(field.name, "")), getattr(published, field.name)
        if value is None:
            continue
        if isinstance(value, list) != isinstance(usual, tuple):
            raise InputError(f"{path}: {keys[field.name]} is {value}, which is no size of this codec; download it again")
        changes[field.name] = tuple(value) if isinstance(value, list) else value
    return replace(published, **changes)


def load(path: Path, modules: Mapping[str, nn.Module]) -> None:
    """Fill modules with the tensors of a file. modules: prefix of the names there -> module.

    Raises BundleError for a file that cannot be read, and InputError that names a tensor for one of another model.
    """
    wanted = {f"{prefix}{name}": value for prefix, module in modules.items() for name, value in module.state_dict().items()}
    found = fitting(path, fused(read_tensors(path), path), wanted, f"{path.name} of {SOURCE}")
    for prefix, module in modules.items():
        module.load_state_dict({name: found[f"{prefix}{name}"] for name in module.state_dict()}, assign=True)


def fused(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors with each pair of weight normalization, g and v, as the weight g v / |v| (Salimans and Kingma, 2016).

    They are `weight_g` and `weight_v`, or in newer files `parametrizations.weight.original0` and `original1`. The length is that
    of each slice of the first axis.
    """
    newer = "parametrizations.weight.original"
    pairs = (("weight_g", "weight_v"), (f"{newer}0", f"{newer}1"))
    found = dict(tensors)
    for length, direction in pairs:
        for full in [full for full in found if full.endswith(f".{direction}")]:
            stem = full.removesuffix(direction)
            if stem + length not in found:
                raise InputError(f"{path}: has {full} but no {stem}{length}; download it again")
            g, v = found.pop(stem + length), found.pop(full)
            found[f"{stem}weight"] = v * (g / torch.linalg.vector_norm(v, dim=tuple(range(1, v.ndim)), keepdim=True))
    return found


def traced(role: str, module: nn.Module, flow: FlowSizes, vocoder: VocoderSizes) -> onnx.ModelProto:
    """The graph of a role, of any size."""
    frames, per = torch.export.Dim("spoken_frames", min=2, max=1 << 20), vocoder.samples_per_frame
    varying = {
        "spoken_codes": torch.export.Dim("spoken_codes", min=1, max=1 << 20),
        "spoken_frames": frames,
        "spoken_samples": per * frames,
        "guided": torch.export.Dim("guided", min=1, max=2),
    }
    sizes = {"mels": flow.mels, "sines": vocoder.harmonics + 1, "spoken_codes": 12, "spoken_frames": 83, "guided": 2}
    proto: onnx.ModelProto = trace(module, CODECS[NAME].graphs[role], sizes | {"spoken_samples": 83 * per}, varying).model_proto
    return proto
