"""`unmask export`: a checkpoint folder becomes a bundle; everything for people goes to stderr."""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from unmask.bundle import load_bundle
from unmask.errors import InputError


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
    target: Literal["onnx", "litert"] = "onnx"
    """onnx: graphs of any size, for CPUs. litert: graphs of fixed sizes, for boards and phones."""
    to: Literal["fp32", "int8"] = "fp32"
    """Form of the target litert; `unmask quantize` makes the others of a bundle."""
    longest: int = 512
    """Of the target litert: positions of the longest canvas, its prompt included."""
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
        raise InputError(f"{checkpoint}: is a bundle; for another engine: unmask quantize {checkpoint} --target litert --to fp32")
    if options.target == "onnx" and options.to != "fp32":
        raise InputError(f"--to {options.to} is for --target litert; export in fp32, then: unmask quantize")
    if options.longest < 2:
        raise InputError(f"--longest {options.longest}: a canvas has 2 positions at least")
    if target.exists() and not options.replace:
        raise InputError(f"{target}: exists already; pass --replace, or --out with another folder")
    if target.exists() and not (target / "bundle.json").is_file():
        raise InputError(f"{target}: not a bundle, so it is not replaced; pass --out with another folder")

    def say(line: str) -> None:
        if not options.quiet:
            print(line, file=sys.stderr)

    if options.target == "litert":
        export_litert(checkpoint, target, options, say)
        say(f"next: unmask generate {target} --engine litert --prompt ...")
    else:
        from unmask.export.model import export_model

        export_model(checkpoint, target, options.name, options.top, options.block, say)
        say(f"next: unmask generate {target} --prompt ...")
    print(target)


def export_litert(checkpoint: Path, target: Path, options: ExportOptions, say: Callable[[str], None]) -> None:
    """By way of a bundle with graphs of any size, for what it knows of the family, and gone afterwards."""
    from unmask.export.litert_bundle import backbone_graphs, write_litert
    from unmask.export.model import export_model

    name = options.name or checkpoint.resolve().name
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.resolve().parent) as part:
        source = load_bundle(export_model(checkpoint, Path(part) / "any", name, options.top, options.block, say))
        graphs = backbone_graphs(checkpoint, source.manifest, options.longest, options.top)
        write_litert(source, target, graphs, options.to, None, say)
