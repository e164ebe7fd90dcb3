"""Write a captioner's bundle: its context, window and verify graphs and the manifest that describes them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from unmask.bundle.embedding import Embedding
from unmask.bundle.graph_spec import TIMELINE
from unmask.bundle.manifest import FORMAT, Manifest, Timeline, Verifier, Vocabulary
from unmask.decoding.schedule import Schedule
from unmask.export.bundle_writer import write_bundle
from unmask.export.modules.captioner import BLANK, CaptionerModel, CaptionWindow, Context, Verify
from unmask.export.modules.whisper import FRAMES_PER_SECOND
from unmask.export.onnx.parameters import name_parameters
from unmask.export.onnx.trace import free_bias_rows, trace

FAMILY = "whisper-timeline"
TOP = 2  # the best id and the runner-up; probability, margin and entropy orders need no more
LONGEST_S = 30.0  # of Whisper's encoder


def write_captioner(
    model: CaptionerModel,
    tokenizer: str,
    folder: Path,
    name: str,
    license: str,
    provenance: dict[str, str],
    blank_penalty: float = 0.0,
) -> Path:
    """Write an fp32 bundle of `model` and return `folder`. tokenizer: JSON text. blank_penalty as in `CaptionWindow`."""
    model = model.eval()
    graphs = {"context": _export_context(model), "window": _export_window(model, blank_penalty), "verify": _export_verify(model)}
    config = model.config
    manifest = Manifest(
        format=FORMAT,
        name=name,
        family=FAMILY,
        description="English speech to text on a timeline canvas",
        precision="fp32",
        attention="full",
        logits_shift=0,
        vocabulary=Vocabulary(config.vocabulary, config.mask, BLANK, {"text": (0, config.vocabulary)}),
        embedding=(nowhere := Embedding("", 0, 0, 0, "float32")),
        tokenizer="",
        graphs={},
        files={},
        tasks={"caption": Schedule(rule="threshold", threshold=0.9, passes=1, verify=64, verify_lookahead=8)},
        license=license,
        provenance=provenance,
        timeline=Timeline(config.frames_per_slot, 1000 / FRAMES_PER_SECOND, LONGEST_S, 1000.0),
        verifier=Verifier(nowhere, config.prompt_ids, BLANK, config.whisper.decoder_positions),
    )
    for graph in graphs.values():
        name_parameters(graph, model)
    return write_bundle(folder, manifest, graphs, model.embedding.weight.detach().numpy(), tokenizer)


def _export_context(model: CaptionerModel) -> onnx.ModelProto:
    config = model.config
    step = 2 * config.frames_per_slot  # mel frames of a slot
    slots = torch.export.Dim("slots", min=2, max=config.whisper.encoder_positions // config.frames_per_slot)
    return _export(model, "context", Context(model), {"mel_frames": 20 * step}, {"mel_frames": step * slots})


def _export_window(model: CaptionerModel, blank_penalty: float) -> onnx.ModelProto:
    per, longest = model.config.frames_per_slot, model.config.slots
    w, r = torch.export.Dim("rows", min=1, max=longest), torch.export.Dim("wanted", min=1, max=longest)
    s = torch.export.Dim("slots", min=2, max=longest)
    sizes = {"rows": 12, "wanted": 5, "slots": 20, "frames": 20 * per}
    graph = _export(
        model, "window", CaptionWindow(model, TOP, blank_penalty), sizes, {"rows": w, "wanted": r, "slots": s, "frames": per * s}
    )
    free_bias_rows(graph)
    return graph


def _export_verify(model: CaptionerModel) -> onnx.ModelProto:
    per, whisper = model.config.frames_per_slot, model.config.whisper
    n = torch.export.Dim("tokens", min=1, max=whisper.decoder_positions // 2)
    p = torch.export.Dim("past", min=0, max=whisper.decoder_positions // 2 - 1)
    s = torch.export.Dim("slots", min=2, max=whisper.encoder_positions // per)
    sizes = {"tokens": 12, "past": 5, "frames": 20 * per}
    return _export(model, "verify", Verify(model, TOP), sizes, {"tokens": n, "past": p, "frames": per * s})


def _export(
    model: CaptionerModel, role: str, module: nn.Module, sizes: Mapping[str, int], varying: Mapping[str, Any]
) -> onnx.ModelProto:
    """sizes: dimensions of the traced call. varying: the torch.export.Dim of each that differs from call to call."""
    model_proto: onnx.ModelProto = trace(module, TIMELINE.graph(role), {**model.config.dims, **sizes}, varying).model_proto
    return model_proto
