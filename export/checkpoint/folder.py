"""What sort of folder was given: a checkpoint, a model in the cache of huggingface_hub, or something else that is named truly.

Looks at names of files and at config.json. Opens no weights, and imports no PyTorch.
"""

import re
from pathlib import Path
from typing import Any

from unmask.errors import BundleError, InputError
from unmask.export.checkpoint.config import FILE, read_json
from unmask.system import real

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
QUANTIZED = ("quantization_config", "quantization")
"""Keys of config.json that only a quantized checkpoint has; the second is MLX's."""
QUANTIZER_FILES = ("quantize_config.json", "hf_quant_config.json", "quant_config.json")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
PIECES = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
UNQUANTIZED = "give the folder of the float16, bfloat16 or float32 checkpoint"
CACHED = re.compile(r"models--(?P<owner>.+?)--(?P<model>.+)")


def snapshot(folder: Path) -> Path:
    """The folder itself, or the snapshot in it if it is a model's folder in the cache of huggingface_hub.

    The snapshot is that of the branch main, or the only one. Raises InputError when neither is there.
    """
    if (folder / FILE).exists() or not (folder / "snapshots").is_dir():
        return folder
    known = sorted(path for path in (folder / "snapshots").iterdir() if path.is_dir())
    main = folder / "refs" / "main"
    chosen = folder / "snapshots" / main.read_text(encoding="utf-8").strip() if main.is_file() else None
    if chosen in known:
        return chosen
    if len(known) != 1:
        found = ", ".join(str(path) for path in known[:3]) or "none"
        raise InputError(f"{folder}: a model in the hub's cache without one snapshot to take; give one of its snapshots: {found}")
    return known[0]


def model_name(folder: Path) -> str:
    """The name of a model: that of its folder, or in the hub's cache the part after its owner."""
    for part in (real(folder), *real(folder).parents[:2]):
        if cached := CACHED.fullmatch(part.name):
            return cached["model"]
    return _absolute(folder).name


def beside(folder: Path, suffix: str) -> Path:
    """Where a bundle goes that is made of a folder, by default: beside it, under its model's name with a suffix.

    What lies in the hub's cache, or is a link, was not put there to be written beside: its bundle goes to the current folder.
    """
    named = f"{model_name(folder)}{suffix}"
    cached = any(CACHED.fullmatch(part.name) for part in (real(folder), *real(folder).parents[:2]))
    return Path(named) if cached or folder.is_symlink() else _absolute(folder).with_name(named)


def is_moonshine(folder: Path) -> bool:
    """Whether a folder holds a Moonshine, in any form in which it is published (`unmask.export.moonshine_weights`)."""
    if (folder / FILE).is_file():
        return read_json(folder / FILE).get("model_type") == "moonshine"
    return folder.is_dir() and any(folder.glob("*.ort"))


def check_sort(folder: Path) -> None:
    """Raises InputError that says what a folder is, when it is none with a checkpoint that can be read."""
    if not folder.is_dir():
        what = "a file" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {what}; give the folder of a downloaded checkpoint")
    names = {path.name for path in folder.iterdir()}
    weights = {INDEX, SINGLE} & names
    if "adapter_config.json" in names and not weights:
        base = read_json(folder / "adapter_config.json").get("base_model_name_or_path") or "its base model"
        raise InputError(f"{folder}: an adapter (LoRA or the like) of {base}, not a model; merge the two first")
    if not weights and (ggufs := sorted(name for name in names if name.endswith(".gguf"))):
        raise InputError(f"{folder}: {ggufs[0]} is GGUF, the format of llama.cpp; give the checkpoint that it was made of")
    if "model_index.json" in names and FILE not in names:
        raise InputError(f"{folder}: a pipeline of diffusers, not one model; give the folder of a masked diffusion model")
    if FILE not in names:
        raise InputError(f"{folder}: no {FILE} here; give the folder of a Hugging Face checkpoint")
    _check_quantized(folder, read_json(folder / FILE), names)
    if not {"tokenizer.json", "vocab.json"} & names and (pieces := [name for name in PIECES if name in names]):
        raise InputError(
            f"{folder}: {pieces[0]} is a sentencepiece tokenizer, and no tokenizer.json is beside it; save one from "
            "transformers' fast tokenizer"
        )
    if not weights and any(list(folder.glob(pattern)) for pattern in PICKLES):
        raise InputError(f"{folder}: pickled weights are not read, since they can run code; convert to safetensors first")
    if not weights:
        raise BundleError(f"{folder / SINGLE}: missing; download the checkpoint again")


def _check_quantized(folder: Path, config: dict[str, Any], names: set[str]) -> None:
    for key in QUANTIZED:
        if value := config.get(key):
            method = value.get("quant_method") or value.get("quant_algo") if isinstance(value, dict) else None
            bits = value.get("bits") if isinstance(value, dict) else None
            how = f" ({method})" if method else f" ({bits} bits)" if bits else ""
            raise InputError(f"{folder}: quantized{how}, as {key} in {FILE} says; {UNQUANTIZED}")
    for name in QUANTIZER_FILES:
        if name in names:
            raise InputError(f"{folder}: quantized, as {name} says; {UNQUANTIZED}")


def _absolute(folder: Path) -> Path:
    """The path as it was given, from the root: links stay as they are."""
    return folder.absolute() if folder.name not in ("", "..") else real(folder)
