"""The tensors of a codec's file: safetensors, or what PyTorch pickled, which is read for its tensors alone.

Knows files and names. Knows no codec.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from unmask.errors import BundleError, InputError
from unmask.export.checkpoint.pickled import read_pickled

SAFE, PICKLED = (".safetensors",), (".bin", ".pt", ".pth", ".ckpt")
NAMED = 3  # an error names at most so many tensors


def find_file(source: Path, what: str, names: Sequence[str] = ("*",)) -> Path:
    """The file of tensors that `source` is, or the only one in that folder; safetensors are taken before pickled ones.

    what: the codec, for messages. names: patterns of the file's name without its ending. Raises InputError for none and several.
    """
    if source.is_file():
        return source
    if not source.is_dir():
        raise InputError(f"{source}: not there; give the folder or the file of {what}")
    for endings in (SAFE, PICKLED):
        found = sorted(path for ending in endings for name in names for path in source.glob(name + ending))
        if len(found) > 1:
            raise InputError(f"{source}: {', '.join(path.name for path in found)}: give the one that is {what}")
        if found:
            return found[0]
    raise InputError(f"{source}: no file of tensors ({', '.join(SAFE + PICKLED)}) here; give the folder or the file of {what}")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Name -> tensor in float32. Nothing in the file is executed. Raises BundleError for a file that is damaged or holds more."""
    try:
        held = load_file(path) if path.suffix in SAFE else read_pickled(path)
    except SafetensorError as error:
        raise BundleError(f"{path}: cut short or damaged ({error}); download it again") from error
    return {name: value.float() if value.is_floating_point() else value for name, value in held.items()}


def fitting(
    path: Path, tensors: Mapping[str, Tensor], wanted: Mapping[str, Any], what: str, spare: Sequence[str] = ()
) -> dict[str, Tensor]:
    """The tensors of a model. wanted: name -> parameter or tensor of that shape. spare: beginnings of names that are not needed.

    Raises InputError that names what is missing, of another shape, unknown or not finite.
    """
    missing = [name for name in wanted if name not in tensors]
    shaped = [f"{n} {tuple(tensors[n].shape)}" for n in wanted if n in tensors and tensors[n].shape != wanted[n].shape]
    unknown = [name for name in tensors if name not in wanted and not name.startswith(tuple(spare))]
    broken = [name for name in wanted if name in tensors and not torch.isfinite(tensors[name]).all()]
    for names, wrong in (
        (missing, "lacks"),
        (shaped, "has other sizes of"),
        (unknown, "has besides"),
        (broken, "has NaN or infinity in"),
    ):
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            raise InputError(f"{path}: not {what}: it {wrong} {', '.join(names[:NAMED])}{more}; give the file of {what}")
    return {name: tensors[name] for name in wanted}
