"""Tensors of a PyTorch file (.pt), read without running anything: `torch.load(weights_only=True)` alone.

Knows the file. Knows no model.
"""

import pickle
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from unmask.errors import BundleError

NESTED = ("state_dict", "model_state_dict", "model")
"""Keys below which training code stores the tensors beside other things."""


def read_pickled(path: Path) -> dict[str, Tensor]:
    """Name -> tensor as it is stored, mapped into memory where the file allows it.

    Raises BundleError for a file that is missing or damaged, is not PyTorch's, holds code, or holds no tensors by name.
    """
    if not path.is_file():
        raise BundleError(f"{path}: missing; download it again")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise BundleError(
            f"{path}: not read, since it is damaged, or holds more than tensors, which can be code; download it again"
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise BundleError(f"{path}: cut short or damaged; download it again") from error
    for key in NESTED:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    tensors = {name: value for name, value in found.items() if isinstance(value, Tensor)} if isinstance(found, dict) else {}
    if not tensors:
        raise BundleError(f"{path}: holds no tensors by name; give the file of the model's weights")
    return tensors
