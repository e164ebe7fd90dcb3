"""Inputs and outputs of the graphs of each kind of bundle: the one place that names their tensors.

Load checks, padding to fixed sizes, example inputs for the exporters and the table in docs/bundle.md are derived from this file.
The graphs of a bundle decide its kind, so a new family whose graphs are of a known kind needs no change here.
Knows names and dimensions. Knows no engine, no weights and no family.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from unmask.bundle.codec_spec import CODECS, CodecKind, check_codecs
from unmask.bundle.graph import GraphSpec, Tensor
from unmask.bundle.manifest import Manifest
from unmask.errors import BundleError


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


_CROSS = ("layers", "heads", "frames", "head_width")
_PAST = ("layers", "past", "width")
_KEPT = tuple(Tensor(name, ("layers", "tokens", "width")) for name in ("k", "v"))
_TOP = (Tensor("ids", ("wanted", "top"), "int64"), Tensor("logits", ("wanted", "top")), Tensor("logsumexp", ("wanted",)))
_ENTROPY = Tensor("entropy", ("wanted",))
_HEARD = (Tensor("cross_k", _CROSS, per_recording=True), Tensor("cross_v", _CROSS, per_recording=True))
_FRAME_MASK = Tensor("frame_mask", ("frames",))

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

_CELLS = ("wanted", "streams")
_BEST = (Tensor("ids", (*_CELLS, "top"), "int64"), Tensor("logits", (*_CELLS, "top")))
_HEADS = GraphSpec(
    (Tensor("hidden", ("wanted", "width")),), (*_BEST, Tensor("logsumexp", _CELLS), Tensor("entropy", _CELLS)), "wanted"
)

STREAMS = BundleKind(
    "streams",
    "text",
    # One head a stream, all in one graph: log-sum-exps over codes and mask, the best among the codes. `streams_wide` has as many
    # of the best as drawing needs.
    {"window": BACKBONE.graphs["window"], "streams": _HEADS, "streams_wide": _HEADS},
)

KINDS = (TRANSCRIPT, BACKBONE, STREAMS)


def kind_of(manifest: Manifest) -> BundleKind:
    """The kind that a bundle's graphs belong to. Raises BundleError if no kind has all of them.

    Graphs may still be missing; see `missing_roles`. Raises BundleError for codecs that this runtime does not know, too.
    """
    check_codecs(manifest)
    roles = {"head" if role.startswith("head_") else role for role in manifest.roles}
    possible = [kind for kind in KINDS if roles <= kind.graphs.keys()]
    if possible:
        return min(possible, key=lambda kind: len(kind.graphs.keys() - roles))
    known = "; ".join(f"{kind.name} bundles have {', '.join(kind.graphs)}" for kind in KINDS)
    raise BundleError(
        f"{manifest.name} has graphs for {', '.join(sorted(roles))}, which do not go together: {known}; export it again"
    )


def missing_roles(manifest: Manifest) -> list[str]:
    """Roles of graphs that a bundle lacks, sorted. Raises BundleError as `kind_of`."""
    return sorted(kind_of(manifest).graphs.keys() - manifest.roles)


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
