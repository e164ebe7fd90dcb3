"""`unmask export`: a checkpoint folder becomes a bundle; everything for people goes to stderr."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

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
    if target.exists() and not options.replace:
        raise InputError(f"{target}: exists already; pass --replace, or --out with another folder")
    if target.exists() and not (target / "bundle.json").is_file():
        raise InputError(f"{target}: not a bundle, so it is not replaced; pass --out with another folder")
    from unmask.export.model import export_model

    def say(line: str) -> None:
        if not options.quiet:
            print(line, file=sys.stderr)

    export_model(checkpoint, target, options.name, options.top, options.block, say)
    say(f"next: unmask generate {target} --prompt ...")
    print(target)
