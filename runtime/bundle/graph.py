"""The record of a graph: the tensors that it takes and gives, by name and dimensions. Knows no role and no model."""

from dataclasses import dataclass, replace
from typing import Literal

Dtype = Literal["float32", "int64"]

VARYING = {
    "rows": "rows of the canvas that a pass computes",
    "wanted": "rows that a pass predicts",
    "slots": "positions of the canvas",
    "frames": "frames of the encoder",
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
    "spoken_codes": "codes of speech",
    "spoken_frames": "frames of the mel spectrogram that they become, at 22,050 / 256 Hz",
    "spoken_samples": "samples of their sound, at 22,050 Hz",
    "voice_frames": "frames of a speech codec's spectra, at 80 Hz",
    "code_frames": "frames of speech that hold a code of each stream",
    "frame_samples": "samples of these frames",
    "semantic_samples": "the same sound at 16 kHz, with a margin at both ends",
    "guided": "velocities: one with the codes, and with guidance a second one without",
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
