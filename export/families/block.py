"""Block-causal models of Qwen3's shape (SDAR): a row sees its own block and earlier blocks, so reusing their context is exact."""

from typing import Any

from tokenizers import Tokenizer

from unmask.decoding.schedule import Schedule
from unmask.errors import InputError
from unmask.export.families import qwen
from unmask.export.families.adapter import Tasks, Traits, need, one, text_task
from unmask.export.families.qwen import EMBEDDING, HEAD, VOCABULARY_KEY, names
from unmask.export.modules.backbone import BackboneConfig

MODEL_TYPES = ("sdar", "qwen3")
SKIPPED: tuple[str, ...] = ("rotary_emb.",)
KEYS = ("use_qk_norm", "qk_layernorm")  # its graphs have these norms
BLOCK = 4  # SDAR's default
TINY = {"model_type": "sdar", **qwen.TINY, "head_dim": 24, "tie_word_embeddings": True, "block_size": 4}
SHAPES: dict[str, dict[str, Any]] = {}


def config(raw: dict[str, Any]) -> BackboneConfig:
    return qwen.sizes(raw, qkv_bias=bool(raw.get("attention_bias", False)), qk_norm=True)


def traits(raw: dict[str, Any], tokenizer: Tokenizer, block: int | None) -> Traits:
    """block: length of the blocks; config.json's, or SDAR's default, when None."""
    end = one(need(raw, "eos_token_id"))
    mask = tokenizer.token_to_id("<|MASK|>") if raw.get("mask_token_id") is None else int(raw["mask_token_id"])
    if mask is None:
        raise InputError(
            "neither config.json (mask_token_id) nor the tokenizer (<|MASK|>) has a mask token, so the model is not a masked "
            "diffusion model"
        )
    length = block or raw.get("block_size") or raw.get("block_length") or BLOCK
    known = tasks(end, tokenizer.token_to_id("<|im_end|>"))
    return Traits(mask, end, 0, "block", length, raw.get("max_position_embeddings"), known)


def tasks(end_id: int, chat_end_id: int | None) -> Tasks:
    """The schedule's blocks are the model's own. The published decoding is the threshold rule itself."""
    templates = {"generate": text_task("{text}", 128, end_id, None)}
    if chat_end_id is not None:
        templates["chat"] = text_task(qwen.TURN.format("{text}"), 128, chat_end_id, None)
    return templates, dict.fromkeys(templates, Schedule(threshold=0.9, reuse=True, window="block"))


__all__ = ["EMBEDDING", "HEAD", "KEYS", "MODEL_TYPES", "SHAPES", "SKIPPED", "TINY", "VOCABULARY_KEY", "config", "names", "traits"]
