"""What the graphs of each kind of bundle take and give: the one place where their tensors are named.

Load checks, padding into fixed sizes, the inputs that exporters trace with and the table in docs/bundle.md are derived from here.
A bundle is of the kind whose graphs it has, so a family with graphs of a known kind needs no line here.
Knows names and dimensions. Knows no engine, no weights and no family.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from unmask.bundle.manifest import Manifest
from unmask.errors import BundleError

Dtype = Literal["float32", "int64"]

VARYING = {
    "rows": "rows of the canvas that a pass computes",
    "wanted": "rows that a pass predicts",
    "slots": "positions of the canvas",
    "frames": "frames of the encoder",
    "mel_frames": "frames of the encoder's input",
    "tokens": "tokens that the verifier reads in a pass",
    "past": "tokens whose keys and values it has kept",
}
"""Dimensions that differ from call to call; all others belong to the model."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of a graph."""

    name: str
    dims: tuple[str, ...]
    """Names of `VARYING`, names of sizes of the model, or numbers."""
    dtype: Dtype = "float32"
    """int64 is int32 in graphs of fixed sizes."""
    per_recording: bool = False
    """The same array on every pass over a recording, so that engines may keep what they made of it."""

    @property
    def varying(self) -> dict[int, str]:
        """Axis -> dimension, of those that differ from call to call."""
        return {axis: dim for axis, dim in enumerate(self.dims) if dim in VARYING}


@dataclass(frozen=True)
class GraphSpec:
    """One role. Inputs and outputs stand in the order of the graph."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    work: str
    """The dimension that tells how much the graph computes."""
    fixed: tuple[Tensor, ...] = ()
    """Inputs that only graphs of fixed sizes take: which columns are real, and where rows stand."""
    required: bool = True

    def input(self, name: str) -> Tensor:
        """Raises KeyError for a name that no input has."""
        return {tensor.name: tensor for tensor in self.inputs}[name]

    @property
    def input_names(self) -> list[str]:
        return [tensor.name for tensor in self.inputs]

    @property
    def output_names(self) -> list[str]:
        return [tensor.name for tensor in self.outputs]


@dataclass(frozen=True)
class BundleKind:
    """Graphs that work together."""

    name: str
    takes: str
    """The modality that it was made for: speech or text."""
    graphs: Mapping[str, GraphSpec]

    def graph(self, role: str) -> GraphSpec:
        """`head_<modality>` is the head over a slice of the vocabulary. Raises KeyError for a role that this kind has not."""
        return self.graphs["head" if role.startswith("head_") else role]

    @property
    def optional_outputs(self) -> set[str]:
        """Outputs that only graphs which are not required take as inputs."""
        required = [graph for graph in self.graphs.values() if graph.required]
        spare = {name for graph in self.graphs.values() if not graph.required for name in graph.input_names}
        taken = {name for graph in required for name in graph.input_names}
        return (spare - taken) & {name for graph in required for name in graph.output_names}

    @property
    def required(self) -> set[str]:
        """Roles that a bundle of this kind needs."""
        return {role for role, graph in self.graphs.items() if graph.required}


_CROSS = ("layers", "heads", "frames", "head_width")
_CACHE = ("layers", "heads", "slots", "head_width")
_PAST = ("layers", "heads", "past", "head_width")
_TOP = (Tensor("ids", ("wanted", "top"), "int64"), Tensor("logits", ("wanted", "top")), Tensor("logsumexp", ("wanted",)))
_ENTROPY = Tensor("entropy", ("wanted",))
_CONTEXT = (
    Tensor("cross_k", _CROSS, per_recording=True),
    Tensor("cross_v", _CROSS, per_recording=True),
    Tensor("slots", ("slots", "width"), per_recording=True),
)
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
                Tensor("k", ("layers", "heads", "tokens", "head_width")),
                Tensor("v", ("layers", "heads", "tokens", "head_width")),
            ),
            "tokens",
            (Tensor("positions", ("tokens",), "int64"), Tensor("mask", ("tokens", "past + tokens")), _FRAME_MASK),
            required=False,
        ),
    },
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
                Tensor("mask", ("rows", "slots")),
                Tensor("cache_k", ("layers", "kv_heads", "slots", "head_width")),
                Tensor("cache_v", ("layers", "kv_heads", "slots", "head_width")),
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

KINDS = (TIMELINE, BACKBONE)


def kind_of(manifest: Manifest) -> BundleKind:
    """The kind whose graphs a bundle has. Raises BundleError where a graph is of none.

    Some required graphs may be missing still: who runs the bundle says which, see `missing_roles`.
    """
    roles = {"head" if role.startswith("head_") else role for role in manifest.roles}
    possible = [kind for kind in KINDS if roles <= kind.graphs.keys()]
    for kind in sorted(possible, key=lambda kind: len(kind.required - roles)):
        return kind
    known = "; ".join(f"{kind.name} bundles have {', '.join(kind.graphs)}" for kind in KINDS)
    raise BundleError(
        f"{manifest.name} has graphs for {', '.join(sorted(roles))}, which do not go together: {known}; export it again"
    )


def missing_roles(manifest: Manifest) -> list[str]:
    """Required graphs that a bundle lacks."""
    return sorted(kind_of(manifest).required - manifest.roles)


def markdown() -> str:
    """The table of all graphs, for docs/bundle.md."""
    lines = ["| kind | graph | inputs | outputs | fixed sizes also take |", "|---|---|---|---|---|"]
    for kind in KINDS:
        for role, graph in kind.graphs.items():
            cells = (", ".join(map(_cell, tensors)) for tensors in (graph.inputs, graph.outputs, graph.fixed))
            lines.append(f"| {kind.name} | {role} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(tensor: Tensor) -> str:
    kind = "" if tensor.dtype == "float32" else f" {tensor.dtype}"
    return f"`{tensor.name}` ({', '.join(tensor.dims)}){kind}"
