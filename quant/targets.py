"""A bundle with graphs of fixed sizes for one engine, from a bundle with graphs of any size.

Knows which targets there are, their formats, and which converter makes them. Converters are imported on use.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unmask.bundle.manifest import Bundle
from unmask.errors import InputError
from unmask.quant.calibration.calibration_data import Material

Say = Callable[[str], None]
FORMATS = {
    "onnx-static": ("int8-static", "fp32"),
    "coreml": ("fp16", "fp32", "int8", "int4"),
    "litert": ("int8", "fp32", "int8-static"),
}
"""Target -> its number formats, the default first. The target onnx has graphs of any size and formats of its own."""


@dataclass(frozen=True)
class TargetOptions:
    """The engine that a bundle is made for."""

    target: Literal["onnx", "onnx-static", "coreml", "litert"] = "onnx"
    """onnx: graphs of any size, for CPUs. The others have fixed sizes. onnx-static: for NPUs with an ONNX Runtime provider.
    coreml: for Macs, iPhones and iPads. litert: for boards and phones."""
    activations: Literal["u8", "u16"] = "u8"
    """onnx-static in int8-static only: 8 or 16 bits for activations. Heads always have 16."""
    deployment_target: Literal["iOS17", "iOS18", "macOS14", "macOS15"] = "iOS18"
    """coreml only: the oldest system that runs the bundle. Before iOS18 and macOS15, graphs share no weights and int4 is not
    available."""
    longest_s: float | None = None
    """Seconds of the longest audio that graphs of fixed sizes are made for. Default: the longest that the bundle takes."""

    def format(self, given: str | None) -> str:
        """The number format: the given one, or the target's default. Raises InputError for one that the target does not have."""
        formats = FORMATS[self.target]
        if given is not None and given not in formats:
            raise InputError(f"--target {self.target} is made in {' or '.join(formats)}, not in {given}")
        return given or formats[0]


def write_target(
    source: Bundle, folder: Path, options: TargetOptions, number_format: str, data: Material | None, say: Say
) -> None:
    """Write a bundle for `options.target`, which is not onnx, at `folder`.

    data: what ranges of activations are measured on; needed for int8-static. Raises InputError for audio that is longer than
    the bundle takes.
    """
    sizes = caption_sizes(source, options.longest_s)
    if options.target == "onnx-static":
        from unmask.quant.weights.onnx_static import write_fixed, write_quantized

        if data is None:
            write_fixed(source, folder, sizes, say)
        else:
            write_quantized(source, folder, sizes, data, options.activations, say)
        return
    from unmask.export.graphs import captioner_graphs

    graphs = captioner_graphs(source, sizes)
    if options.target == "coreml":
        from unmask.export.coreml import CoremlForm
        from unmask.export.coreml_bundle import write_coreml

        write_coreml(source, folder, graphs, CoremlForm(number_format, options.deployment_target), say)
        return
    from unmask.export.litert_bundle import write_litert
    from unmask.quant.calibration.calibration_calls import record_calls

    calls = None
    if data is not None:
        say("running captions to measure the ranges of activations")
        calls = record_calls(source, data.recordings, graphs)
    write_litert(source, folder, graphs, number_format, calls, say)


def caption_sizes(source: Bundle, longest_s: float | None) -> list[tuple[str, dict[str, int]]]:
    """(role, sizes) of each graph of a caption bundle. Raises InputError for audio that is longer than the bundle takes."""
    from unmask.export.sizes import caption_limits, captioner_sizes

    longest, prompt, positions = caption_limits(source.manifest)
    line = source.manifest.timeline
    if longest_s is not None and line is not None:
        asked = int(longest_s / line.slot_s)
        if not 2 <= asked <= longest:
            raise InputError(f"--longest-s {longest_s:g}: {source.manifest.name} takes up to {line.longest_s:g} s")
        longest = asked
    return captioner_sizes(longest, prompt, positions)
