"""The encoder of OmniVoice's speech codec: a reference voice to codes of eight streams."""

from collections.abc import Callable
from pathlib import Path

import onnx
import torch
from torch import Tensor

from unmask.bundle.codec_spec import CODECS
from unmask.bundle.manifest import Codec
from unmask.errors import InputError
from unmask.export.bundle_writer import WEIGHTS, WeightsFile
from unmask.export.codecs.higgs import QUANTIZER, provenance, settings
from unmask.export.codecs.higgs_files import LICENSE, WHAT, HiggsFolder, open_folder, parameters, reading, storing
from unmask.export.modules.higgs.encoder import EncoderSizes, FramesEncoder
from unmask.export.modules.higgs.hubert import HubertSizes
from unmask.export.onnx.unweighted import point, trace_unweighted

NAME, ROLE = "higgs-voice", "frames_encoder"
ACOUSTIC, SEMANTIC = "acoustic_encoder.", "semantic_model."
CONVOLUTION = SEMANTIC + "feature_extractor.conv_layers.{}.conv.weight"
LAYER = SEMANTIC + "encoder.layers.{}."
POSITIONS = SEMANTIC + "encoder.pos_conv_embed.conv."
POSITIONS_OLD, POSITIONS_NEW = ("weight_g", "weight_v"), tuple(f"parametrizations.weight.original{i}" for i in range(2))
STRIDES = (5, 2, 2, 2, 2, 2, 2)  # of HuBERT, which no tensor says
MARGIN, SEMANTIC_HZ = 160, 16_000
MOST_FRAMES = 1 << 20  # in the graph's signature


def write(source: Path, checkpoint: Path | None, folder: Path, say: Callable[[str], None]) -> Codec:
    """Write the graph in `folder`. Raises InputError for files of another model; see `unmask.export.codecs`."""
    opened = open_folder(source)
    sizes = sizes_of(opened)
    with torch.device("meta"):
        model = FramesEncoder(sizes)
    values = parameters(model, opened, names(sizes), made(opened, sizes))
    numbers = settings(opened, sizes.streams, sizes.codes, sizes.strides)
    weights = WeightsFile(folder / WEIGHTS)
    graph = point(_traced(model, numbers), {name: (name, 0) for name in values}, storing(weights, values), reading(values))
    onnx.save_model(graph, folder / f"{ROLE}.onnx")
    weights.close()
    return Codec({ROLE: f"{ROLE}.onnx"}, LICENSE, provenance(opened), numbers | {"semantic_margin": MARGIN})


def _traced(model: FramesEncoder, numbers: dict[str, float]):  # type: ignore[no-untyped-def]
    """Both inputs grow with the frames."""
    hop = int(numbers["frame_samples"])
    semantic = int(hop * SEMANTIC_HZ / numbers["rate_hz"])
    frames = torch.export.Dim("frames", min=2, max=MOST_FRAMES)
    varying = {"frame_samples": hop * frames, "semantic_samples": semantic * frames + 2 * MARGIN}
    dims = {"frame_samples": 7 * hop, "semantic_samples": 7 * semantic + 2 * MARGIN}
    return trace_unweighted(model, CODECS[NAME].graphs[ROLE], dims, varying)


def sizes_of(opened: HiggsFolder) -> EncoderSizes:
    """Raises InputError for tensors that are missing, and for a codec of another form."""
    blocks = opened.count(ACOUSTIC + "block.{}.conv1.weight")
    kernels = [opened.shape(f"{ACOUSTIC}block.{i}.conv1.weight") for i in range(max(1, blocks))]
    strides = tuple(kernel[2] // 2 for kernel in kernels)
    hubert = _hubert(opened)
    codes, code_width = opened.shape(QUANTIZER.format(0) + "codebook.embed")
    hop, states = 1, 1
    for stride in strides:
        hop *= stride
    for stride in hubert.strides:
        states *= stride
    every, rest = divmod(hop * SEMANTIC_HZ, states * int(opened.config["sample_rate"]))
    if rest or not every:
        raise InputError(
            f"{opened.path}: not {WHAT}: its frames of {hop} samples are no whole number of HuBERT's; give its folder"
        )
    return EncoderSizes(
        hubert,
        every,
        opened.count("encoder_semantic.conv_blocks.{}.conv.weight"),
        (opened.shape(ACOUSTIC + "conv1.weight")[0], *(kernel[0] for kernel in kernels)),
        strides,
        opened.shape(ACOUSTIC + "conv2.weight")[0],
        opened.count(QUANTIZER + "codebook.embed"),
        codes,
        code_width,
    )


def _hubert(opened: HiggsFolder) -> HubertSizes:
    config = opened.config.get("semantic_model_config") or {}
    shapes = [opened.shape(CONVOLUTION.format(i)) for i in range(max(1, opened.count(CONVOLUTION)))]
    strides = tuple(config.get("conv_stride") or STRIDES)
    if len(strides) != len(shapes) or config.get("feat_extract_norm", "group") != "group" or config.get("do_stable_layer_norm"):
        raise InputError(f"{opened.path}: not {WHAT}: its HuBERT is of another form than the base one; give its folder")
    width, _, kernel = opened.shape(POSITIONS + _position_weights(opened)[1])
    groups = width // opened.shape(POSITIONS + _position_weights(opened)[1])[1]
    return HubertSizes(
        width,
        int(config.get("num_attention_heads") or 12),
        opened.count(LAYER + "attention.q_proj.weight"),
        opened.shape(LAYER.format(0) + "feed_forward.intermediate_dense.weight")[0],
        tuple(shape[0] for shape in shapes),
        tuple(shape[2] for shape in shapes),
        strides,
        CONVOLUTION.format(0).replace("weight", "bias") in opened.shapes,
        SEMANTIC + "feature_projection.layer_norm.weight" in opened.shapes,
        kernel,
        groups,
        float(config.get("layer_norm_eps") or 1e-5),
    )


def _position_weights(opened: HiggsFolder) -> tuple[str, ...]:
    """Names of the lengths and the directions of a convolution whose weight is kept as both."""
    return POSITIONS_OLD if POSITIONS + POSITIONS_OLD[1] in opened.shapes else POSITIONS_NEW


def names(sizes: EncoderSizes) -> dict[str, str]:
    """Beginning of a parameter's name -> that of the checkpoint's."""
    ours, theirs = "semantic_model.", SEMANTIC
    found = {
        "acoustic_encoder.": ACOUSTIC,
        "encoder_semantic.": "encoder_semantic.",
        "fc.": "fc.",
        f"{ours}first_norm.": f"{theirs}feature_extractor.conv_layers.0.layer_norm.",
        f"{ours}projection_norm.": f"{theirs}feature_projection.layer_norm.",
        f"{ours}projection.": f"{theirs}feature_projection.projection.",
        f"{ours}positions.": POSITIONS,
        f"{ours}norm.": f"{theirs}encoder.layer_norm.",
    }
    for i in range(len(sizes.hubert.channels)):
        found[f"{ours}convolutions.{i}."] = CONVOLUTION.format(i).removesuffix("weight")
    for i in range(sizes.hubert.layers):
        own, layer = f"{ours}layers.{i}.", LAYER.format(i)
        found |= {f"{own}{part}_proj.": f"{layer}attention.{part}_proj." for part in ("q", "k", "v", "out")}
        found |= {f"{own}{part}.": f"{layer}{part}." for part in ("layer_norm", "final_layer_norm")}
        found |= {f"{own}{part}_dense.": f"{layer}feed_forward.{part}_dense." for part in ("intermediate", "output")}
    for i in range(sizes.streams):
        found |= {f"quantizers.{i}.": QUANTIZER.format(i), f"quantizers.{i}.embed": QUANTIZER.format(i) + "codebook.embed"}
    return found


def made(opened: HiggsFolder, sizes: EncoderSizes) -> dict[str, Callable[[], Tensor]]:
    """Parameters that are computed."""

    def norms(stream: int) -> Tensor:
        return opened.tensor(QUANTIZER.format(stream) + "codebook.embed").square().sum(1)[None]

    def positions() -> Tensor:
        length, direction = (opened.tensor(POSITIONS + name) for name in _position_weights(opened))
        return length * direction / direction.norm(dim=(0, 1), keepdim=True)

    found: dict[str, Callable[[], Tensor]] = {f"quantizers.{i}.norms": lambda i=i: norms(i) for i in range(sizes.streams)}
    return found | {"semantic_model.positions.weight": positions}
