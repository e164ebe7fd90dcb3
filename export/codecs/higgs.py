"""The decoder of OmniVoice's speech codec: codes of eight streams to samples. Quantizers, projections and `fc2` become tables."""

from collections.abc import Callable
from pathlib import Path

import onnx
import torch
from torch import Tensor

from unmask.bundle.codec_spec import CODECS
from unmask.bundle.manifest import Codec
from unmask.export.bundle_writer import WEIGHTS, WeightsFile
from unmask.export.codecs.higgs_files import LICENSE, HiggsFolder, open_folder, parameters, reading, storing
from unmask.export.modules.higgs.decoder import DecoderSizes, FramesDecoder
from unmask.export.onnx.unweighted import point, trace_unweighted

NAME, ROLE = "higgs", "frames_decoder"
BEGIN, QUANTIZER = "acoustic_decoder.", "quantizer.quantizers.{}."
MOST_FRAMES = 1 << 20  # in the graph's signature
REACH = 10  # frames: a frame changes samples up to 9.84 frames before it and 9.82 after


def write(source: Path, checkpoint: Path | None, folder: Path, say: Callable[[str], None]) -> Codec:
    """Write the graph in `folder`. Raises InputError for files of another model; see `unmask.export.codecs`."""
    opened = open_folder(source)
    sizes = sizes_of(opened)
    with torch.device("meta"):
        model = FramesDecoder(sizes)
    folds = {"table": lambda: torch.cat([folded(opened, i) for i in range(sizes.streams)]), "table_bias": lambda: bias(opened)}
    values = parameters(model, opened, {"": BEGIN}, folds)
    weights = WeightsFile(folder / WEIGHTS)
    frames = torch.export.Dim("code_frames", min=1, max=MOST_FRAMES)
    dims = {"code_frames": 3, "streams": sizes.streams}
    traced = trace_unweighted(model, CODECS[NAME].graphs[ROLE], dims, {"code_frames": frames})
    graph = point(traced, {name: (name, 0) for name in values}, storing(weights, values), reading(values))
    onnx.save_model(graph, folder / f"{ROLE}.onnx")
    weights.close()
    return Codec({ROLE: f"{ROLE}.onnx"}, LICENSE, provenance(opened), settings(opened, sizes.streams, sizes.codes, sizes.strides))


def provenance(opened: HiggsFolder) -> dict[str, str]:
    return {"architecture": str(opened.config["model_type"]), "file": opened.path.name}


def settings(opened: HiggsFolder, streams: int, codes: int, strides: tuple[int, ...]) -> dict[str, float]:
    """Numbers that the runners need."""
    hop = 1
    for stride in strides:
        hop *= stride
    return {
        "streams": streams,
        "codes": codes,
        "frame_samples": hop,
        "rate_hz": int(opened.config["sample_rate"]),
        "reach": REACH,
    }


def sizes_of(opened: HiggsFolder) -> DecoderSizes:
    """Raises InputError for tensors that are missing."""
    blocks = opened.count(BEGIN + "block.{}.conv_t1.weight")
    kernels = [opened.shape(f"{BEGIN}block.{i}.conv_t1.weight") for i in range(max(1, blocks))]
    codes, _ = opened.shape(QUANTIZER.format(0) + "codebook.embed")
    first, width, _ = opened.shape(BEGIN + "conv1.weight")
    streams = opened.count(QUANTIZER + "codebook.embed")
    return DecoderSizes(streams, codes, width, (first, *(k[1] for k in kernels)), tuple(k[2] // 2 for k in kernels))


def folded(opened: HiggsFolder, stream: int) -> Tensor:
    """(codes, width): what each code of a stream adds to the decoder's input."""
    begin = QUANTIZER.format(stream)
    rows = opened.tensor(begin + "codebook.embed") @ opened.tensor(begin + "project_out.weight").T
    return (rows + opened.tensor(begin + "project_out.bias")) @ opened.tensor("fc2.weight").T


def bias(opened: HiggsFolder) -> Tensor:
    return opened.tensor("fc2.bias")[None]
