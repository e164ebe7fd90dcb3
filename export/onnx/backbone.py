"""Write a backbone bundle from a checkpoint folder: window graph, heads, embedding, tokenizer and manifest.

Graphs are traced from a module without weights. Each tensor then streams from the checkpoint into the weights file, so that
memory use does not grow with the model. Families are in `unmask.export.families`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import onnx
import onnx_ir
import torch
from tokenizers import Tokenizer

from unmask.bundle.embedding import Embedding
from unmask.bundle.graph_spec import BACKBONE, STREAMS
from unmask.bundle.manifest import FORMAT, Manifest, Streams, Vocabulary
from unmask.bundle.tokenizer import token_ranges
from unmask.errors import BundleError, InputError
from unmask.export.bundle_writer import WEIGHTS, WeightsFile, seal
from unmask.export.checkpoint.config import check_config
from unmask.export.checkpoint.folder import model_name
from unmask.export.checkpoint.tokenizer import checkpoint_tokenizer, tokenizer_notes
from unmask.export.checkpoint.weights import Checkpoint, open_checkpoint
from unmask.export.families import FAMILIES, family_of
from unmask.export.families.adapter import Traits
from unmask.export.modules.backbone import BackboneConfig, BackboneModel, BackboneWindow, Head
from unmask.export.modules.streams import StreamHeads
from unmask.export.onnx.attention import scatter_directly
from unmask.export.onnx.trace import free_bias_rows
from unmask.export.onnx.unweighted import point, trace_unweighted
from unmask.export.staging import check_target, staging
from unmask.system import check_disk, show_bytes

TOKENIZER = "tokenizer.json"
STREAM_TOPS = {"streams": 2, "streams_wide": 103}  # best codes of each stream; OmniVoice draws from 103 at a temperature
UNKNOWN_LICENSE = "that of the checkpoint; see where it came from"
TOP = 64  # the published decodings sample from the 50 best
MOST_ROWS = 1 << 20  # rows in the graphs' signatures; the real limit is the manifest's `positions`
Say = Callable[[str], None]


@dataclass(frozen=True)
class Model:
    """What is known of a checkpoint's model before any weight is read."""

    checkpoint: Checkpoint
    adapter: ModuleType
    family: str
    config: BackboneConfig
    traits: Traits
    tokenizer: Tokenizer
    ranges: dict[str, tuple[int, int]]
    name: str
    top: int
    notes: tuple[str, ...] = ()  # lines to tell whoever exports it

    @property
    def head(self) -> str:
        """Name of the checkpoint's tensor that is the head."""
        return self.adapter.EMBEDDING if self.config.tied else self.adapter.HEAD

    @property
    def bytes(self) -> int:
        """Size of all weights in float32."""
        return 4 * sum(math.prod(shape) for shape in expected(self.adapter, self.config).values())


@dataclass
class TracedModel:
    """Graphs of a model, whose tensors point into a weights file."""

    model: Model
    place: Callable[[str], int]  # stores a checkpoint's tensor in the weights file and returns its offset
    offsets: dict[str, int] = field(default_factory=dict)  # checkpoint tensor -> offset in the weights file
    graphs: dict[str, onnx.ModelProto] = field(default_factory=dict)

    def store(self, name: str) -> int:
        """Offset of a checkpoint's tensor in the weights file, where it is stored on the first call."""
        if name not in self.offsets:
            self.offsets[name] = self.place(name)
        return self.offsets[name]

    @property
    def manifest(self) -> Manifest:
        """The manifest, without its list of files."""
        model = self.model
        config, adapter = model.config, model.adapter
        codes = None
        if config.streams:
            codes = Embedding(WEIGHTS, self.store(adapter.STREAMS), config.streams, config.width, "float32")
        table = Embedding(WEIGHTS, self.store(adapter.EMBEDDING), config.vocabulary, config.width, "float32", rest=codes)
        return _manifest(model, table, list(self.graphs))


def read_model(source: Path, name: str | None = None, top: int = TOP, block: int | None = None) -> Model:
    """Read the configuration of a checkpoint folder and the headers of its shards.

    Raises InputError or BundleError for a folder that cannot be read, belongs to no known family, or lacks tensors.
    """
    if top < 2 or (block is not None and block < 1):
        raise InputError(f"top is {top} and block is {block}; use at least 2 and 1")
    checkpoint = open_checkpoint(source)
    family = family_of(checkpoint.config)
    adapter = FAMILIES[family]
    unknown = check_config(checkpoint.config, getattr(adapter, "KEYS", ()))
    config: BackboneConfig = adapter.config(checkpoint.config)
    checkpoint.check(expected(adapter, config), (*adapter.SKIPPED, *((adapter.HEAD,) if config.tied else ())))
    tokenizer = checkpoint_tokenizer(checkpoint.folder)
    names = " ".join(filter(None, dict.fromkeys((str(checkpoint.config.get("_name_or_path", "")), model_name(source), name))))
    traits: Traits = adapter.traits({**checkpoint.config, "_name_or_path": names}, tokenizer, block)
    check_traits(traits, config, block)
    check_tokenizer(source, tokenizer, config.vocabulary)
    ranges = traits.ranges or {"text": (0, config.vocabulary)}
    name = name or model_name(source)
    chat = traits.tasks[0].get("chat")
    files = tokenizer_notes(checkpoint.folder, tokenizer, chat.prompt if chat else None)
    notes = (*_strange(unknown), *files, *traits.notes)
    return Model(checkpoint, adapter, family, config, traits, tokenizer, ranges, name, top, notes)


def _strange(unknown: tuple[str, ...]) -> tuple[str, ...]:
    if not unknown:
        return ()
    return (f"config.json has keys that nobody here knows: {', '.join(unknown)}; they are ignored, so compare with its own code",)


def trace_model(model: Model, place: Callable[[str], int], say: Say = lambda line: None) -> TracedModel:
    """Trace the graphs of a model. place: stores a checkpoint's tensor in a weights file, as float32, and returns its offset."""
    config, traced = model.config, TracedModel(model, place)
    for note in model.notes:
        say(note)
    say(f"family {model.family}: {config.layers} layers of {config.width}, {config.vocabulary} ids; {model.traits}")
    traced.graphs["window"] = _export_window(traced)
    if model.traits.streams is not None:
        for role, top in STREAM_TOPS.items():
            traced.graphs[role] = _export_streams(traced, model.traits.streams, role, top)
        return traced
    traced.graphs["head"] = _export_head(traced, 0, config.vocabulary)
    for modality, (low, high) in model.ranges.items():
        if (low, high) != (0, config.vocabulary):
            traced.graphs[f"head_{modality}"] = _export_head(traced, low, high)
    return traced


def write_backbone(
    source: Path,
    target: Path,
    name: str | None = None,
    top: int = TOP,
    block: int | None = None,
    say: Say = lambda line: None,
) -> Path:
    """Write an fp32 bundle of the checkpoint folder `source` at `target` and return it.

    top: number of best ids that a head returns, at least 2; the published decodings need 50. block: length of a block-causal
    model's blocks when config.json does not give it. say: called with a line for each stage.
    Replaces an older bundle at `target`, and nothing else.
    Raises InputError or BundleError for a folder that cannot be read, belongs to no known family, or lacks tensors, and when
    the disk has too little room.
    """
    check_target(target)
    model = read_model(source, name, top, block)
    check_disk(target, model.bytes, "the bundle")
    with staging(target) as folder:
        weights = WeightsFile(folder / WEIGHTS)
        traced = trace_model(model, lambda tensor: weights.stream(model.checkpoint.parts(tensor)), say)
        for role, graph in traced.graphs.items():
            onnx.save_model(graph, folder / f"{role}.onnx")
        manifest = traced.manifest
        weights.close()
        say(f"{show_bytes((folder / WEIGHTS).stat().st_size)} of weights written; hashing them")
        (folder / TOKENIZER).write_text(model.tokenizer.to_str(), encoding="utf-8")
        seal(folder, manifest)
    return target


def check_traits(traits: Traits, config: BackboneConfig, block: int | None) -> None:
    """Raises InputError for ids outside the embedding, and for a block length when the family has no blocks."""
    for what, place in (("mask", traits.mask_id), ("end of text", traits.end_id)):
        if not 0 <= place < config.vocabulary + config.streams:
            raise InputError(
                f"config.json has {place} as the id of the {what}, outside its vocabulary of {config.vocabulary}; download "
                "it again"
            )
    if block is not None and traits.block is None:
        raise InputError(
            f"block is {block}, but this family has {traits.attention} attention without blocks; leave out the option"
        )


def check_tokenizer(source: Path, tokenizer: Tokenizer, rows: int) -> None:
    """Raises BundleError for a token without a row in the embedding. rows: of the embedding."""
    last = token_ranges(tokenizer)[-1][1] - 1
    if last >= rows:
        raise BundleError(
            f"{source}: the tokenizer's token {tokenizer.id_to_token(last)!r} has id {last}, but the embedding has "
            f"{rows} rows; download the tokenizer's files again"
        )


def expected(adapter: ModuleType, config: BackboneConfig) -> dict[str, tuple[int, ...]]:
    """Every tensor that the checkpoint must have -> its shape."""
    with torch.device("meta"):
        shapes = {name: tuple(p.shape) for name, p in BackboneModel(config).named_parameters()}
    found = {theirs: shapes[ours] for ours, theirs in adapter.names(config).items()}
    found[adapter.EMBEDDING] = config.vocabulary, config.width
    if not config.tied:
        found[adapter.HEAD] = config.streams or config.vocabulary, config.width
    if config.streams:
        found[adapter.STREAMS] = config.streams, config.width
    return found


# ---- graphs


def _export_window(traced: TracedModel) -> onnx.ModelProto:
    config = traced.model.config
    with torch.device("meta"):
        module = BackboneWindow(BackboneModel(config))
    names = {f"backbone.{ours}": theirs for ours, theirs in traced.model.adapter.names(config).items()}
    w, s, r = (torch.export.Dim(dim, min=1, max=MOST_ROWS) for dim in ("rows", "positions", "wanted"))
    dims = {**config.dims, "rows": 12, "slots": 20, "wanted": 5}
    graph = BACKBONE.graph("window").any_size(traced.model.traits.attention)
    program = trace_unweighted(module, graph, dims, {"rows": w, "slots": s, "wanted": r})
    made = _point(traced, program, {ours: (theirs, 0) for ours, theirs in names.items()})
    scatter_directly(made)
    return made


def _export_head(traced: TracedModel, start: int, stop: int) -> onnx.ModelProto:
    width = traced.model.config.width
    with torch.device("meta"):
        module = Head(width, start, stop - start, traced.model.top)
    r = torch.export.Dim("wanted", min=1, max=MOST_ROWS)
    dims = {"wanted": 5, "width": width, "vocabulary": stop - start, "1 or wanted": 1}
    program = trace_unweighted(module, BACKBONE.graph("head"), dims, {"wanted": r})
    graph = _point(traced, program, {"weight": (traced.model.head, 4 * width * start)})
    free_bias_rows(graph)
    return graph


def _export_streams(traced: TracedModel, streams: Streams, role: str, top: int) -> onnx.ModelProto:
    width = traced.model.config.width
    with torch.device("meta"):
        module = StreamHeads(width, streams.count, streams.stride, top)
    r = torch.export.Dim("wanted", min=1, max=MOST_ROWS)
    program = trace_unweighted(module, STREAMS.graph(role), {"wanted": 5, "width": width}, {"wanted": r})
    return _point(traced, program, {"weight": (traced.model.head, 0)})


def _point(traced: TracedModel, model: onnx_ir.Model, tensors: dict[str, tuple[str, int]]) -> onnx.ModelProto:
    """tensors: parameter -> (checkpoint tensor, offset in bytes from its start)."""
    checkpoint = traced.model.checkpoint
    return point(model, tensors, traced.store, lambda name: checkpoint.tensor(name).numpy())


def _manifest(model: Model, embedding: Embedding, roles: list[str]) -> Manifest:
    config, traits, published = model.config, model.traits, model.checkpoint.config
    templates, tasks = traits.tasks
    return Manifest(
        format=FORMAT,
        name=model.name,
        family=model.family,
        description=f"masked diffusion model, {config.layers} layers of {config.width}",
        precision="fp32",
        attention=traits.attention,
        logits_shift=traits.logits_shift,
        vocabulary=Vocabulary(config.vocabulary + config.streams, traits.mask_id, ranges=dict(model.ranges)),
        embedding=embedding,
        tokenizer=TOKENIZER,
        graphs={role: f"{role}.onnx" for role in roles},
        files={},
        tasks=tasks,
        license=str(
            published.get("license", getattr(model.adapter, "LICENSE", "that of the checkpoint; see where it came from"))
        ),
        provenance={"architecture": ", ".join(published.get("architectures") or []), "exported by": "unmask export"},
        block=traits.block,
        blocks_after_prompt=traits.blocks_after_prompt,
        end_ids=(traits.end_id,),
        positions=traits.positions,
        templates=templates,
        places=dict(traits.places),
        whole_words=traits.whole_words,
        spoken=traits.spoken,
        streams=traits.streams,
        languages=traits.languages,
    )
