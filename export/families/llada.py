"""LLaDA-8B, LLaDA-1.5 and MMaDA's backbone: Llama's shape under OLMo's names, without the causal mask.

Prompts and settings are the examples of LLaDA's repository.
"""

from typing import Any

from tokenizers import Tokenizer

from unmask.decoding.schedule import Reference
from unmask.export.families import mmada
from unmask.export.families.adapter import HEADERS, HEADERS_END, TEXT, Traits, given, need, one, only, tasks
from unmask.export.modules.backbone import BackboneConfig

MODEL_TYPES = ("llada", "mmada")
EMBEDDING, HEAD = "model.transformer.wte.weight", "model.transformer.ff_out.weight"
SKIPPED: tuple[str, ...] = ()
MASK_TOKEN, MASK = "<|mdm_mask|>", 126336
TURN = "<|startoftext|>" + HEADERS
REFERENCE = Reference("llada", steps=128, algorithm="low_confidence", block=32)
VOCABULARY_KEY = "embedding_size"
TINY = {
    "model_type": "llada",
    "d_model": 64,
    "mlp_hidden_size": 96,
    "n_layers": 2,
    "n_heads": 4,
    "n_kv_heads": 4,
    "rms_norm_eps": 1e-5,
    "rope_theta": 5e5,
    "max_sequence_length": 512,
    "weight_tying": False,
}
SHAPES: dict[str, dict[str, Any]] = {}
PARTS = {
    "attention_norm": "attn_norm",
    "ffn_norm": "ff_norm",
    "attention.q": "q_proj",
    "attention.k": "k_proj",
    "attention.v": "v_proj",
    "attention.o": "attn_out",
    "gate": "ff_proj",
    "up": "up_proj",
    "down": "ff_out",
}


def config(raw: dict[str, Any]) -> BackboneConfig:
    only(raw, activation_type=("silu",), block_type=("llama",), layer_norm_type=("rms",), rope=(True,), alibi=(False,))
    only(raw, scale_logits=(False,), input_emb_norm=(False,), attention_layer_norm=(False,))
    heads, width = need(raw, "n_heads"), need(raw, "d_model")
    return BackboneConfig(
        layers=need(raw, "n_layers"),
        width=width,
        heads=heads,
        kv_heads=raw.get("n_kv_heads") or heads,
        head_width=width // heads,
        ffn=need(raw, "mlp_hidden_size"),
        vocabulary=need(raw, "embedding_size", "vocab_size"),
        eps=need(raw, "rms_norm_eps"),
        rope_theta=float(need(raw, "rope_theta")),
        qkv_bias=bool(raw.get("include_qkv_bias", False)),
        tied=bool(raw.get("weight_tying", False)),
    )


def names(config: BackboneConfig) -> dict[str, str]:
    """Our parameter -> the checkpoint's tensor."""
    found = {"norm.weight": "model.transformer.ln_f.weight"}
    for i in range(config.layers):
        for ours, theirs in PARTS.items():
            found[f"layers.{i}.{ours}.weight"] = f"model.transformer.blocks.{i}.{theirs}.weight"
            if config.qkv_bias and theirs in ("q_proj", "k_proj", "v_proj"):
                found[f"layers.{i}.{ours}.bias"] = f"model.transformer.blocks.{i}.{theirs}.bias"
    return found


def traits(raw: dict[str, Any], tokenizer: Tokenizer, block: int | None) -> Traits:
    end = one(need(raw, "eos_token_id"))
    known = tasks(end, TURN, tokenizer.token_to_id(HEADERS_END), REFERENCE, TEXT)
    ranges: dict[str, tuple[int, int]] = {}
    if mmada.recognized(tokenizer, need(raw, "embedding_size", "vocab_size")):
        ranges = mmada.ranges(tokenizer)
        known = tuple({**own, **more} for own, more in zip(known, mmada.tasks(tokenizer), strict=True))
    return Traits(given(raw, "mask_token_id", MASK), end, 0, "full", None, raw.get("max_sequence_length"), known, ranges)
