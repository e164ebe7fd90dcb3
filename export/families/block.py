"""Block-causal models of Qwen3's shape (SDAR): a row sees its own block and earlier blocks, so reusing their context is exact."""

from typing import Any

from tokenizers import Tokenizer

from unmask.export.families import qwen
from unmask.export.families.adapter import BLOCKS, Traits, mask_id, need, one, tasks
from unmask.export.families.qwen import EMBEDDING, HEAD, VOCABULARY_KEY, names
from unmask.export.modules.backbone import BackboneConfig

MODEL_TYPES = ("sdar", "qwen3")
SKIPPED: tuple[str, ...] = ("rotary_emb.",)
KEYS = ("use_qk_norm", "qk_layernorm")  # its graphs have these norms
MASK_TOKEN = "<|MASK|>"
BLOCK = 4  # SDAR's default
TINY = {"model_type": "sdar", **qwen.TINY, "head_dim": 24, "tie_word_embeddings": True, "block_size": 4}
SHAPES: dict[str, dict[str, Any]] = {}


def config(raw: dict[str, Any]) -> BackboneConfig:
    return qwen.sizes(raw, qkv_bias=False, qk_norm=True)


def traits(raw: dict[str, Any], tokenizer: Tokenizer, block: int | None) -> Traits:
    """block: length of the blocks; config.json's, or SDAR's default, when None. The published decoding is the threshold rule."""
    end, mask = one(need(raw, "eos_token_id")), mask_id(raw, tokenizer, MASK_TOKEN)
    length = block or raw.get("block_size") or raw.get("block_length") or BLOCK
    known = tasks(end, qwen.TURN, tokenizer.token_to_id(qwen.TURN_END), None, BLOCKS)
    return Traits(mask, end, 0, "block", length, raw.get("max_position_embeddings"), known)


__all__ = ["EMBEDDING", "HEAD", "KEYS", "MODEL_TYPES", "SHAPES", "SKIPPED", "TINY", "VOCABULARY_KEY", "config", "names", "traits"]
