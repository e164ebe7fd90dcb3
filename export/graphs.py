"""All graphs of fixed sizes of one model, for any engine: from a bundle, or from a backbone's checkpoint folder."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import nn

from unmask.bundle.manifest import Bundle, Manifest
from unmask.errors import InputError
from unmask.export.checkpoint.weights import open_checkpoint
from unmask.export.families import FAMILIES, family_of
from unmask.export.modules.backbone import BackboneConfig, BackboneModel
from unmask.export.modules.static import FixedGraph, backbone_graph, head_graph
from unmask.export.modules.static_transcript import transcript_graph
from unmask.export.onnx import transcript
from unmask.export.reload import reload_text, reload_transcript
from unmask.export.sizes import SizeRule, backbone_sizes

LONGEST = 512  # positions of a canvas, prompt included
BACKBONE_RULE = SizeRule(shortest=64, ratio=2.0)  # a graph of many layers takes minutes to convert


def caption_graphs(bundle: Bundle, sizes: Iterable[tuple[str, Mapping[str, int]]]) -> list[FixedGraph]:
    """Graphs of a caption bundle. sizes: (role, sizes) of each, as `caption_sizes` returns them.

    Raises BundleError when the bundle is no captioner or has no graphs of any size.
    """
    model, drafter = reload_transcript(bundle)
    return [transcript_graph(model, drafter, role, size, transcript.TOP) for role, size in sizes]


def backbone_graphs(
    checkpoint: Path, manifest: Manifest, longest: int, top: int, rule: SizeRule = BACKBONE_RULE
) -> list[FixedGraph]:
    """All graphs of a checkpoint folder. manifest: of its bundle with graphs of any size.

    longest: positions of the longest canvas, prompt included. top as in `write_backbone`.
    """
    return _graphs(*reload_backbone(checkpoint), manifest, longest, top, rule)


def text_graphs(bundle: Bundle, longest: int | None = None, rule: SizeRule = BACKBONE_RULE) -> list[FixedGraph]:
    """The same of a bundle with graphs of any size. longest: by default LONGEST, or fewer positions if the bundle takes fewer.

    Raises BundleError as `reload_text`, and InputError for a canvas that is longer than the bundle takes.
    """
    most = bundle.manifest.positions or longest or LONGEST
    if longest is not None and not 2 <= longest <= most:
        raise InputError(f"--longest {longest}: {bundle.manifest.name} takes from 2 to {most} positions")
    model, head, top = reload_text(bundle)
    return _graphs(model, head, bundle.manifest, longest or min(LONGEST, most), top, rule)


def _graphs(
    model: BackboneModel, head: nn.Parameter, manifest: Manifest, longest: int, top: int, rule: SizeRule
) -> list[FixedGraph]:
    ranges = {f"head_{name}": ids for name, ids in manifest.vocabulary.ranges.items() if f"head_{name}" in manifest.graphs}
    heads = {"head": (0, manifest.vocabulary.size), **ranges}
    blocks = {manifest.block, *(schedule.block for schedule in manifest.tasks.values())} - {None}
    made = []
    for role, size in backbone_sizes(longest, sorted(blocks), list(heads), rule):
        start, stop = heads.get(role, (0, 0))
        made.append(backbone_graph(model, size) if role == "window" else head_graph(role, head, (start, stop), size, top))
    return made


def reload_backbone(checkpoint: Path) -> tuple[BackboneModel, nn.Parameter]:
    """The model and the matrix of its head, (vocabulary, d), in fp32. Raises the errors of `write_backbone`."""
    opened = open_checkpoint(checkpoint)
    adapter = FAMILIES[family_of(opened.config)]
    config: BackboneConfig = adapter.config(opened.config)
    with torch.device("meta"):
        model = BackboneModel(config)
    names = adapter.names(config)
    model.load_state_dict({ours: opened.tensor(theirs).float() for ours, theirs in names.items()}, assign=True)
    head = opened.tensor(adapter.EMBEDDING if config.tied else adapter.HEAD).float()
    return model.eval().requires_grad_(False), nn.Parameter(head, requires_grad=False)
