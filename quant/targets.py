"""Bundles with graphs of fixed sizes for one engine: the table of targets that the commands offer.

Knows the targets, their number formats, and which converter writes each. Imports converters on use.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from unmask.bundle.manifest import Bundle
from unmask.errors import InputError
from unmask.quant.calibration.calibration_data import Material

if TYPE_CHECKING:
    from unmask.export.modules.static import FixedGraph

Say = Callable[[str], None]
Target = Literal["onnx", "onnx-static", "coreml", "litert", "rknn", "qnn"]
CheckpointTarget = Literal["onnx", "onnx-static", "coreml", "litert"]
System = Literal["iOS17", "iOS18", "macOS14", "macOS15"]
TARGET_FORMATS: Mapping[str, Sequence[str]] = {
    "onnx-static": ("int8-static", "fp32", "fp16"),
    "coreml": ("fp16", "fp32", "int8", "int4"),
    "litert": ("int8", "fp32"),
    "rknn": ("fp16",),
    "qnn": ("compiled",),
}
"""Target -> the number formats of a bundle made from a bundle, the default first. Those of onnx are WEIGHT_FORMATS."""
CHECKPOINT_FORMATS: Mapping[str, Sequence[str]] = {
    "onnx": ("fp32",),
    "onnx-static": ("fp32", "fp16"),
    "litert": ("fp32", "int8"),
    "coreml": ("fp16", "fp32", "int8", "int4"),
}
"""Target -> the number formats of a bundle made from a checkpoint, the default first."""


@dataclass(frozen=True)
class TargetOptions:
    """The engine that a bundle is made for."""

    target: Target = "onnx"
    """onnx: graphs of any size, for CPUs. The others have fixed sizes. onnx-static: for GPUs and NPUs with an ONNX Runtime
    provider. coreml: for Macs, iPhones and iPads. litert: for boards and phones. rknn: for Rockchip's NPUs. qnn: a bundle of
    onnx-static compiled for one of Qualcomm's NPUs, in the format that it has."""
    activations: Literal["u8", "u16"] = "u16"
    """onnx-static in int8-static only: 16 or 8 bits for activations. Heads always have 16. A captioner needs 16."""
    deployment_target: System = "iOS18"
    """coreml only: the oldest system that runs the bundle. Before iOS18 and macOS15, graphs share no weights and int4 is not
    available."""
    soc: str | None = None
    """The chip. rknn: one of rk3588 (the default), rk3576, rk3568, rk3566 and rk3562. qnn: its number in Qualcomm's list, such as
    60 for Snapdragon X."""
    toolkit: Path = Path(".cache/rknn/bin/python")
    """rknn only: the Python of an environment with rknn-toolkit2. `make rknn-env` makes the default."""
    longest_s: float | None = None
    """Captioners only: seconds of the longest audio that graphs of fixed sizes are made for. Default: the longest that the bundle
    takes."""
    longest: int | None = None
    """Other models only: positions of the longest canvas of graphs of fixed sizes, prompt included. Default: 512."""

    def format(self, given: str | None) -> str:
        """The number format: the given one, or the target's default. Raises InputError for one that the target does not have."""
        formats = TARGET_FORMATS[self.target]
        if given is not None and given not in formats:
            raise InputError(f"--target {self.target} is made in {' or '.join(formats)}, not in {given}")
        return given or formats[0]


def unread_by(target: str, number_format: str = "") -> dict[str, str]:
    """Options of targets, by their field, that this one does not read -> what reads them."""
    found = {}
    if target == "qnn":
        found |= dict.fromkeys(("longest", "longest_s"), "not read with --target qnn, which compiles the graphs that are there")
    if target == "onnx":
        found |= dict.fromkeys(("longest", "longest_s"), "read only with a --target of fixed sizes")
    if target != "coreml":
        found["deployment_target"] = "read only with --target coreml"
    if target != "rknn":
        found["toolkit"] = "read only with --target rknn"
    if target not in ("rknn", "qnn"):
        found["soc"] = "read only with --target rknn or qnn"
    if (target, number_format) != ("onnx-static", "int8-static"):
        found["activations"] = "read only with --target onnx-static --to int8-static"
    return found


def write_target(
    source: Bundle, folder: Path, options: TargetOptions, number_format: str, data: Material | None, say: Say
) -> None:
    """Write a bundle for `options.target`, which is not onnx, at `folder`.

    data: the recordings to measure ranges of activations on, for int8-static alone. Raises InputError for a form that is not made
    of such a bundle, and when it does not take what is as long as the options say.
    """
    if options.target == "qnn":
        from unmask.export.onnx.compiled import write_compiled

        write_compiled(source, folder, options.soc or "", say)
        return
    check_subject(source, options, number_format)
    if data is not None:
        from unmask.quant.weights.onnx_static import write_onnx_static_int8

        source, sizes = fitted(source, options.longest_s)
        write_onnx_static_int8(source, folder, sizes, data, options.activations, say)
        return
    if options.target == "rknn":
        write = compiler(options.soc, options.toolkit)
    else:
        write = converter(options.target, options.deployment_target, number_format)
    from unmask.export.graphs import caption_graphs, text_graphs

    if source.manifest.transcript is None:
        write(source, folder, text_graphs(source, options.longest), say)
    else:
        source, sizes = fitted(source, options.longest_s)
        write(source, folder, caption_graphs(source, sizes), say)


def check_subject(source: Bundle, options: TargetOptions, number_format: str) -> None:
    """Raises InputError for a form that is made of captioners alone, and for lengths of another kind of model."""
    other = source.manifest.transcript is None
    if other and (options.target == "rknn" or number_format == "int8-static"):
        raise InputError(
            f"{source.folder}: does not caption, and --target {options.target} --to {number_format} is for captioners; "
            "take --target onnx-static --to fp32 or fp16, litert or coreml"
        )
    if source.manifest.codecs and options.target != "onnx-static":
        raise InputError(f"{source.folder}: its codecs are graphs of any size, for ONNX Runtime alone; take --target onnx-static")
    if other and options.longest_s is not None:
        raise InputError(f"--longest-s: {source.folder} does not caption; --longest is the number of positions of its canvas")
    if not other and options.longest is not None:
        raise InputError(f"--longest: {source.folder} captions; --longest-s is the length of its recordings")


Convert = Callable[[Bundle, Path, Sequence["FixedGraph"], Say], object]


def converter(target: str, system: System, number_format: str) -> Convert:
    """The function that converts graphs for ONNX Runtime, LiteRT or CoreML into a bundle: (source, folder, graphs, say).

    system: the oldest one that runs CoreML graphs. Raises InputError here, before minutes of export, for a format that the system
    does not support.
    """
    if target == "onnx-static":
        from unmask.quant.weights.onnx_static import write_fixed

        return lambda source, folder, graphs, say: write_fixed(source, folder, graphs, number_format, say)
    if target == "coreml":
        from unmask.export.coreml import CoremlForm, write_coreml

        form = CoremlForm(number_format, system)
        return lambda source, folder, graphs, say: write_coreml(source, folder, graphs, form, say)
    from unmask.export.litert import write_litert

    return lambda source, folder, graphs, say: write_litert(source, folder, graphs, number_format, say)


def compiler(soc: str | None, toolkit: Path) -> Convert:
    """The same for the NPU of a Rockchip chip. Raises InputError for an unknown chip, and where the toolkit is not."""
    from unmask.export.onnx.rknn import CHIPS, check_toolkit, write_rknn

    chip = soc or CHIPS[0]
    check_toolkit(toolkit, chip)
    return lambda source, folder, graphs, say: write_rknn(source, folder, graphs, chip, toolkit, say)


Sized = list[tuple[str, dict[str, int]]]  # (role, sizes) of each graph


def fitted(source: Bundle, longest_s: float | None) -> tuple[Bundle, Sized]:
    """The bundle as it is with graphs for audio of up to `longest_s` seconds, and their sizes.

    Raises InputError for audio that is longer than the bundle takes.
    """
    from unmask.export.sizes import caption_sizes

    manifest, record = source.manifest, source.manifest.transcript
    assert record is not None  # the caller's promise
    longest_s = record.longest_s if longest_s is None else longest_s
    if not 1 <= longest_s <= record.longest_s:
        raise InputError(f"--longest-s {longest_s:g}: {manifest.name} takes from 1 to {record.longest_s:g} s")
    own = replace(manifest, transcript=replace(record, longest_s=longest_s))
    return replace(source, manifest=own), caption_sizes(own, longest_s)
