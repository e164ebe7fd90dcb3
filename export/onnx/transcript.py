"""Write the bundle of a captioner that writes a transcript and drafts it: its context and window graphs, and the manifest."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from unmask.bundle.embedding import Embedding
from unmask.bundle.graph_spec import TRANSCRIPT
from unmask.bundle.manifest import FORMAT, Manifest, Transcript, Vocabulary
from unmask.decoding.schedule import Schedule
from unmask.errors import BundleError, InputError
from unmask.export.bundle_writer import write_bundle
from unmask.export.checkpoint.folder import model_name
from unmask.export.checkpoint.pieces import FILE as PIECES
from unmask.export.checkpoint.pieces import MARKS, read_pieces
from unmask.export.checkpoint.tokenizer import checkpoint_tokenizer
from unmask.export.modules.moonshine import END, SAMPLES_PER_STATE, START, Decoder, KeysValues, Moonshine, Rows
from unmask.export.modules.transcript import Context, Window
from unmask.export.moonshine_weights import load_drafting, load_moonshine
from unmask.export.onnx.backbone import TOKENIZER as WHOLE
from unmask.export.onnx.backbone import check_tokenizer
from unmask.export.onnx.captioner import name_parameters
from unmask.export.onnx.trace import trace
from unmask.export.staging import check_target
from unmask.system import check_disk

FAMILY = "moonshine"
LICENSE = "MIT (Moonshine AI's English models); of another checkpoint its own"
TOP = 2  # the best id and the runner-up
LONGEST_S = 30.0
STATES_PER_TOKEN = 10.6  # in 1,500 recordings
TOKENS_PER_SECOND = 6.5  # more is a loop, as Moonshine's own runtime takes it
SHORTEST_SAMPLES = 895  # of which the convolutions make one state
MOST_SAMPLES, MOST_TOKENS = 1 << 22, 4096  # bounds that the tracer wants


def write_moonshine(
    source: Path,
    target: Path,
    name: str | None = None,
    draft: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Write an fp32 bundle of the checkpoint folder `source` at `target` and return it.

    draft: the mask rows that `unmask.training.drafting` taught this checkpoint; without them the bundle writes token by token.
    say: called with a line for each stage. Replaces an older bundle at `target`, and nothing else. Raises UnmaskError for a
    folder that is no Moonshine, for mask rows of another one, and when the disk has too little room.
    """
    check_target(target)
    tokenizer = _tokenizer(source)
    model = load_drafting(source, draft) if draft else load_moonshine(source)
    config = model.config
    check_tokenizer(source, tokenizer, config.vocabulary)
    check_disk(target, 4 * sum(parameter.numel() for parameter in model.parameters()), "the bundle")
    drafts = f"{config.draft_rows} mask rows with terms of rank {config.draft_rank}" if config.draft_rank else "no mask rows"
    say(f"family {FAMILY}: layers of {config.width}, {config.encoder_layers} and {config.decoder_layers}; {drafts}")
    provenance = {"architecture": "MoonshineForConditionalGeneration", "exported by": "unmask export", "drafts": drafts}
    return write_transcript(model, tokenizer.to_str(), target, name or model_name(source), LICENSE, provenance)


def _tokenizer(source: Path) -> Tokenizer:
    """The checkpoint's tokenizer, in either form. Raises BundleError when its marks are not those of the model."""
    if not any((source / name).is_file() for name in (PIECES, WHOLE)):
        raise InputError(f"{source}: neither {PIECES} nor {WHOLE}; download the tokenizer too")
    tokenizer = read_pieces(source / PIECES) if (source / PIECES).is_file() else checkpoint_tokenizer(source)
    for i in (START, END):
        if tokenizer.id_to_token(i) != MARKS[i]:
            raise BundleError(f"{source}: token {i} is {tokenizer.id_to_token(i)!r} instead of {MARKS[i]!r}; download it again")
    return tokenizer


def write_transcript(
    model: Moonshine, tokenizer: str, folder: Path, name: str, license: str, provenance: Mapping[str, str]
) -> Path:
    """Write an fp32 bundle of `model` and return `folder`. tokenizer: JSON text.

    A model that does not draft makes a bundle without mask rows, which writes token by token. Replaces an older bundle at
    `folder`. Raises BundleError when the runtime would refuse the bundle.
    """
    config = model.config
    model = (model if config.draft_rank else token_by_token(model)).eval()
    graphs = {"context": _export_context(model), "window": _export_window(model)}
    for graph in graphs.values():
        name_parameters(graph, model)
    masks = config.draft_rows if config.draft_rank else 0
    table = [model.decoder.embed_tokens.weight, *([model.decoder.draft_rows] if masks else [])]
    manifest = Manifest(
        format=FORMAT,
        name=name,
        family=FAMILY,
        description="English speech to text, drafted by mask rows and checked in the same pass",
        precision="fp32",
        attention="full",
        logits_shift=1,
        vocabulary=Vocabulary(config.vocabulary, config.vocabulary, ranges={"text": (0, config.vocabulary)}),
        embedding=Embedding("", 0, 0, 0, "float32"),
        tokenizer="",
        graphs={},
        files={},
        tasks={"caption": Schedule(verify=256, verify_lookahead=masks or None)},
        license=license,
        provenance=dict(provenance),
        transcript=Transcript(START, END, masks, SAMPLES_PER_STATE, LONGEST_S, TOKENS_PER_SECOND),
    )
    return write_bundle(folder, manifest, graphs, torch.cat(table).detach().numpy(), tokenizer)


class _TokenByToken(Decoder):
    """A decoder without mask rows, called as one that has them: every row is causal, and tokens come at the mean rate."""

    def forward(self, rows: Rows, *others: Any, **named: Any) -> tuple[Tensor, list[KeysValues], list[Tensor]]:
        return super().forward(replace(rows, mask=None, places=None), *others, **named)

    def draft_counter(self, states: Tensor) -> Tensor:
        return torch.full_like(states[..., 0], 1 / STATES_PER_TOKEN)


def token_by_token(model: Moonshine) -> Moonshine:
    """A copy of a model that does not draft, whose graphs take what those of a drafting one take."""
    copy = Moonshine(model.config)
    copy.decoder = _TokenByToken(model.config)
    copy.load_state_dict(model.state_dict())
    return copy


def _export_context(model: Moonshine) -> onnx.ModelProto:
    samples = torch.export.Dim("samples", min=2 * SHORTEST_SAMPLES, max=MOST_SAMPLES)
    return _export(model, "context", Context(model), {"samples": 20_000}, {"samples": samples})


def _export_window(model: Moonshine) -> onnx.ModelProto:
    sizes = {"tokens": 12, "past": 5, "listed": 3, "frames": 20}
    lowest = {"tokens": 1, "past": 0, "listed": 0, "frames": 1}
    varying = {name: torch.export.Dim(name, min=low, max=MOST_TOKENS) for name, low in lowest.items()}
    return _export(model, "window", Window(model, TOP), sizes, varying)


def _export(
    model: Moonshine, role: str, module: nn.Module, sizes: Mapping[str, int], varying: Mapping[str, Any]
) -> onnx.ModelProto:
    """sizes: dimensions of the traced call. varying: the torch.export.Dim of each that differs from call to call."""
    config = model.config
    dims = {"width": config.width, "heads": config.heads, "head_width": config.width // config.heads}
    made: onnx.ModelProto = trace(
        module, TRANSCRIPT.graph(role), {**dims, "layers": config.decoder_layers, **sizes}, varying
    ).model_proto
    return made
