"""Codecs that bundles may hold beside a model's own graphs: the one table of them, and what their graphs take and give.

Knows names and dimensions. Knows no engine and no weights.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from unmask.bundle.graph import GraphSpec, Tensor
from unmask.bundle.manifest import Manifest
from unmask.errors import BundleError, InputError

Direction = Literal["reads", "writes"]


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
    """Role -> graph. No other graph of a bundle has such a role; codecs that do the same have the same roles. Every codec of this
    kind has all of them."""
    streams: bool = False
    """Its codes are of several streams, frame by frame, as `Manifest.streams` says."""
    int8: tuple[str, ...] = ()
    """Roles whose matrices `unmask export --codecs int8` writes in int8."""


_PIXELS = Tensor("pixels", ("1", "3", "height", "across"))  # from -1 to 1
_CODES = Tensor("codes", ("code_rows", "code_columns"), "int64")
_PICTURES = {
    "image_encoder": GraphSpec((_PIXELS,), (_CODES,), "height"),
    "image_decoder": GraphSpec((_CODES,), (_PIXELS,), "code_rows"),
}
_SPOKEN = ("mels", "spoken_frames")

CODECS = {
    kind.name: kind
    for kind in (
        CodecKind(
            "magvit",
            "image",
            ("reads", "writes"),
            "unmask.image.codec:ImageCodec",
            _PICTURES,
        ),
        CodecKind(
            "stickers",
            "image",
            ("reads", "writes"),
            "unmask.image.codec:ImageCodec",
            _PICTURES,
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
            int8=("speech_encoder",),
        ),
        CodecKind(
            "glm-voice",
            "speech",
            ("writes",),
            "unmask.speech.synthesis.codec:SpeechWriter",
            {
                "flow_encoder": GraphSpec(
                    (Tensor("codes", ("spoken_codes",), "int64"), Tensor("places", ("spoken_frames",), "int64")),
                    (Tensor("mean", _SPOKEN), Tensor("speaker", _SPOKEN)),
                    "spoken_frames",
                ),
                "flow_estimator": GraphSpec(
                    (
                        Tensor("mel", ("guided", *_SPOKEN)),
                        Tensor("mean", ("guided", *_SPOKEN)),
                        Tensor("speaker", ("guided", *_SPOKEN)),
                        Tensor("known", ("guided", *_SPOKEN)),
                        Tensor("time", ("1",)),
                    ),
                    (Tensor("velocity", ("guided", *_SPOKEN)),),
                    "spoken_frames",
                ),
                "pitch": GraphSpec((Tensor("mel", ("1", *_SPOKEN)),), (Tensor("pitch", ("spoken_frames",)),), "spoken_frames"),
                "vocoder": GraphSpec(
                    (
                        Tensor("mel", ("1", *_SPOKEN)),
                        Tensor("pitch", ("spoken_frames",)),
                        Tensor("phases", ("sines", "spoken_frames")),
                        Tensor("noise", ("sines", "spoken_samples")),
                    ),
                    (Tensor("samples", ("spoken_samples",)),),
                    "spoken_frames",
                ),
            },
            int8=("flow_encoder", "flow_estimator"),
        ),
        CodecKind(
            "hibari",
            "speech",
            ("writes",),
            "unmask.speech.synthesis.voice:VoiceWriter",
            {
                "voice": GraphSpec(
                    (Tensor("codes", ("spoken_codes",), "int64"),),
                    (
                        *(Tensor(name, ("1", "bins", "voice_frames")) for name in ("lh", "theta", "ln", "lr", "phi")),
                        Tensor("pitch", ("1", "voice_frames")),
                    ),
                    "spoken_codes",
                ),
            },
        ),
        CodecKind(
            "higgs",
            "speech",
            ("writes",),
            "unmask.speech.synthesis.residual:ResidualWriter",
            {
                "frames_decoder": GraphSpec(
                    (Tensor("codes", ("code_frames", "streams"), "int64"),),
                    (Tensor("samples", ("frame_samples",)),),
                    "code_frames",
                ),
            },
            streams=True,
        ),
        CodecKind(
            "higgs-voice",
            "speech",
            ("reads",),
            "unmask.speech.encoding.residual:ResidualReader",
            {
                "frames_encoder": GraphSpec(
                    (Tensor("samples", ("1", "1", "frame_samples")), Tensor("semantic", ("1", "semantic_samples"))),
                    (Tensor("codes", ("code_frames", "streams"), "int64"),),
                    "frame_samples",
                ),
            },
            streams=True,
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
    fitting = [kind for kind in CODECS.values() if kind.streams == _has_streams(manifest, kind)]
    first: dict[tuple[str, str], str] = {(way, kind.modality): kind.name for kind in reversed(fitting) for way in kind.directions}
    return [name for name in CODECS if name in {first.get(pair) for pair in wanted - has}]


def codec_kind(manifest: Manifest, modality: str, direction: Direction) -> CodecKind:
    """The codec of a bundle that reads or writes a modality. Raises InputError that names the command that adds it."""
    known = [kind for kind in CODECS.values() if kind.modality == modality and direction in kind.directions]
    kinds = [kind for kind in known if kind.streams == _has_streams(manifest, kind)]
    found = next((kind for kind in kinds if kind.name in manifest.codecs), None)
    if found is None:
        add = f"`unmask export BUNDLE --{kinds[0].name} FOLDER` adds it" if kinds else "no codec is known for it"
        raise InputError(f"{manifest.name} has no codec that {direction} {modality}, so it takes and gives codes only; {add}")
    return found


def _has_streams(manifest: Manifest, kind: CodecKind) -> bool:
    return manifest.streams is not None and manifest.streams.modality == kind.modality


def check_codecs(manifest: Manifest) -> None:
    """Raises BundleError for a codec that this runtime does not know."""
    for name, codec in manifest.codecs.items():
        if name not in CODECS or codec.graphs.keys() != CODECS[name].graphs.keys():
            raise BundleError(
                f"{manifest.name} has a codec {name!r} with graphs for {', '.join(sorted(codec.graphs))}, which is unknown here; "
                "upgrade unmask, or export the codec again"
            )
