"""Block-causal models of Qwen3's shape (SDAR): rows see their own block and those before it, so that context is exact."""

from typing import Any

from tokenizers import Tokenizer

from unmask.errors import InputError
from unmask.export import tasks
from unmask.export.families import qwen
from unmask.export.families.adapter import Traits, need, one
from unmask.export.families.qwen import EMBEDDING, HEAD, names
from unmask.export.modules.backbone import BackboneConfig

MODEL_TYPES = ("sdar", "qwen3")
SKIPPED: tuple[str, ...] = ("rotary_emb.",)
BLOCK = 4  # SDAR's default


def config(raw: dict[str, Any]) -> BackboneConfig:
    return qwen.sizes(raw, qkv_bias=bool(raw.get("attention_bias", False)), qk_norm=True)


def traits(raw: dict[str, Any], tokenizer: Tokenizer, block: int | None) -> Traits:
    end = one(need(raw, "eos_token_id"))
    mask = tokenizer.token_to_id("<|MASK|>") if raw.get("mask_token_id") is None else int(raw["mask_token_id"])
    if mask is None:
        raise InputError(
            "neither config.json (mask_token_id) nor the tokenizer (<|MASK|>) names the mask: it is no diffusion model"
        )
    length = block or raw.get("block_size") or raw.get("block_length") or BLOCK
    known = tasks.block(end, tokenizer.token_to_id("<|im_end|>"))
    return Traits(mask, end, 0, "block", length, raw.get("max_position_embeddings"), known)


__all__ = ["EMBEDDING", "HEAD", "MODEL_TYPES", "SKIPPED", "config", "names", "traits"]
