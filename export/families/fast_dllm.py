"""Fast-dLLM v2: Qwen2.5's shape in blocks of 32, logits shifted by one. Its code fills each block in parts of 8."""

from typing import Any

from tokenizers import Tokenizer

from unmask.decoding.schedule import Reference
from unmask.export.families import qwen
from unmask.export.families.adapter import BLOCKS, Traits, mask_id, need, one, tasks
from unmask.export.families.qwen import EMBEDDING, HEAD, VOCABULARY_KEY, names
from unmask.export.modules.backbone import BackboneConfig

MODEL_TYPES = ("fast_dllm_qwen",)
SKIPPED: tuple[str, ...] = ()
KEYS = ("bd_size", "conplemenrary_mask")  # the second, as it is spelled there, is of its training
MASK_TOKEN = "|<MASK>|"
PART = 8
TINY = {"model_type": "Fast_dLLM_Qwen", **qwen.TINY, "tie_word_embeddings": True, "bd_size": 32}
SHAPES: dict[str, dict[str, Any]] = {}


def config(raw: dict[str, Any]) -> BackboneConfig:
    return qwen.sizes(raw, qkv_bias=True, qk_norm=False)


def traits(raw: dict[str, Any], tokenizer: Tokenizer, block: int | None) -> Traits:
    """block: length of the blocks; config.json's bd_size when None."""
    end, mask = one(need(raw, "eos_token_id")), mask_id(raw, tokenizer, MASK_TOKEN)
    length = block or int(need(raw, "bd_size"))
    part = PART if length % PART == 0 else length
    reference = Reference("fast_dllm", 1, "threshold", block=length, sub_block=part, threshold=0.9, stop_id=end)
    known = tasks(end, qwen.QWEN2_TURN, tokenizer.token_to_id(qwen.TURN_END), reference, BLOCKS)
    return Traits(mask, end, 1, "block", length, raw.get("max_position_embeddings"), known)


__all__ = ["EMBEDDING", "HEAD", "KEYS", "MODEL_TYPES", "SHAPES", "SKIPPED", "TINY", "VOCABULARY_KEY", "config", "names", "traits"]
