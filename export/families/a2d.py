"""Tiny-A2D and what else ZHZisZZ/dllm makes of Qwen and Llama by taking the causal mask away. Logits are not shifted.

Nothing in a checkpoint says how it was trained: as MDLM, with full attention, or as BD3LM, in blocks that begin where the prompt
ends. It is MDLM here unless a length of blocks is asked for, which a name with bd3lm in it insists on. The published decoding is
that of the model cards, which is LLaDA's: in blocks of 64, or in the model's own until one holds an end of text.
"""

from dataclasses import replace
from typing import Any

from tokenizers import Tokenizer

from unmask.errors import InputError
from unmask.export.families import llada, qwen
from unmask.export.families.adapter import BLOCKS, HEADERS, HEADERS_END, TEXT, Traits, mask_id, need, one, tasks
from unmask.export.families.qwen import EMBEDDING, HEAD, VOCABULARY_KEY, names
from unmask.export.modules.backbone import BackboneConfig

# model_type -> what its layers have, its chat turn and what ends one: Qwen3's without thinking, Qwen2.5's, Llama 3's.
VARIANTS: dict[str, tuple[dict[str, bool], str, str]] = {
    "a2d-qwen3": ({"qkv_bias": False, "qk_norm": True}, qwen.TURN + "<think>\n\n</think>\n\n", qwen.TURN_END),
    "a2d-qwen2": ({"qkv_bias": True, "qk_norm": False}, qwen.QWEN2_TURN, qwen.TURN_END),
    "a2d-llama": ({"qkv_bias": False, "qk_norm": False}, "<|begin_of_text|>" + HEADERS, HEADERS_END),
}
MODEL_TYPES = tuple(VARIANTS)
SKIPPED: tuple[str, ...] = ()
MASK_TOKEN = "<|mask|>"
BLOCKS_NAME, BLOCK = "bd3lm", 32
NOTE = f"full attention is taken; nothing here says whether it was trained in blocks ({BLOCKS_NAME}): if so, add --block {BLOCK}"
TINY = {"model_type": "a2d-qwen3", **qwen.TINY, "head_dim": 24, "tie_word_embeddings": True}
SHAPES: dict[str, dict[str, Any]] = {}


def config(raw: dict[str, Any]) -> BackboneConfig:
    return qwen.sizes(raw, **VARIANTS[str(raw["model_type"]).lower()][0])


def traits(raw: dict[str, Any], tokenizer: Tokenizer, block: int | None) -> Traits:
    """block: length of a BD3LM model's blocks; None for an MDLM one. Raises InputError when the name says BD3LM."""
    if block is None and BLOCKS_NAME in str(raw.get("_name_or_path", "")).lower():
        raise InputError(
            f"{raw['_name_or_path']} was trained in blocks ({BLOCKS_NAME}), whose length config.json does not say; that of the "
            f"published ones is {BLOCK}: unmask export --block {BLOCK}"
        )
    _, turn, turn_end = VARIANTS[str(raw["model_type"]).lower()]
    end, mask = one(need(raw, "eos_token_id")), mask_id(raw, tokenizer, MASK_TOKEN)
    turn_end_id, longest = tokenizer.token_to_id(turn_end), raw.get("max_position_embeddings")
    if block is None:
        known = tasks(end, turn, turn_end_id, replace(llada.REFERENCE, block=64), TEXT)
        return Traits(mask, end, 0, "full", None, longest, known, notes=(NOTE,))
    known = tasks(end, turn, turn_end_id, replace(llada.REFERENCE, block=block, stop_id=end), BLOCKS)
    return Traits(mask, end, 0, "block", block, longest, known, blocks_after_prompt=True)


__all__ = ["EMBEDDING", "HEAD", "MODEL_TYPES", "SHAPES", "SKIPPED", "TINY", "VOCABULARY_KEY", "config", "names", "traits"]
