"""Dream, Dream-Coder and Omni-Diffusion's backbone: Qwen2.5's shape without the causal mask, logits shifted by one.

A Dream trained from Llama has no biases (attention_bias false). Dream's reasoner, which has a block_size, is of the block family
in all but its model_type. Omni-Diffusion is recognized by its tokens for speech and image codes (`omni_diffusion`), and the
weights of its speech encoder are known and left out. Prompts and settings of Dream are the examples of its repository.
"""

from typing import Any

from tokenizers import Tokenizer

from unmask.decoding.schedule import Reference
from unmask.export.families import block, omni_diffusion, qwen
from unmask.export.families.adapter import TEXT, Traits, given, need, one, tasks
from unmask.export.families.qwen import EMBEDDING, HEAD, VOCABULARY_KEY, names
from unmask.export.modules.backbone import BackboneConfig

MODEL_TYPES = ("dream",)
SKIPPED = ("model.audio_model.", "model.audio_projection.")
MASK_TOKEN, MASK = "<|mask|>", 151666
REASONER_MASK = 151669
TURN = qwen.SYSTEM.format("You are a helpful assistant.") + qwen.TURN
REFERENCE = Reference("dream", steps=128, algorithm="entropy", temperature=0.2, top_p=0.95, at_least_one=False)
TINY = {"model_type": "Dream", **qwen.TINY}


def _shape(width: int, ffn: int, layers: int, heads: int, vocabulary: int) -> dict[str, int]:
    sizes = {"hidden_size": width, "intermediate_size": ffn, "num_hidden_layers": layers, "num_attention_heads": heads}
    return {**sizes, "vocab_size": vocabulary}


# The sizes of Qwen2.5's models with Dream's vocabulary, and a small one for quick comparisons.
SHAPES = {
    "dream-small": _shape(512, 1536, 8, 8, 32000),
    "dream-0.5b": _shape(896, 4864, 24, 14, 151936),
    "dream-1.5b": _shape(1536, 8960, 28, 12, 151936),
    "dream-3b": _shape(2048, 11008, 36, 16, 151936),
    "dream-7b": {**_shape(3584, 18944, 28, 28, 152064), "num_key_value_heads": 4},
}


def config(raw: dict[str, Any]) -> BackboneConfig:
    if _reasons(raw):
        return block.config(raw)
    return qwen.sizes(raw, qkv_bias=bool(raw.get("attention_bias", True)), qk_norm=False)


def _reasons(raw: dict[str, Any]) -> bool:
    return raw.get("block_size") is not None


def traits(raw: dict[str, Any], tokenizer: Tokenizer, length: int | None) -> Traits:
    if _reasons(raw):
        return block.traits({**raw, "mask_token_id": given(raw, "mask_token_id", REASONER_MASK)}, tokenizer, length)
    end, mask = one(need(raw, "eos_token_id")), given(raw, "mask_token_id", MASK)
    if omni_diffusion.recognized(tokenizer):
        known = omni_diffusion.tasks(tokenizer)
    else:
        known = tasks(end, TURN, tokenizer.token_to_id(qwen.TURN_END), REFERENCE, TEXT)
    ranges = omni_diffusion.ranges(tokenizer, mask, need(raw, VOCABULARY_KEY))
    return Traits(mask, end, 1, "full", None, raw.get("max_position_embeddings"), known, ranges)


__all__ = ["EMBEDDING", "HEAD", "MODEL_TYPES", "SHAPES", "SKIPPED", "TINY", "VOCABULARY_KEY", "config", "names", "traits"]
