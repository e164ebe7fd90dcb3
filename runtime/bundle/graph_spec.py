"""Inputs and outputs of the graphs of each kind of bundle: the one place that names their tensors.

Load checks, padding to fixed sizes, example inputs for the exporters and the table in docs/bundle.md are derived from this file.
The graphs of a bundle decide its kind, so a new family whose graphs are of a known kind needs no change here; transcripts have
graphs for the same roles as timelines, and a record of their own in the manifest.
Knows names and dimensions. Knows no engine, no weights and no family.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from unmask.bundle.manifest import Manifest
from unmask.errors import BundleError, InputError

Dtype = Literal["float32", "int64"]
Direction = Literal["reads", "writes"]

VARYING = {
    "rows": "rows of the canvas that a pass computes",
    "wanted": "rows that a pass predicts",
    "slots": "positions of the canvas",
    "frames": "frames of the encoder",
    "mel_frames": "frames of the encoder's input",
    "samples": "samples of a recording, at 16 kHz",
    "steps": "positions of the encoder's first convolution",
    "tokens": "tokens that a causal model reads in a pass",
    "past": "tokens whose keys and values a causal model has kept",
    "listed": "ids whose logits the caller asks for by name",
    "height": "pixels of a picture, from top to bottom",
    "across": "pixels of a picture, from left to right",
    "code_rows": "codes of a picture, from top to bottom",
    "code_columns": "codes of a picture, from left to right",
    "stacked": "stacked frames of a recording, one each 60 ms",
    "encoded": "rows that a speech encoder gives: of its queries, then of the stacked frames",
}
"""Dimensions that differ from call to call; all others are sizes of the model."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of a graph."""

    name: str
    dims: tuple[str, ...]
    """Keys of `VARYING`, names of sizes of the model, or numbers."""
    dtype: Dtype = "float32"
    """Graphs of fixed sizes use int32 in place of int64."""
    per_recording: bool = False
    """The array is the same in every pass over a recording, so engines may keep their padded copy of it."""
    hides: bool = False
    """It says which positions are hidden from which rows: none with full attention, where graphs of any size do not take it."""

    @property
    def varying(self) -> dict[int, str]:
        """Axis -> dimension, for the dimensions that differ from call to call."""
        return {axis: dim for axis, dim in enumerate(self.dims) if dim in VARYING}


@dataclass(frozen=True)
class GraphSpec:
    """The graph of one role. Inputs and outputs are in the order of the graph."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    work: str
    """The dimension to which the work of a call is proportional."""
    fixed: tuple[Tensor, ...] = ()
    """Inputs that only graphs of fixed sizes take: masks of the padding, and positions of rows."""
    required: bool = True
    """Every bundle of this kind has the graph."""

    def input(self, name: str) -> Tensor:
        """Raises KeyError if no input has this name."""
        return {tensor.name: tensor for tensor in self.inputs}[name]

    def any_size(self, attention: str) -> "GraphSpec":
        """The same graph without what it does not take at any size. attention: the manifest's."""
        return replace(self, inputs=tuple(tensor for tensor in self.inputs if not (tensor.hides and attention == "full")))

    @property
    def input_names(self) -> list[str]:
        return [tensor.name for tensor in self.inputs]

    @property
    def output_names(self) -> list[str]:
        return [tensor.name for tensor in self.outputs]


@dataclass(frozen=True)
class Follows:
    """A dimension whose size follows from another one's, as that of a convolution's output does from its input's."""

    dim: str
    of: str
    reach: int
    """How many of the other make the first."""
    stride: int
    """How many more make each one after it."""

    def size(self, count: int) -> int:
        return (count - self.reach) // self.stride + 1


@dataclass(frozen=True)
class BundleKind:
    """A set of graphs that work together."""

    name: str
    takes: str
    """The modality of its input: speech or text."""
    graphs: Mapping[str, GraphSpec]
    """Role -> graph."""
    follows: tuple[Follows, ...] = ()
    """Dimensions that the sizes of fixed graphs do not name. Each follows from a named one, or from one before it."""

    def graph(self, role: str) -> GraphSpec:
        """The graph of a role; `head_<modality>` is the head over a slice of the vocabulary. Raises KeyError for other roles."""
        return self.graphs["head" if role.startswith("head_") else role]

    @property
    def optional_outputs(self) -> set[str]:
        """Outputs of required graphs that only optional graphs take as inputs."""
        required = [graph for graph in self.graphs.values() if graph.required]
        spare = {name for graph in self.graphs.values() if not graph.required for name in graph.input_names}
        taken = {name for graph in required for name in graph.input_names}
        return (spare - taken) & {name for graph in required for name in graph.output_names}

    @property
    def required(self) -> set[str]:
        """Roles that every bundle of this kind has."""
        return {role for role, graph in self.graphs.items() if graph.required}


_CROSS = ("layers", "heads", "frames", "head_width")
_CACHE = ("layers", "heads", "slots", "head_width")
_PAST = ("layers", "heads", "past", "head_width")
_KEPT = tuple(Tensor(name, ("layers", "heads", "tokens", "head_width")) for name in ("k", "v"))
_TOP = (Tensor("ids", ("wanted", "top"), "int64"), Tensor("logits", ("wanted", "top")), Tensor("logsumexp", ("wanted",)))
_ENTROPY = Tensor("entropy", ("wanted",))
_HEARD = (Tensor("cross_k", _CROSS, per_recording=True), Tensor("cross_v", _CROSS, per_recording=True))
_CONTEXT = (*_HEARD, Tensor("slots", ("slots", "width"), per_recording=True))
_VERIFY_CONTEXT = (Tensor("verify_k", _CROSS, per_recording=True), Tensor("verify_v", _CROSS, per_recording=True))
_FRAME_MASK = Tensor("frame_mask", ("frames",))

TIMELINE = BundleKind(
    "timeline",
    "speech",
    {
        "context": GraphSpec(
            (Tensor("mel", ("1", "mels", "mel_frames")),), (*_CONTEXT, *_VERIFY_CONTEXT), "frames", (_FRAME_MASK,)
        ),
        "window": GraphSpec(
            (
                Tensor("rows", ("rows", "width")),
                Tensor("positions", ("rows",), "int64"),
                Tensor("wanted", ("wanted",), "int64"),
                Tensor("bias", ("1 or wanted", "vocabulary")),
                *_CONTEXT,
                Tensor("cache_k", _CACHE),
                Tensor("cache_v", _CACHE),
            ),
            (
                *_TOP,
                _ENTROPY,
                Tensor("k", ("layers", "heads", "rows", "head_width")),
                Tensor("v", ("layers", "heads", "rows", "head_width")),
            ),
            "rows",
            (_FRAME_MASK, Tensor("mask", ("slots",))),
        ),
        "verify": GraphSpec(
            (Tensor("rows", ("tokens", "width")), *_VERIFY_CONTEXT, Tensor("past_k", _PAST), Tensor("past_v", _PAST)),
            (
                Tensor("ids", ("tokens", "top"), "int64"),
                Tensor("logits", ("tokens", "top")),
                Tensor("logsumexp", ("tokens",)),
                *_KEPT,
            ),
            "tokens",
            (Tensor("positions", ("tokens",), "int64"), Tensor("mask", ("tokens", "past + tokens")), _FRAME_MASK),
            required=False,
        ),
    },
)

TRANSCRIPT = BundleKind(
    "transcript",
    "speech",
    {
        "context": GraphSpec(
            (Tensor("samples", ("1", "samples")),),
            (*_HEARD, Tensor("draft", ("slots",), "int64"), Tensor("sure", ("slots",))),
            "samples",
            (Tensor("step_mask", ("steps",)), _FRAME_MASK, Tensor("slot_mask", ("slots",))),
        ),
        "window": GraphSpec(
            (
                Tensor("rows", ("tokens", "width")),
                Tensor("positions", ("tokens",), "int64"),
                Tensor("listed", ("listed",), "int64"),
                *_HEARD,
                Tensor("past_k", _PAST),
                Tensor("past_v", _PAST),
            ),
            (
                Tensor("ids", ("tokens", "top"), "int64"),
                Tensor("logits", ("tokens", "top")),
                Tensor("logsumexp", ("tokens",)),
                Tensor("place", ("tokens",)),
                Tensor("listed_logits", ("tokens", "listed")),
                *_KEPT,
            ),
            "tokens",
            (Tensor("mask", ("tokens", "past + tokens")), _FRAME_MASK),
        ),
    },
    # Moonshine's convolutions, of 127 samples every 64, then of 7 every 3 and of 3 every 2; and a drafter's slots of 3 states.
    (Follows("steps", "samples", 127, 64), Follows("frames", "steps", 13, 6), Follows("slots", "frames", 1, 3)),
)

BACKBONE = BundleKind(
    "backbone",
    "text",
    {
        "window": GraphSpec(
            (
                Tensor("rows", ("rows", "width")),
                Tensor("positions", ("rows",), "int64"),
                Tensor("wanted", ("wanted",), "int64"),
                Tensor("cache_k", ("layers", "kv_heads", "slots", "head_width")),
                Tensor("cache_v", ("layers", "kv_heads", "slots", "head_width")),
                Tensor("mask", ("rows", "slots"), hides=True),
            ),
            (
                Tensor("hidden", ("wanted", "width")),
                Tensor("k", ("layers", "kv_heads", "rows", "head_width")),
                Tensor("v", ("layers", "kv_heads", "rows", "head_width")),
            ),
            "rows",
        ),
        "head": GraphSpec(
            (
                Tensor("hidden", ("wanted", "width")),
                Tensor("bias", ("1 or wanted", "vocabulary")),
                Tensor("scale", ("1",)),
            ),
            (*_TOP, _ENTROPY),
            "wanted",
        ),
    },
)

KINDS = (TIMELINE, TRANSCRIPT, BACKBONE)


@dataclass(frozen=True)
class CodecKind:
    """Graphs beside a model's own that turn a modality into codes or rows, or its codes into the modality, or both."""

    name: str
    """Its key in the manifest, its folder in the bundle, and its option of `unmask export`."""
    modality: str
    directions: tuple[Direction, ...]
    runner: str
    """module:class that runs it (`unmask.codecs`)."""
    graphs: Mapping[str, GraphSpec]
    """Role -> graph. No other graph of a bundle has such a role. Every codec of this kind has all of them."""
    int8: bool = False
    """`unmask export --codecs int8` writes its matrices in int8."""


_PIXELS = Tensor("pixels", ("1", "3", "height", "across"))  # from -1 to 1
_CODES = Tensor("codes", ("code_rows", "code_columns"), "int64")

CODECS = {
    kind.name: kind
    for kind in (
        CodecKind(
            "magvit",
            "image",
            ("reads", "writes"),
            "unmask.image.codec:ImageCodec",
            {
                "image_encoder": GraphSpec((_PIXELS,), (_CODES,), "height"),
                "image_decoder": GraphSpec((_CODES,), (_PIXELS,), "code_rows"),
            },
        ),
        CodecKind(
            "sensevoice",
            "speech",
            ("reads",),
            "unmask.speech.encoding.encoder:SpeechEncoder",
            {
                "speech_encoder": GraphSpec(
                    (Tensor("frames", ("stacked", "features")), Tensor("positions", ("encoded", "features"))),
                    (Tensor("rows", ("encoded", "width")),),
                    "stacked",
                ),
            },
            int8=True,
        ),
    )
}
"""The one table of codecs that bundles may hold."""


def codec_graphs(manifest: Manifest) -> dict[str, str]:
    """Role -> file, for all codecs of a bundle."""
    return {role: file for codec in manifest.codecs.values() for role, file in codec.graphs.items()}


def codec_graph(role: str) -> GraphSpec | None:
    """The graph of a codec's role; None for a role of the model's own."""
    return next((kind.graphs[role] for kind in CODECS.values() if role in kind.graphs), None)


def missing_codecs(manifest: Manifest, reads: Iterable[str], writes: Iterable[str]) -> list[str]:
    """Names of the codecs that a bundle lacks to read and write these modalities; without them they are codes."""
    wanted = {("reads", modality) for modality in reads} | {("writes", modality) for modality in writes}
    has = {(way, CODECS[name].modality) for name in manifest.codecs for way in CODECS[name].directions}
    return [kind.name for kind in CODECS.values() if {(way, kind.modality) for way in kind.directions} & (wanted - has)]


def codec_kind(manifest: Manifest, modality: str, direction: Direction) -> CodecKind:
    """The codec of a bundle that reads or writes a modality. Raises InputError that names the command that adds it."""
    kinds = [kind for kind in CODECS.values() if kind.modality == modality and direction in kind.directions]
    found = next((kind for kind in kinds if kind.name in manifest.codecs), None)
    if found is None:
        add = f"`unmask export BUNDLE --{kinds[0].name} FOLDER` adds it" if kinds else "no codec is known for it"
        raise InputError(f"{manifest.name} has no codec that {direction} {modality}, so it takes and gives codes only; {add}")
    return found


def kind_of(manifest: Manifest) -> BundleKind:
    """The kind that a bundle's graphs belong to. Raises BundleError if no kind has all of them.

    Required graphs may still be missing; see `missing_roles`. Raises BundleError for codecs that this runtime does not know, too.
    """
    for name, codec in manifest.codecs.items():
        if name not in CODECS or codec.graphs.keys() != CODECS[name].graphs.keys():
            raise BundleError(
                f"{manifest.name} has a codec {name!r} with graphs for {', '.join(sorted(codec.graphs))}, which is unknown here; "
                "upgrade unmask, or export the codec again"
            )
    roles = {"head" if role.startswith("head_") else role for role in manifest.roles}
    kinds = [kind for kind in KINDS if (kind is TRANSCRIPT) == (manifest.transcript is not None)]
    possible = [kind for kind in kinds if roles <= kind.graphs.keys()]
    if possible:
        return min(possible, key=lambda kind: len(kind.required - roles))
    known = "; ".join(f"{kind.name} bundles have {', '.join(kind.graphs)}" for kind in KINDS)
    raise BundleError(
        f"{manifest.name} has graphs for {', '.join(sorted(roles))}, which do not go together: {known}; export it again"
    )


def missing_roles(manifest: Manifest) -> list[str]:
    """Roles of required graphs that a bundle lacks, sorted. Raises BundleError as `kind_of`."""
    return sorted(kind_of(manifest).required - manifest.roles)


def markdown() -> str:
    """The table of all graphs in docs/bundle.md."""
    lines = ["| kind | graph | inputs | outputs | fixed sizes also take |", "|---|---|---|---|---|"]
    kinds: list[BundleKind | CodecKind] = [*KINDS, *CODECS.values()]
    for kind in kinds:
        for role, graph in kind.graphs.items():
            cells = (", ".join(map(_cell, tensors)) for tensors in (graph.inputs, graph.outputs, graph.fixed))
            lines.append(f"| {kind.name} | {role} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(tensor: Tensor) -> str:
    kind = "" if tensor.dtype == "float32" else f" {tensor.dtype}"
    where = "; with full attention at fixed sizes only" if tensor.hides else ""
    return f"`{tensor.name}` ({', '.join(tensor.dims)}{where}){kind}"
