"""Sizes, tensor names and chat turns of Qwen-shaped checkpoints, for the families that share them."""

from typing import Any

from unmask.export.families.adapter import need, only
from unmask.export.modules.backbone import BackboneConfig

HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"
TURN = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
TURN_END = "<|im_end|>"
SYSTEM = "<|im_start|>system\n{}<|im_end|>\n"
QWEN2_TURN = SYSTEM.format("You are Qwen, created by Alibaba Cloud. You are a helpful assistant.") + TURN
VOCABULARY_KEY = "vocab_size"
TINY = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e6,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
}


def sizes(config: dict[str, Any], qkv_bias: bool, qk_norm: bool) -> BackboneConfig:
    """qkv_bias, qk_norm: what the layers have. Biases of the output projection and the feed-forward layer are refused."""
    only(config, hidden_act=("silu",), use_sliding_window=(False,), use_mrope=(False,), mlp_bias=(False,))
    if not qkv_bias:
        only(config, attention_bias=(False,))
    heads, width = need(config, "num_attention_heads"), need(config, "hidden_size")
    return BackboneConfig(
        layers=need(config, "num_hidden_layers"),
        width=width,
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_width=config.get("head_dim") or width // heads,
        ffn=need(config, "intermediate_size"),
        vocabulary=need(config, "vocab_size"),
        eps=need(config, "rms_norm_eps"),
        rope_theta=_rope_theta(config),
        qkv_bias=qkv_bias,
        qk_norm=qk_norm,
        tied=bool(config.get("tie_word_embeddings", False)),
    )


def _rope_theta(config: dict[str, Any]) -> float:
    """Newer files have it in rope_parameters."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return float(rope.get("rope_theta") or need(config, "rope_theta"))


def names(config: BackboneConfig) -> dict[str, str]:
    """Our parameter -> the checkpoint's tensor."""
    found = {"norm.weight": "model.norm.weight"}
    for i in range(config.layers):
        ours, theirs = f"layers.{i}", f"model.layers.{i}"
        found[f"{ours}.attention_norm.weight"] = f"{theirs}.input_layernorm.weight"
        found[f"{ours}.ffn_norm.weight"] = f"{theirs}.post_attention_layernorm.weight"
        for part in ("q", "k", "v", "o"):
            found[f"{ours}.attention.{part}.weight"] = f"{theirs}.self_attn.{part}_proj.weight"
            if config.qkv_bias and part != "o":
                found[f"{ours}.attention.{part}.bias"] = f"{theirs}.self_attn.{part}_proj.bias"
        if config.qk_norm:
            for part in ("q", "k"):
                found[f"{ours}.attention.{part}_norm.weight"] = f"{theirs}.self_attn.{part}_norm.weight"
        for part in ("gate", "up", "down"):
            found[f"{ours}.{part}.weight"] = f"{theirs}.mlp.{part}_proj.weight"
    return found
