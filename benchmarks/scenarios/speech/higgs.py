"""Higgs Audio's codec with random weights, in the file and with the names of the published one. Knows sizes and names."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from unmask.export.checkpoint.folder import SINGLE
from unmask.export.codecs.higgs import BEGIN, QUANTIZER
from unmask.export.codecs.higgs_files import MODEL_TYPE
from unmask.export.codecs.higgs_voice import POSITIONS, POSITIONS_NEW, names
from unmask.export.modules.higgs.decoder import DecoderSizes, FramesDecoder
from unmask.export.modules.higgs.encoder import EncoderSizes, FramesEncoder
from unmask.export.modules.higgs.hubert import HubertSizes

STRIDES = (8, 5, 4, 2, 3)


@dataclass(frozen=True)
class CodecShape:
    """Sizes of the codec that differ between the small and the published one."""

    acoustic_width: int
    first: int  # channels of the encoder's first block
    widest: int  # channels of the decoder's first block
    hubert: HubertSizes
    code_width: int
    streams: int = 8
    codes: int = 1024

    @property
    def width(self) -> int:
        return self.acoustic_width + self.hubert.width

    @property
    def decoder(self) -> DecoderSizes:
        channels = tuple(self.widest >> i for i in range(len(STRIDES) + 1))
        return DecoderSizes(self.streams, self.codes, self.acoustic_width, channels, STRIDES)

    @property
    def encoder(self) -> EncoderSizes:
        channels = tuple(self.first << i for i in range(len(STRIDES) + 1))
        sizes = (self.hubert, 2, 2, channels, STRIDES, self.acoustic_width, self.streams, self.codes, self.code_width)
        return EncoderSizes(*sizes)


def _hubert(width: int, heads: int, layers: int, feed_forward: int, channels: int, position_kernel: int = 128) -> HubertSizes:
    kernels, strides = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
    groups = 16
    return HubertSizes(
        width, heads, layers, feed_forward, (channels,) * 7, kernels, strides, False, True, position_kernel, groups, 1e-5
    )


SMALL_CODEC = CodecShape(16, 4, 64, _hubert(32, 4, 2, 64, 32, 16), 8)
FULL_CODEC = CodecShape(256, 64, 1024, _hubert(768, 12, 12, 3072, 512), 64)


def write_codec(folder: Path, shape: CodecShape = SMALL_CODEC, seed: int = 3) -> Path:
    """Write the codec as it is published: what no command reads is in it too, with few numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    with torch.device("meta"):
        decoder, encoder = FramesDecoder(shape.decoder), FramesEncoder(shape.encoder)
    tensors = {BEGIN + name: _random(name, p) for name, p in decoder.named_parameters() if not _made(name)}
    prefixes = names(shape.encoder)
    for name, parameter in encoder.named_parameters():
        if not _made(name) and name != "semantic_model.positions.weight":
            begin = max((prefix for prefix in prefixes if name.startswith(prefix)), key=len)
            tensors[prefixes[begin] + name.removeprefix(begin)] = _random(name, parameter)
    hubert = shape.hubert
    lengths, directions = (POSITIONS + name for name in POSITIONS_NEW)
    tensors[lengths] = 0.5 + torch.rand(1, 1, hubert.position_kernel)
    tensors[directions] = torch.randn(hubert.width, hubert.width // hubert.position_groups, hubert.position_kernel)
    last = QUANTIZER.format(shape.streams - 1) + "project_out."  # which only the decoder reads
    tensors[last + "weight"] = torch.randn(shape.width, shape.code_width) * shape.code_width**-0.5
    tensors[last + "bias"] = 0.05 * torch.randn(shape.width)
    tensors["fc2.weight"] = torch.randn(shape.acoustic_width, shape.width) * shape.width**-0.5
    tensors["fc2.bias"] = 0.1 * torch.randn(shape.acoustic_width)
    tensors |= unread(shape, encoder)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / SINGLE)
    (folder / "config.json").write_text(json.dumps(codec_config(shape)), encoding="utf-8")
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR), encoding="utf-8")
    return folder


def unread(shape: CodecShape, encoder: FramesEncoder) -> dict[str, Tensor]:
    """What training needed: counts and averages of the codebooks, and the way back from codes to HuBERT's states."""
    found = {}
    for i in range(shape.streams):
        begin = f"{QUANTIZER.format(i)}codebook."
        found |= {begin + "inited": torch.ones(1), begin + "cluster_size": torch.zeros(shape.codes)}
        found[begin + "embed_avg"] = torch.zeros(shape.codes, shape.code_width)
    for name, parameter in encoder.encoder_semantic.named_parameters():
        found[f"decoder_semantic.{'conv1' + name[4:] if name.startswith('conv.') else name}"] = torch.zeros(parameter.shape)
    found["decoder_semantic.conv2.weight"] = torch.zeros(encoder.encoder_semantic.conv.weight.shape)
    width = shape.hubert.width
    return found | {"fc1.weight": torch.zeros(width, shape.width), "fc1.bias": torch.zeros(width)}


PREPROCESSOR = {"feature_extractor_type": "DacFeatureExtractor", "feature_size": 1, "hop_length": 960, "sampling_rate": 24000}


def codec_config(shape: CodecShape) -> dict[str, Any]:
    """config.json: what the published classes need, with left-over numbers of other codecs as there."""
    hubert = shape.hubert
    acoustic = {
        "model_type": "dac",
        "encoder_hidden_size": shape.first,
        "decoder_hidden_size": shape.widest,
        "hidden_size": shape.acoustic_width,
        "downsampling_ratios": list(STRIDES),
        "upsampling_ratios": list(STRIDES),
        "n_codebooks": 9,
        "codebook_dim": 8,
        "sampling_rate": 16000,
    }
    semantic = {
        "model_type": "hubert",
        "hidden_size": hubert.width,
        "num_attention_heads": hubert.heads,
        "num_hidden_layers": hubert.layers,
        "intermediate_size": hubert.feed_forward,
        "conv_dim": list(hubert.channels),
        "conv_kernel": list(hubert.kernels),
        "conv_stride": list(hubert.strides),
        "num_conv_pos_embeddings": hubert.position_kernel,
        "num_conv_pos_embedding_groups": hubert.position_groups,
        "mask_time_prob": 0.0,
    }
    return {
        "model_type": MODEL_TYPE,
        "acoustic_model_config": acoustic,
        "semantic_model_config": semantic,
        "codebook_size": shape.codes,
        "codebook_dim": shape.code_width,
        "target_bandwidths": [0.5, 1, 1.5, 2],
        "sample_rate": 24000,
        "semantic_sample_rate": 16000,
        "downsample_factor": 320,
    }


def _made(name: str) -> bool:
    """Whether the exporter computes it."""
    return name.endswith((".share", ".norms")) or name.startswith("table")


def _random(name: str, parameter: nn.Parameter) -> Tensor:
    shape = tuple(parameter.shape)
    if name.endswith("alpha"):
        return 0.5 + torch.rand(shape)
    if name.endswith("bias"):
        return 0.05 * torch.randn(shape)
    if len(shape) == 1:
        return 1 + 0.1 * torch.randn(shape)
    spread = 1.0 if name.endswith("embed") else (shape[0] * shape[2] / 2 if "conv_t1" in name else parameter[0].numel()) ** -0.5
    return spread * (0.3 if name.endswith("conv2.weight") and len(shape) == 3 else 1.0) * torch.randn(shape)
