"""Models that are known and cannot be exported, by their model_type, each with the true reason and its nearest relative.

Knows names. Keys of config.json that change what is computed are in `unmask.export.checkpoint.config`.
"""

from typing import Any

EXPERTS = (
    "it is a mixture of experts, and the graphs here compute one feed-forward layer for all rows; "
    "the nearest are the dense models of llada and sdar"
)
TOKEN_BY_TOKEN = "it writes token by token; masked diffusion models that were made of it have model_types of their own"
OWN_CODE = (
    "how it attends and decodes is in Python code of its own (auto_map), which is not run here; "
    "the nearest that are known without it are a2d checkpoints"
)
DIT = "it is a diffusion transformer (DiT), and its tokenizer is not in its folder; the nearest are a2d checkpoints"

BY_TYPE = {
    **dict.fromkeys(("llada_moe", "llada2_moe", "sdar_moe", "qwen3_moe", "rnd1"), EXPERTS),
    **dict.fromkeys(("bd3lm", "mdlm"), DIT),
    **dict.fromkeys(("llama", "qwen2", "mistral", "gemma", "gemma2", "gemma3_text", "phi3", "gpt2", "gpt_neox"), TOKEN_BY_TOKEN),
    "wedlm": "it attends causally over rows in another order; the nearest are block-causal checkpoints (sdar)",
    "diffusion_gemma": "its noise is uniform over the vocabulary instead of a mask, and it is a mixture of experts",
    "dimple": "it sees pictures through a tower of its own; the nearest is Dream",
    "a2d-qwen3_5": "most of its layers are linear attention (Gated DeltaNet); the nearest is a2d-qwen3",
    "lfm2": "most of its layers are convolutions; the nearest are a2d checkpoints",
}
"""model_type in lower case -> reason."""


def why_not(config: dict[str, Any]) -> str | None:
    """The reason why a config.json is of no family, or None when nothing is known against it."""
    reason = BY_TYPE.get(str(config.get("model_type", "")).lower())
    return OWN_CODE if reason == TOKEN_BY_TOKEN and config.get("auto_map") else reason
