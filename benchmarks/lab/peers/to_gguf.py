"""A checkpoint with random weights as a GGUF file, so that llama.cpp can be measured on the weights that a bundle holds.

    python -m unmask.benchmarks.scenarios.checkpoints .cache/tiny-dream --family dream
    python -m benchmarks.lab.peers.to_gguf .cache/tiny-dream .cache/tiny-dream.gguf --precision q8_0

For checkpoints of `unmask.benchmarks.scenarios.checkpoints`, Dream's family. Real ones are llama.cpp's own business: its
convert_hf_to_gguf.py knows their tokenizers' merges, and llama-quantize the finer formats.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts
import gguf
from gguf.quants import quantize
from tokenizers import Tokenizer

from unmask.bundle.tokenizer import read_tokenizer
from unmask.errors import InputError, UnmaskError
from unmask.export.checkpoint.weights import Checkpoint, open_checkpoint
from unmask.export.families import dream, family_of

FAMILY = "dream"
TYPES = {
    "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "q4_0": (gguf.GGMLQuantizationType.Q4_0, gguf.LlamaFileType.MOSTLY_Q4_0),
}
PRE = "qwen2"  # how text is split before merges; without merges it changes nothing
UNUSED_MERGES = ["Ā Ā"]  # llama.cpp wants a list that is not empty: two NULs, whose whole is no token either
# The chat task as llama.cpp's templates are written: one expression, since a template's last line feed is dropped.
OPEN, CLOSE = dream.TURN.split("{}")
CHAT = f"{{{{ {json.dumps(OPEN)} + messages[-1]['content'] + {json.dumps(CLOSE)} }}}}"


@dataclass(frozen=True)
class Options:
    precision: Literal["f32", "f16", "q8_0", "q4_0"] = "f32"
    """Of the matrices; norms and biases stay in float32."""


def main(checkpoint: Path, out: Path, /, *, options: Annotated[Options, cyclopts.Parameter(name="*")] = Options()) -> None:
    try:
        print(to_gguf(checkpoint, out, options.precision))
    except UnmaskError as error:
        raise SystemExit(str(error)) from error


def to_gguf(folder: Path, out: Path, precision: str = "f32") -> Path:
    """Raises InputError for another family, or a tokenizer that merges."""
    checkpoint, tokenizer = open_checkpoint(folder), read_tokenizer(folder / "tokenizer.json")
    if family_of(checkpoint.config) != FAMILY:
        kind = checkpoint.config.get("model_type")
        raise InputError(f"{folder}: model type {kind!r}; only {FAMILY} checkpoints with random weights are written as GGUF")
    if json.loads(tokenizer.to_str())["model"]["merges"]:
        raise InputError(f"{folder}: its tokenizer merges, so it is no checkpoint of ours; use llama.cpp's convert_hf_to_gguf.py")
    writer = gguf.GGUFWriter(out, gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH.DREAM])
    kind, file_type = TYPES[precision]
    _write_sizes(writer, checkpoint.config, folder.name, file_type)
    _write_tokens(writer, tokenizer, checkpoint.config)
    _write_tensors(writer, checkpoint, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


def _write_sizes(writer: gguf.GGUFWriter, config: dict[str, Any], name: str, file_type: gguf.LlamaFileType) -> None:
    writer.add_name(name)
    writer.add_file_type(file_type)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_causal_attention(False)
    writer.add_diffusion_shift_logits(True)


def _write_tokens(writer: gguf.GGUFWriter, tokenizer: Tokenizer, config: dict[str, Any]) -> None:
    ids, special = range(config["vocab_size"]), set(tokenizer.get_added_tokens_decoder())
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE)
    writer.add_token_list([tokenizer.id_to_token(i) for i in ids])
    writer.add_token_types([gguf.TokenType.CONTROL if i in special else gguf.TokenType.NORMAL for i in ids])
    writer.add_token_merges(UNUSED_MERGES)
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_mask_token_id(config["mask_token_id"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT)


def _write_tensors(writer: gguf.GGUFWriter, checkpoint: Checkpoint, kind: gguf.GGMLQuantizationType) -> None:
    named = gguf.get_tensor_name_map(gguf.MODEL_ARCH.DREAM, checkpoint.config["num_hidden_layers"])
    for name in checkpoint.shapes:
        values = checkpoint.tensor(name).numpy()
        own = kind if values.ndim > 1 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(named.get_name(name, try_suffixes=(".weight", ".bias")), quantize(values, own), raw_dtype=own)


if __name__ == "__main__":
    cyclopts.run(main)
