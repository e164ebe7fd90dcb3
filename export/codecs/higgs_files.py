"""The folder of Higgs Audio's codec: config.json, and its tensors one at a time. Knows names and sizes. Knows no graph.

Sizes are those of the tensors, since config.json keeps numbers of other codecs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from unmask.errors import BundleError, InputError
from unmask.export.bundle_writer import WeightsFile
from unmask.export.checkpoint.config import FILE, read_json
from unmask.export.checkpoint.folder import SINGLE

MODEL_TYPE = "higgs_audio_v2_tokenizer"
WHAT = "the speech codec of Higgs Audio v2 (OmniVoice's folder audio_tokenizer)"
LICENSE = (
    "Boson Higgs Audio 2 Community License, which lies beside the published weights: its text travels with them, attribution, a "
    "grant of its own above 100,000 annual active users, and no use of what it says to train other models"
)
SNAKE = 1e-9


@dataclass(frozen=True)
class HiggsFolder:
    """What a folder holds. Tensors are read when they are asked for."""

    path: Path
    config: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]

    def tensor(self, name: str) -> Tensor:
        """A tensor in float32. Raises BundleError for one that is not finite."""
        with safe_open(self.path, "pt") as file:
            found: Tensor = file.get_tensor(name).float()
        if not torch.isfinite(found).all():
            raise BundleError(f"{self.path}: {name} holds NaN or infinity; download it again")
        return found

    def shape(self, name: str) -> tuple[int, ...]:
        """Raises InputError for a tensor that the folder lacks."""
        if name not in self.shapes:
            raise InputError(f"{self.path}: not {WHAT}: it lacks {name}; give its folder")
        return self.shapes[name]

    def count(self, pattern: str) -> int:
        """How many of the tensors `pattern` with {} in place of 0, 1, 2, ... there are."""
        found = 0
        while pattern.format(found) in self.shapes:
            found += 1
        return found


def open_folder(source: Path) -> HiggsFolder:
    """Read config.json and the names of the tensors. Raises InputError for another model's folder, BundleError for a bad one."""
    folder = source.parent if source.is_file() else source
    for file in (FILE, SINGLE):
        if not (folder / file).is_file():
            raise InputError(f"{folder / file}: not there; give the folder of {WHAT}")
    config = read_json(folder / FILE)
    if (kind := config.get("model_type")) != MODEL_TYPE:
        raise InputError(f"{folder}: its config.json is of the model_type {kind!r}, not {MODEL_TYPE}; give the folder of {WHAT}")
    try:
        with safe_open(folder / SINGLE, "pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  (no mapping)
    except SafetensorError as error:
        raise BundleError(f"{folder / SINGLE}: cut short or damaged ({error}); download it again") from error
    return HiggsFolder(folder / SINGLE, config, shapes)


Values = dict[str, Callable[[], Tensor]]
"""Parameter -> a function that reads or computes it."""


def parameters(model: nn.Module, folder: HiggsFolder, names: Mapping[str, str], made: Values) -> Values:
    """The parameters of a model, of the right shapes.

    names: beginning of a parameter's name -> that of the checkpoint's. made: those that are computed; what a snake divides by
    is computed in any case. Raises InputError for a missing tensor and for one of another size.
    """
    found: Values = {}
    for ours, parameter in model.named_parameters():
        if ours in made:
            found[ours] = made[ours]
            continue
        begin = max((name for name in names if ours.startswith(name)), key=len)
        theirs = names[begin] + ours.removeprefix(begin)
        if ours.endswith(".share"):
            theirs = theirs.removesuffix("share") + "alpha"
            found[ours] = lambda name=theirs: 1 / (folder.tensor(name) + SNAKE)
        else:
            found[ours] = lambda name=theirs: folder.tensor(name)
        if folder.shape(theirs) != tuple(parameter.shape):
            raise InputError(
                f"{folder.path}: not {WHAT}: {theirs} is {list(folder.shape(theirs))} instead of {list(parameter.shape)}; "
                "give its folder"
            )
    return found


def storing(weights: WeightsFile, values: Values) -> Callable[[str], int]:
    """A function that stores a parameter in a weights file, once, and returns its offset."""
    offsets: dict[str, int] = {}

    def store(name: str) -> int:
        if name not in offsets:
            offsets[name] = weights.stream([values[name]().contiguous().numpy()])
        return offsets[name]

    return store


def reading(values: Values) -> Callable[[str], NDArray[np.float32]]:
    """A function that reads a whole parameter."""
    return lambda name: values[name]().contiguous().numpy()
