"""A bundle's codecs: pictures and sound become codes or rows that its model reads, and codes that it wrote become these again.

Knows the codecs of the manifest, and which class runs each. Knows no files, no task and no canvas.
"""

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.codec_spec import CODECS, CodecKind, Direction, codec_kind
from unmask.bundle.manifest import Bundle
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError
from unmask.text.generator import Input

RAW = {"image": 3, "speech": 1}
"""Modality -> axes of its own arrays: pixels (H, W, 3) uint8; samples (N,) float32. Codes are no arrays, and rows have 2 axes."""


@dataclass(frozen=True)
class Kept:
    """An answer of one modality that is there already, and the region of it that is made anew: inpainting, and edits."""

    media: Input | NDArray[Any]
    """Pixels, or codes, where 0 is the first id of the modality's range."""
    anew: NDArray[np.bool_]
    """True where it is made anew: (H, W) for pixels (H, W, 3), (N,) for N codes. A code that shows any of it is filled."""


class CodecRunner(Protocol):
    """Runs the graphs of one codec. Constructed with (engine, the manifest's Codec); the engine opens a graph when it is first
    run. A codec of one direction has only that method."""

    def encode(self, media: NDArray[Any], drawn: int | None = None) -> Input:
        """Codes, where 0 is the first id of the modality's range, or rows (R, d).

        drawn: seed of what the published way of reading draws at random; None: nothing is drawn. Raises InputError or AudioError
        for what it cannot read.
        """
        ...

    def decode(self, codes: Sequence[int]) -> NDArray[Any]:
        """The modality's own array, see `RAW`, of at least one code. A codec of sound can also `stream` it in parts."""
        ...


@runtime_checkable
class SoundReader(Protocol):
    """A codec that reads sound: `CodecRunner.encode` at this rate."""

    rate_hz: int


@runtime_checkable
class SoundWriter(Protocol):
    """A codec that writes sound."""

    rate_hz: int

    def decode(self, codes: Sequence[int]) -> NDArray[np.float32]:
        """(N,) in [-1, 1] at this rate."""
        ...

    def stream(self, codes: Sequence[int]) -> Iterator[NDArray[np.float32]]:
        """The same sound in parts, the first of them soon."""
        ...

    def ends(self, codes: int) -> list[int]:
        """Samples up to the end of each part that `stream` gives. codes: their number."""
        ...


@runtime_checkable
class KeepingRunner(Protocol):
    """A codec that reads codes as its decoder writes them, so that a part of them can be kept."""

    def keep(self, media: NDArray[Any], anew: NDArray[np.bool_], count: int) -> list[int | None]:
        """`count` codes of media; None for those that show any place that is made anew. Raises InputError as `encode`."""
        ...


class Codecs:
    """The codecs of a bundle. Cheap to construct; each is made when it is first needed, and its graphs are opened then."""

    def __init__(self, bundle: Bundle, options: EngineOptions | None = None) -> None:
        """options: of the model's engine. Codecs have graphs of any size only, so another engine than ONNX Runtime leaves them
        to it."""
        self.bundle = bundle
        own = options or EngineOptions()
        usable = own.engine == EngineOptions().engine and not own.static
        self._engine = Engine(bundle, own if usable else EngineOptions(threads=own.threads))
        self._made: dict[str, CodecRunner] = {}

    def runner(self, modality: str, direction: Direction) -> CodecRunner:
        """The codec that reads or writes a modality. Raises InputError that names the command that adds a missing one."""
        return self._runner(codec_kind(self.bundle.manifest, modality, direction))

    def _runner(self, kind: CodecKind) -> CodecRunner:
        if kind.name not in self._made:
            module, _, name = kind.runner.partition(":")
            made = getattr(importlib.import_module(module), name)
            self._made[kind.name] = cast(CodecRunner, made(self._engine, self.bundle.manifest.codecs[kind.name]))
        return self._made[kind.name]

    def sound_writer(self) -> SoundWriter:
        """The codec that writes speech. Raises InputError that names the command that adds a missing one."""
        runner = self.runner("speech", "writes")
        assert isinstance(runner, SoundWriter)
        return runner

    def heard_hz(self) -> int:
        """The rate at which speech is given to the codec that reads it. Raises InputError as `runner`."""
        runner = self.runner("speech", "reads")
        assert isinstance(runner, SoundReader)
        return runner.rate_hz

    def written(self, modalities: Iterable[str]) -> list[str]:
        """Those of the modalities that the bundle can turn codes into."""
        known = (kind for kind in CODECS.values() if kind.name in self.bundle.manifest.codecs and "writes" in kind.directions)
        there = {kind.modality for kind in known}
        return [modality for modality in modalities if modality in there]

    def encode(
        self, kinds: Mapping[str, str], inputs: Mapping[str, Input | NDArray[Any]], drawn: int | None = None
    ) -> dict[str, Input]:
        """A task's inputs with pictures and sound turned into codes or rows; texts, codes and rows stay.

        kinds: name of each input -> its modality. drawn: as `CodecRunner.encode` takes it. Raises InputError for a missing codec,
        and InputError or AudioError for what a codec cannot read.
        """
        made = {}
        for name, value in inputs.items():
            kind = kinds.get(name, "")
            raw = (
                isinstance(value, np.ndarray)
                and value.ndim == RAW.get(kind)
                and not (value.ndim == 1 and value.dtype.kind in "iu")
            )
            made[name] = self.runner(kind, "reads").encode(cast(NDArray[Any], value), drawn) if raw else cast(Input, value)
        return made

    def keep(self, kept: Mapping[str, Kept], counts: Mapping[str, int]) -> dict[str, list[int | None]]:
        """modality -> its codes, None where they are made anew.

        counts: modality -> number of positions that an answer has for it. Raises InputError for a modality that the answer does
        not have, a region of another size, a missing codec, and one whose sound or pictures become no codes.
        """
        return {modality: self._keep(modality, own, counts) for modality, own in kept.items()}

    def _keep(self, modality: str, kept: Kept, counts: Mapping[str, int]) -> list[int | None]:
        if modality not in counts:
            raise InputError(f"{modality} is kept, but this task gives {', '.join(counts)}")
        media, anew = kept.media, kept.anew
        if isinstance(media, str):
            raise InputError(f"{modality} is kept as codes, not as a text")
        pixels = isinstance(media, np.ndarray) and media.ndim > 1
        if anew.dtype != bool or anew.shape != np.shape(media)[:2]:
            raise InputError(
                f"the region that is made anew is {anew.shape} {anew.dtype}; it needs a bool for each place of {modality}"
            )
        if not pixels:
            return [None if again else int(code) for code, again in zip(media, anew, strict=True)]
        runner = self.runner(modality, "reads")
        if not isinstance(runner, KeepingRunner):
            raise InputError(f"{self.bundle.manifest.name} reads {modality} as rows, so what is kept of it must be codes")
        return runner.keep(cast(NDArray[Any], media), anew, counts[modality])

    def decode(self, codes: Mapping[str, Sequence[int]]) -> dict[str, NDArray[Any]]:
        """modality -> its own array, for the codes that the bundle has a codec for."""
        return {name: self.runner(name, "writes").decode(codes[name]) for name in self.written(codes) if codes[name]}
