"""`unmask export`: a checkpoint folder becomes a bundle; everything for people goes to stderr."""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from unmask.bundle.manifest import load_bundle
from unmask.errors import InputError

FORMS = {"onnx": ("fp32",), "litert": ("fp32", "int8"), "coreml": ("fp16", "fp32", "int8", "int4")}
"""Target -> values of `--to`, the first unless given."""


@Parameter(name="*")
@dataclass(frozen=True)
class ExportOptions:
    """Options of `unmask export`."""

    out: Path | None = None
    """Folder of the bundle; beside the checkpoint, with `.bundle` behind its name, unless given."""
    name: str | None = None
    """What the bundle is called; as its checkpoint folder unless given."""
    top: int = 64
    """Best ids that a head tells of; the published decodings look at 50."""
    block: int | None = None
    """Length of a block-causal model's blocks, where config.json does not say it."""
    target: Literal["onnx", "litert", "coreml"] = "onnx"
    """onnx: graphs of any size, for CPUs. Of fixed sizes: litert, for boards and phones; coreml, for Macs, iPhones and iPads."""
    to: Literal["fp32", "fp16", "int8", "int4"] | None = None
    """Form of a target of fixed sizes: fp32 or int8 of litert, any of coreml. Unless given fp32, and fp16 of coreml."""
    longest: int = 512
    """Of graphs of fixed sizes: positions of the longest canvas, its prompt included."""
    deployment_target: Literal["iOS17", "iOS18", "macOS14", "macOS15"] = "iOS18"
    """Of coreml: the oldest system that is to run it. Before iOS18 and macOS15 graphs share no weights, and there is no int4."""
    replace: Annotated[bool, Parameter(negative="")] = False
    """Replace a bundle that is there already."""
    quiet: Annotated[bool, Parameter(negative="")] = False
    """Say nothing on stderr while it runs."""


def export(checkpoint: Path, /, *, options: ExportOptions = ExportOptions()) -> None:
    """Make a bundle of a Hugging Face checkpoint folder (Dream, LLaDA, SDAR and their kin).

    Prints the bundle's folder. Memory follows the largest part of a tensor, not the model.

    Parameters
    ----------
    checkpoint
        Folder with config.json, safetensors and tokenizer files.
    """
    target = options.out or checkpoint.resolve().with_name(checkpoint.resolve().name + ".bundle")
    if not checkpoint.is_dir():
        raise InputError(f"{checkpoint}: no such folder; give the folder of a downloaded checkpoint")
    if (checkpoint / "bundle.json").is_file():
        raise InputError(f"{checkpoint}: is a bundle; for another engine: unmask quantize {checkpoint} --target litert|coreml")
    forms = FORMS[options.target]
    if options.to is not None and options.to not in forms:
        raise InputError(
            f"--target {options.target} is exported in {' or '.join(forms)}, not in {options.to}; see unmask quantize"
        )
    if options.longest < 2:
        raise InputError(f"--longest {options.longest}: a canvas has 2 positions at least")
    if target.exists() and not options.replace:
        raise InputError(f"{target}: exists already; pass --replace, or --out with another folder")
    if target.exists() and not (target / "bundle.json").is_file():
        raise InputError(f"{target}: not a bundle, so it is not replaced; pass --out with another folder")

    def say(line: str) -> None:
        if not options.quiet:
            print(line, file=sys.stderr)

    if options.target != "onnx":
        export_fixed(checkpoint, target, options, options.to or forms[0], say)
        say(f"next: unmask generate {target} --engine {options.target} --prompt ...")
    else:
        from unmask.export.onnx.backbone import export_model

        export_model(checkpoint, target, options.name, options.top, options.block, say)
        say(f"next: unmask generate {target} --prompt ...")
    print(target)


def export_fixed(checkpoint: Path, target: Path, options: ExportOptions, form: str, say: Callable[[str], None]) -> None:
    """By way of a bundle with graphs of any size, for what it knows of the family, and gone afterwards."""
    from unmask.export.coreml import CoremlForm
    from unmask.export.graphs import backbone_graphs
    from unmask.export.onnx.backbone import export_model

    kept = CoremlForm(form, options.deployment_target) if options.target == "coreml" else None
    name = options.name or checkpoint.resolve().name
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.resolve().parent) as part:
        source = load_bundle(export_model(checkpoint, Path(part) / "any", name, options.top, options.block, say))
        graphs = backbone_graphs(checkpoint, source.manifest, options.longest, options.top)
        if kept is not None:
            from unmask.export.coreml_bundle import write_coreml

            write_coreml(source, target, graphs, kept, say)
        else:
            from unmask.export.litert_bundle import write_litert

            write_litert(source, target, graphs, form, None, say)
