"""What `--target` of a command makes: a bundle of graphs of fixed sizes, for one engine. Converters are imported on use."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from unmask.apps.cli.material import MaterialOptions, read_material
from unmask.bundle.manifest import Bundle
from unmask.errors import InputError

if TYPE_CHECKING:
    from unmask.quant.calibration.calibration_data import Material

Say = Callable[[str], None]
FORMS = {
    "onnx-static": ("int8-static", "fp32"),
    "coreml": ("fp16", "fp32", "int8", "int4"),
    "litert": ("int8", "fp32", "int8-static"),
}
"""Target -> values of `--to`, the first unless given. The target onnx has graphs of any size, and forms of its own."""


@Parameter(name="*", group="Target")
@dataclass(frozen=True)
class TargetOptions:
    """Options of the targets with graphs of fixed sizes."""

    target: Literal["onnx", "onnx-static", "coreml", "litert"] = "onnx"
    """onnx: graphs of any size, for CPUs. onnx-static: ONNX of fixed sizes, for NPUs behind ONNX Runtime's providers. coreml: for
    Macs, iPhones and iPads. litert: for boards and phones."""
    activations: Literal["u8", "u16"] = "u8"
    """Of onnx-static in int8-static: bits of what flows between products; heads have 16 always."""
    deployment_target: Literal["iOS17", "iOS18", "macOS14", "macOS15"] = "iOS18"
    """Of coreml: the oldest system that is to run it. Before iOS18 and macOS15 graphs share no weights, and there is no int4."""
    longest_s: Annotated[float | None, Parameter(name="--longest-s")] = None
    """Longest audio that graphs of fixed sizes are made for; as long as the bundle takes unless given."""

    def form(self, given: str | None) -> str:
        """What `--to` means for the target. Raises InputError for a form that it has not."""
        forms = FORMS[self.target]
        if given is not None and given not in forms:
            raise InputError(f"--target {self.target} is made in {' or '.join(forms)}, not in {given}")
        return given or forms[0]


def build(source: Bundle, folder: Path, options: TargetOptions, form: str, material: MaterialOptions, say: Say) -> None:
    """Write the target's bundle of `source` at `folder`."""
    sizes = caption_sizes(source, options.longest_s)
    if options.target == "coreml":
        from unmask.export.coreml import CoremlForm
        from unmask.export.coreml_bundle import write_coreml
        from unmask.export.graphs import captioner_graphs

        kept = CoremlForm(form, options.deployment_target)
        write_coreml(source, folder, captioner_graphs(source, sizes), kept, say)
        return
    asked_about = read_material(source.manifest, material)[0] if form == "int8-static" else None
    if options.target == "litert":
        build_litert(source, folder, sizes, form, asked_about, say)
        return
    from unmask.quant.weights.onnx_static import write_fixed, write_quantized

    if asked_about is None:
        write_fixed(source, folder, sizes, say)
    else:
        write_quantized(source, folder, sizes, asked_about, options.activations, say)


def build_litert(
    source: Bundle, folder: Path, sizes: list[tuple[str, dict[str, int]]], form: str, asked_about: "Material | None", say: Say
) -> None:
    """asked_about: recordings that ranges of activations are measured on, for int8-static."""
    from unmask.export.graphs import captioner_graphs
    from unmask.export.litert_bundle import write_litert
    from unmask.quant.calibration.calibration_calls import record_calls

    graphs = captioner_graphs(source, sizes)
    calls = None
    if asked_about is not None:
        say("captioning what ranges of activations are measured on")
        calls = record_calls(source, asked_about.recordings, graphs)
    write_litert(source, folder, graphs, form, calls, say)


def caption_sizes(source: Bundle, longest_s: float | None) -> list[tuple[str, dict[str, int]]]:
    """(role, sizes) of each graph. Raises InputError for audio that the bundle does not take."""
    from unmask.export.sizes import caption_limits, captioner_sizes

    longest, prompt, positions = caption_limits(source.manifest)
    line = source.manifest.timeline
    assert line is not None  # of what has limits
    if longest_s is not None:
        asked = int(longest_s / line.slot_s)
        if not 2 <= asked <= longest:
            raise InputError(f"--longest-s {longest_s:g}: {source.manifest.name} takes up to {line.longest_s:g} s")
        longest = asked
    return captioner_sizes(longest, prompt, positions)
