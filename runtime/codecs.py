"""A bundle's codecs: pictures and sound become codes or rows that its model reads, and codes that it wrote become these again.

Knows the codecs of the manifest, and which class runs each. Knows no files, no task and no canvas.
"""

import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.codec_spec import CODECS, CodecKind, Direction, codec_kind
from unmask.bundle.manifest import Bundle
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.text.generator import Input

RAW = {"image": 3, "speech": 1}
"""Modality -> axes of its own arrays: pixels (H, W, 3) uint8; samples (N,) float32. Codes are no arrays, and rows have 2 axes."""


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

    def decode(self, codes: Mapping[str, Sequence[int]]) -> dict[str, NDArray[Any]]:
        """modality -> its own array, for the codes that the bundle has a codec for."""
        return {name: self.runner(name, "writes").decode(codes[name]) for name in self.written(codes) if codes[name]}
