"""Makes the tiny models with random weights, their checkpoints and bundles. Imports torch, which their readers need not.

    python -m tests.tiny

makes tests/data/window.tflite anew, the one graph that is stored, since LiteRT's converter is not in the extra `dev`.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch
from safetensors.torch import load_file, save_file

from unmask.benchmarks.scenarios.checkpoints import write_checkpoint
from unmask.benchmarks.scenarios.omni import CODECS
from unmask.bundle.graph import GraphSpec
from unmask.export.checkpoint.pieces import FILE as PIECES
from unmask.export.checkpoint.pieces import MARKS, read_pieces
from unmask.export.codecs.attach import add_codecs, codecs_inside, write_codecs
from unmask.export.families import FAMILIES
from unmask.export.modules.drafter import GIVEN, Drafter
from unmask.export.modules.moonshine import Moonshine, MoonshineConfig
from unmask.export.modules.static import FixedGraph
from unmask.export.modules.static_transcript import transcript_graph
from unmask.export.onnx.backbone import write_backbone
from unmask.export.onnx.transcript import write_transcript

# Checkpoints of models that differ from their family's tiny one: family, keys of config.json, and the block length asked for.
# As on the hub, a mask is named by the tokenizer alone where config.json of the real ones does not have it.
VARIANTS: dict[str, tuple[str, dict[str, Any], int | None]] = {
    "a2d-qwen3": ("a2d", {"mask_token_id": None}, None),
    "a2d-qwen2": ("a2d", {"mask_token_id": None, "model_type": "a2d-qwen2", "head_dim": None}, None),
    "a2d-llama": ("a2d", {"mask_token_id": None, "model_type": "a2d-llama", "head_dim": None}, None),
    "a2d-bd3lm": ("a2d", {"mask_token_id": None}, 8),
    "fast_dllm": ("fast_dllm", {"mask_token_id": None}, None),
    "dream-llama": ("dream", {"attention_bias": False}, None),
    "dream-reasoner": ("dream", {"attention_bias": False, "head_dim": 24, "block_size": 32}, None),
}

SPOKEN = ("\u2581", "t", "h", "e", "s", "a", "th", "\u2581a", "\u2581th", "\u2581the", "es", "<<ST_0>>")
"""Pieces after the marks and bytes, in the order of their merges."""
TINY = MoonshineConfig(
    width=36,  # its second convolution is of the size that formats change
    heads=4,
    encoder_layers=2,
    decoder_layers=2,
    feed_forward=48,
    rotary=6,
    alignment=((1, 0), (1, 2)),
    vocabulary=len(MARKS) + 256 + len(SPOKEN),
)


def write_pieces(path: Path, pieces: Sequence[str] = SPOKEN) -> None:
    """A tokenizer.bin; an empty piece is an id that is not used."""
    entries = [*(mark.encode() for mark in MARKS), *(bytes([byte]) for byte in range(256)), *(piece.encode() for piece in pieces)]
    lengths = (bytes([n]) if n < 128 else bytes([128 + n % 128, n // 128]) for n in map(len, entries))
    path.write_bytes(b"".join(length + entry for length, entry in zip(lengths, entries, strict=True)))


def make_captioner(config: MoonshineConfig = TINY) -> Moonshine:
    """Random weights, large enough that rows differ."""
    torch.manual_seed(3)
    return _distinct(Moonshine(config))


def make_drafter(model: Moonshine) -> Drafter:
    """Random weights that draft some of the model's tokens, and empty slots too."""
    torch.manual_seed(4)
    ids = torch.arange(3, model.config.vocabulary, 2)
    drafter = _distinct(Drafter(ids, model.decoder.embed_tokens.weight[ids]))
    for name, parameter in drafter.named_parameters():
        if name.endswith(("narrow.weight", "none.weight", "project.weight")):
            torch.nn.init.normal_(parameter, std=0.5)
    return drafter


def _distinct(model: torch.nn.Module) -> torch.nn.Module:
    for name, parameter in model.named_parameters():
        if name.endswith("embed_tokens.weight") or name == "decoder.norm.weight":  # else each token would be said again forever
            torch.nn.init.normal_(parameter, std=0.5)
        elif "norm.weight" in name:  # no two parameters are equal, as none are after training
            torch.nn.init.normal_(parameter, mean=1, std=1e-3)
        elif "norm.bias" in name or name.endswith("narrow.bias"):
            torch.nn.init.normal_(parameter, std=1e-3)
    return model.eval().requires_grad_(False)


def export_captioner(folder: Path) -> None:
    with TemporaryDirectory() as made:
        write_pieces(Path(made) / PIECES)
        tokenizer = read_pieces(Path(made) / PIECES).to_str()
    model = make_captioner()
    write_transcript(model, make_drafter(model), tokenizer, folder, "tiny", "MIT", {"source": "random weights"})


FIXED = (
    ("context", {"samples": 30_016}),
    ("window", {"tokens": 17, "past": 20, "frames": 80, "listed": 4}),
    ("window", {"tokens": 20, "past": 20, "frames": 80, "listed": 4}),
)


def fixed_graphs() -> list[FixedGraph]:
    """The captioner's graphs of fixed sizes."""
    model = make_captioner()
    return [transcript_graph(model, make_drafter(model), role, sizes, 2) for role, sizes in FIXED]


def export_litert(folder: Path, source: Path) -> None:
    """source: the bundle of `export_captioner`."""
    from unmask import load_bundle
    from unmask.export.litert import write_litert

    write_litert(load_bundle(source), folder, fixed_graphs())


def moonshine_checkpoint(folder: Path) -> tuple[Path, Path]:
    """The tiny captioner as a Hugging Face folder with a tokenizer.bin, and the file of its drafter beside it."""
    folder.mkdir()
    model, sizes = make_captioner(), TINY
    drafter = {name: value for name, value in make_drafter(model).state_dict().items() if name != GIVEN}
    save_file(drafter, folder.with_name("draft.safetensors"))
    save_file({f"model.{name}": p for name, p in model.named_parameters()}, folder / "model.safetensors")
    config = {
        "model_type": "moonshine",
        "hidden_size": sizes.width,
        "decoder_num_attention_heads": sizes.heads,
        "encoder_num_hidden_layers": sizes.encoder_layers,
        "decoder_num_hidden_layers": sizes.decoder_layers,
        "intermediate_size": sizes.feed_forward,
        "partial_rotary_factor": 0.7,
        "vocab_size": sizes.vocabulary,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    write_pieces(folder / PIECES)
    return folder, folder.with_name("draft.safetensors")


def export_media(folder: Path, omni: Path, files: Path) -> None:
    """The bundle `omni` with every codec. files: as `write_omni` writes them."""
    shutil.copytree(omni, folder, dirs_exist_ok=True)
    with TemporaryDirectory() as made:
        codecs = write_codecs({name: files / name for name in CODECS}, files / "model", Path(made), lambda line: None)
        add_codecs(folder, Path(made), codecs)


def export_voice(folder: Path, files: Path) -> None:
    """The bundle of OmniVoice's checkpoint `files`, with the codec that lies in it."""
    write_backbone(files, folder, "omnivoice")
    with TemporaryDirectory() as made:
        add_codecs(folder, Path(made), write_codecs(codecs_inside(files), files, Path(made), lambda line: None))


def export_masked(folder: Path, checkpoint: Path) -> None:
    """A bundle whose window graph takes a mask whatever the family's attention is, as all did once."""
    with patch.object(GraphSpec, "any_size", lambda spec, attention: spec):
        write_backbone(checkpoint, folder)


def variant_checkpoint(folder: Path) -> None:
    """The checkpoint of `VARIANTS` that the folder is named after.

    The mask's embedding is small: a random model with a tied head would predict the mask wherever it reads it.
    """
    family, changes, _ = VARIANTS[folder.stem]
    write_checkpoint(folder, family, **changes)
    tensors = load_file(folder / "model.safetensors")
    tensors[FAMILIES[family].EMBEDDING][259] *= 0.05
    save_file(tensors, folder / "model.safetensors")


def litert_window() -> FixedGraph:
    """The tiny captioner's window at one size."""
    return transcript_graph(make_captioner(), None, "window", {"tokens": 4, "past": 6, "frames": 6, "listed": 2}, 2)


if __name__ == "__main__":
    from unmask.export.litert import write_tflite

    write_tflite([litert_window()], Path(__file__).parent / "data" / "window.tflite")
