"""Bundles with random weights of a model's shape, made once in the user's cache, to measure a device without real weights.

Knows names and sizes. PyTorch and the exporter are imported when a bundle has to be made.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from unmask.errors import InputError
from unmask.system import check_disk, check_memory
from unmask.user_cache import cache_folder

KEYS = {
    "d": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv": "num_key_value_heads",
    "ff": "intermediate_size",
    "vocab": "vocab_size",
    "positions": "max_position_embeddings",
}
PRECISIONS = ("fp32", "int8")
MAKING = 2.2  # a checkpoint and a bundle are on disk at the same time for a while
OVERHEAD = 600 << 20  # bytes, of a process that runs a bundle, weights aside


def read_shape(text: str) -> tuple[str, dict[str, Any]]:
    """A named shape, or d=896,layers=24,heads=14,kv=2,ff=4864,vocab=151936 of Dream's family: family and keys of config.json.

    Raises InputError for a name or key that is not known, and for sizes that do not fit each other.
    """
    from unmask.benchmarks.scenarios.checkpoints import SHAPES  # imports PyTorch
    from unmask.export.families import DEFAULT

    if "=" not in text:
        if text not in SHAPES:
            raise InputError(f"no shape {text!r}; there are {', '.join(SHAPES)}, or sizes as in d=896,layers=24")
        return SHAPES[text]
    config: dict[str, Any] = {}
    for part in text.split(","):
        key, _, value = part.partition("=")
        if key not in KEYS or not value.isdigit() or not int(value):
            raise InputError(f"shape {text!r}: {part!r} is not KEY=NUMBER with one of {', '.join(KEYS)}")
        config[KEYS[key]] = int(value)
    config.setdefault("hidden_size", 512)
    config.setdefault("num_attention_heads", max(1, config["hidden_size"] // 64))
    config.setdefault("intermediate_size", 4 * config["hidden_size"])
    config.setdefault("vocab_size", 32000)
    config.setdefault("num_key_value_heads", config["num_attention_heads"])
    config.setdefault("max_position_embeddings", 4096)
    heads, shared = config["num_attention_heads"], config["num_key_value_heads"]
    if config["hidden_size"] % heads or (config["hidden_size"] // heads) % 2 or heads % shared:
        raise InputError(
            f"shape {text!r}: {config['hidden_size']} numbers do not split into {heads} heads that share {shared} keys"
        )
    if config["vocab_size"] < 260:
        raise InputError(f"shape {text!r}: vocab is {config['vocab_size']}; the tokenizer alone has 260 ids")
    return DEFAULT, config


def shape_bundle(text: str, precision: str = "int8", root: Path | None = None) -> Path:
    """The bundle of a shape, made if it does not exist yet. Raises InputError when memory or disk are too small."""
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    family, config = read_shape(text)
    parameters = _parameters(family, config)
    check_room(text, parameters, precision, root or cache_folder())
    key = hashlib.sha256(json.dumps([family, config], sort_keys=True).encode()).hexdigest()[:10]
    folder = (root or cache_folder()) / "shapes" / f"{text if '=' not in text else 'shape'}-{key}"
    plain, wanted = folder / "fp32", folder / precision
    if (wanted / "bundle.json").is_file():
        return wanted
    if not (plain / "bundle.json").is_file():
        from unmask.benchmarks.scenarios.checkpoints import SHARD_BYTES, write_checkpoint
        from unmask.export.onnx.backbone import write_backbone

        checkpoint = write_checkpoint(folder / "checkpoint", family, shard_bytes=SHARD_BYTES, **config)
        write_backbone(checkpoint, plain, name=text if "=" not in text else f"shape-{key}")
        shutil.rmtree(checkpoint)
    if precision == "int8":
        from unmask.quant.weights.quantize import quantize_bundle

        quantize_bundle(plain, wanted)
    return wanted


def check_room(text: str, parameters: int, precision: str, root: Path) -> None:
    """Raises InputError when the weights do not fit into free memory, or making them does not fit on the disk."""
    memory = parameters * (4 if precision == "fp32" else 1) + OVERHEAD
    check_memory(memory, f"shape {text} with {parameters / 1e9:.1f} B weights in {precision}", "choose a smaller shape")
    check_disk(root, int(MAKING * 4 * parameters), f"making the shape {text}", "set UNMASK_CACHE to a folder on another disk")


def _parameters(family: str, config: dict[str, Any]) -> int:
    from math import prod

    from unmask.export.families import FAMILIES
    from unmask.export.onnx.backbone import expected

    own = {"architectures": ["Tiny"], "eos_token_id": 256, "mask_token_id": 259}
    adapter = FAMILIES[family]
    return sum(prod(shape) for shape in expected(adapter, adapter.config({**adapter.TINY, **own, **config})).values())
