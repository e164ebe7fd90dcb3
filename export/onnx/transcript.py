"""Write the bundle of a captioner that writes a transcript and drafts it: its context and window graphs, and the manifest."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
import onnxscript.optimizer
import torch
from torch import Tensor, nn

from unmask.bundle.embedding import Embedding
from unmask.bundle.graph_spec import TRANSCRIPT
from unmask.bundle.manifest import FORMAT, Manifest, Transcript, Vocabulary
from unmask.decoding.schedule import Schedule
from unmask.export.bundle_writer import write_bundle
from unmask.export.checkpoint.folder import model_name
from unmask.export.checkpoint.pieces import moonshine_tokenizer
from unmask.export.modules.drafter import STATES_PER_SLOT, Drafter
from unmask.export.modules.moonshine import END, SAMPLES_PER_STATE, START, Moonshine
from unmask.export.modules.transcript import Context, Window
from unmask.export.moonshine_weights import load_drafter, load_moonshine
from unmask.export.onnx.attention import join_heads
from unmask.export.onnx.backbone import check_tokenizer
from unmask.export.onnx.parameters import PARAMETER, name_parameters
from unmask.export.onnx.trace import trace
from unmask.export.staging import check_target
from unmask.system import check_disk

FAMILY = "moonshine"
LICENSE = "MIT (Moonshine AI's English models); of another checkpoint its own"
CONFIG = "model"  # what the window graph says of the model that it is of: its `MoonshineConfig`, JSON
HEAD = f"{PARAMETER}drafter.head.weight.T"
DRAFTED = f"{HEAD}_rows"  # constant of the context graph: the tokens that are drafted, if any
LOOKAHEAD = 16  # tokens of the draft that a pass checks
TOP = 2  # the best id and the runner-up
LONGEST_S = 30.0
TOKENS_PER_SECOND = 6.5  # more is a loop, as Moonshine's own runtime takes it
SHORTEST_SAMPLES = 895  # of which the convolutions make one state
MOST_SAMPLES, MOST_TOKENS = 1 << 22, 4096  # bounds that the tracer wants
LARGEST_CONSTANT = 1 << 24  # numbers; the exporter alone computes nothing from a convolution's weights


def write_moonshine(
    source: Path,
    target: Path,
    name: str | None = None,
    draft: Path | None = None,
    shipped: Mapping[int, Path] = MappingProxyType({}),
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Write an fp32 bundle of the checkpoint folder `source` at `target` and return it.

    draft: the drafter that `unmask.training.drafting` taught for this checkpoint. shipped: width of a model -> a drafter that
    serves if `draft` is None. Without one the bundle writes token by token; its text is the same with any. say: called with a
    line for each stage. Replaces an older bundle at `target`, and nothing else. Raises UnmaskError for a folder that is no
    Moonshine, for a drafter of another one, and when the disk has too little room.
    """
    check_target(target)
    tokenizer = moonshine_tokenizer(source)
    model = load_moonshine(source)
    config = model.config
    draft = draft or shipped.get(config.width)
    drafter = load_drafter(model, draft) if draft else None
    check_tokenizer(source, tokenizer, config.vocabulary)
    parts = [model, *([drafter] if drafter else [])]
    check_disk(target, 4 * sum(parameter.numel() for part in parts for parameter in part.parameters()), "the bundle")
    drafts = f"drafts {len(drafter.ids)} of its tokens" if drafter else "drafts nothing"
    say(f"family {FAMILY}: layers of {config.width}, {config.encoder_layers} and {config.decoder_layers}; {drafts}")
    provenance = {"architecture": "MoonshineForConditionalGeneration", "exported by": "unmask export", "drafter": drafts}
    return write_transcript(model, drafter, tokenizer.to_str(), target, name or model_name(source), LICENSE, provenance)


def write_transcript(
    model: Moonshine,
    drafter: Drafter | None,
    tokenizer: str,
    folder: Path,
    name: str,
    license: str,
    provenance: Mapping[str, str],
) -> Path:
    """Write an fp32 bundle of `model` and return `folder`. tokenizer: JSON text. drafter: None writes token by token.

    Replaces an older bundle at `folder`. Raises BundleError when the runtime would refuse the bundle.
    """
    config = model.config
    graphs = {"context": _export_context(model, drafter), "window": _export_window(model)}
    parts = {"encoder": model.encoder, "decoder": model.decoder, **({"drafter": drafter} if drafter else {})}
    for graph in graphs.values():
        name_parameters(graph, nn.ModuleDict(parts))
    if drafter:
        _take_rows(graphs["context"], HEAD, model.decoder.embed_tokens.weight, drafter.ids)
    graphs["window"].metadata_props.add(key=CONFIG, value=json.dumps(asdict(config)))
    manifest = Manifest(
        format=FORMAT,
        name=name,
        family=FAMILY,
        description="English speech to text, drafted in one pass and checked by a causal decoder",
        precision="fp32",
        attention="full",
        logits_shift=1,
        vocabulary=Vocabulary(config.vocabulary, config.vocabulary, ranges={"text": (0, config.vocabulary)}),
        embedding=Embedding("", 0, 0, 0, "float32"),
        tokenizer="",
        graphs={},
        files={},
        tasks={"caption": Schedule(verify=256, verify_lookahead=LOOKAHEAD)},
        license=license,
        provenance=dict(provenance),
        transcript=Transcript(START, END, STATES_PER_SLOT if drafter else 0, SAMPLES_PER_STATE, LONGEST_S, TOKENS_PER_SECOND),
    )
    return write_bundle(folder, manifest, graphs, model.decoder.embed_tokens.weight.detach().numpy(), tokenizer)


def _export_context(model: Moonshine, drafter: Drafter | None) -> onnx.ModelProto:
    samples = torch.export.Dim("samples", min=2 * SHORTEST_SAMPLES, max=MOST_SAMPLES)
    return _export(model, "context", Context(model, drafter), {"samples": 20_000}, {"samples": samples})


def _export_window(model: Moonshine) -> onnx.ModelProto:
    sizes = {"tokens": 12, "past": 5, "listed": 3, "frames": 20}
    lowest = {"tokens": 1, "past": 0, "listed": 0, "frames": 1}
    varying = {name: torch.export.Dim(name, min=low, max=MOST_TOKENS) for name, low in lowest.items()}
    return _export(model, "window", Window(model, TOP), sizes, varying)


def _take_rows(graph: onnx.ModelProto, constant: str, table: Tensor, ids: Tensor) -> None:
    """Replace a constant, which is (d, N) rows of the table, by nodes that take them from there, in place.

    The bundle holds the table anyway. ONNX Runtime computes such nodes once, when it opens the graph.
    """
    graph.graph.initializer.remove(next(tensor for tensor in graph.graph.initializer if tensor.name == constant))
    names = f"{PARAMETER}decoder.embed_tokens.weight", f"{constant}_rows"
    arrays = table.detach().numpy(), ids.numpy().astype(np.int32)
    graph.graph.initializer.extend(map(onnx.numpy_helper.from_array, arrays, names))
    graph.graph.node.insert(0, onnx.helper.make_node("Gather", names, [f"{constant}_taken"], axis=0))
    graph.graph.node.insert(1, onnx.helper.make_node("Transpose", [f"{constant}_taken"], [constant], perm=[1, 0]))


def _export(
    model: Moonshine, role: str, module: nn.Module, sizes: Mapping[str, int], varying: Mapping[str, Any]
) -> onnx.ModelProto:
    """sizes: dimensions of the traced call. varying: the torch.export.Dim of each that differs from call to call."""
    config = model.config
    dims = {"width": config.width, "heads": config.heads, "head_width": config.width // config.heads}
    program = trace(module, TRANSCRIPT.graph(role), {**dims, "layers": config.decoder_layers, **sizes}, varying)
    made: onnx.ModelProto = onnxscript.optimizer.optimize(
        program.model_proto, input_size_limit=LARGEST_CONSTANT, output_size_limit=LARGEST_CONSTANT
    )
    join_heads(made)
    return made
