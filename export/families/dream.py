"""Dream, Dream-Coder and Omni-Diffusion's backbone: Qwen2.5's shape without the causal mask, logits shifted by one.

Omni-Diffusion is told by its tokens for speech and image codes; its speech encoder's weights are known and left out.
"""

from typing import Any

from tokenizers import Tokenizer

from unmask.export import tasks
from unmask.export.families import qwen
from unmask.export.families.adapter import Traits, given, need, one
from unmask.export.families.qwen import EMBEDDING, HEAD, names
from unmask.export.modules.backbone import BackboneConfig

MODEL_TYPES = ("dream",)
SKIPPED = ("model.audio_model.", "model.audio_projection.")
MASK = 151666
OMNI = (
    "<|audio_0|>",
    "<|image_0|>",
    "<|begin_of_audio|>",
    "<|end_of_audio|>",
    "<|begin_of_image|>",
    "<|end_of_image|>",
    "<|im_end|>",
)


def config(raw: dict[str, Any]) -> BackboneConfig:
    return qwen.sizes(raw, qkv_bias=True, qk_norm=False)


def traits(raw: dict[str, Any], tokenizer: Tokenizer, block: int | None) -> Traits:
    end = one(need(raw, "eos_token_id"))
    if all(tokenizer.token_to_id(token) is not None for token in OMNI):
        known = tasks.omni_diffusion(tokenizer.token_to_id, tokenizer.encode("\n", add_special_tokens=False).ids[0])
    else:
        known = tasks.dream(end, tokenizer.token_to_id("<|im_end|>"))
    return Traits(given(raw, "mask_token_id", MASK), end, 1, "full", None, raw.get("max_position_embeddings"), known)


__all__ = ["EMBEDDING", "HEAD", "MODEL_TYPES", "SKIPPED", "config", "names", "traits"]
