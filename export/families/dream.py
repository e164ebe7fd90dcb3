"""Dream, Dream-Coder and Omni-Diffusion's backbone: Qwen2.5's shape without the causal mask, logits shifted by one.

Omni-Diffusion is recognized by its tokens for speech and image codes (`omni_diffusion`); the weights of its speech encoder are
known and left out. Prompts and settings of Dream are the examples of its repository.
"""

from typing import Any

from tokenizers import Tokenizer

from unmask.decoding.schedule import Reference
from unmask.export.families import omni_diffusion, qwen
from unmask.export.families.adapter import TEXT, Tasks, Traits, given, need, one, text_task
from unmask.export.families.qwen import EMBEDDING, HEAD, VOCABULARY_KEY, names
from unmask.export.modules.backbone import BackboneConfig

MODEL_TYPES = ("dream",)
SKIPPED = ("model.audio_model.", "model.audio_projection.")
MASK = 151666
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
    return qwen.sizes(raw, qkv_bias=True, qk_norm=False)


def traits(raw: dict[str, Any], tokenizer: Tokenizer, block: int | None) -> Traits:
    end, mask = one(need(raw, "eos_token_id")), given(raw, "mask_token_id", MASK)
    if omni_diffusion.recognized(tokenizer):
        known = omni_diffusion.tasks(tokenizer)
    else:
        known = tasks(end, tokenizer.token_to_id("<|im_end|>"))
    ranges = omni_diffusion.ranges(tokenizer, mask, need(raw, VOCABULARY_KEY))
    return Traits(mask, end, 1, "full", None, raw.get("max_position_embeddings"), known, ranges)


def tasks(end_id: int, chat_end_id: int | None) -> Tasks:
    """Plain completion, and a chat turn where the tokenizer has one (with Qwen's default system message, as Dream's template)."""
    reference = Reference("dream", steps=128, algorithm="entropy", temperature=0.2, top_p=0.95, at_least_one=False)
    templates = {"generate": text_task("{text}", 128, end_id, reference)}
    if chat_end_id is not None:
        prompt = qwen.SYSTEM.format("You are a helpful assistant.") + qwen.TURN.format("{text}")
        templates["chat"] = text_task(prompt, 128, chat_end_id, reference)
    return templates, dict.fromkeys(templates, TEXT)


__all__ = ["EMBEDDING", "HEAD", "MODEL_TYPES", "SHAPES", "SKIPPED", "TINY", "VOCABULARY_KEY", "config", "names", "traits"]
