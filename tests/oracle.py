"""transformers' own class over the tensors of a checkpoint folder, with the attention mask given, to hold the graphs against."""

from typing import Any

import torch
from numpy.typing import NDArray
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

from unmask.export.checkpoint.weights import Checkpoint

QWEN2, QWEN3, LLAMA = (Qwen2Config, Qwen2ForCausalLM), (Qwen3Config, Qwen3ForCausalLM), (LlamaConfig, LlamaForCausalLM)
# By model_type in lower case. Fast-dLLM v2's own modeling code is Qwen2's with another mask, Tiny-A2D's are subclasses of these.
CLASSES: dict[str, Any] = {
    "dream": QWEN2,
    "sdar": QWEN3,
    "a2d-qwen3": QWEN3,
    "a2d-qwen2": QWEN2,
    "a2d-llama": LLAMA,
    "fast_dllm_qwen": QWEN2,
}
# Keys of config.json that transformers' classes do not know, or know by another name.
DROPPED = ("model_type", "architectures", "rope_theta", "mask_token_id", "block_size", "bd_size")

# What LLaDA's modeling code does with its tensors, under Llama's names: ff_proj goes through the activation, up_proj does not.
LLADA_AS_LLAMA = {
    "attn_norm": "input_layernorm",
    "ff_norm": "post_attention_layernorm",
    **{f"{part}_proj": f"self_attn.{part}_proj" for part in "qkv"},
    "attn_out": "self_attn.o_proj",
    "ff_proj": "mlp.gate_proj",
    "up_proj": "mlp.up_proj",
    "ff_out": "mlp.down_proj",
}
LLADA_ENDS = {"wte": "model.embed_tokens", "ln_f": "model.norm", "ff_out": "lm_head"}


def as_llama(name: str) -> str:
    parts = name.removeprefix("model.transformer.").removesuffix(".weight").split(".")
    if parts[0] != "blocks":
        return f"{LLADA_ENDS[parts[0]]}.weight"
    return f"model.layers.{parts[1]}.{LLADA_AS_LLAMA[parts[2]]}.weight"


def theirs(checkpoint: Checkpoint) -> Any:
    """The same weights in transformers' class of the shape."""
    raw = checkpoint.config
    if raw["model_type"] == "llada":
        keys: dict[str, Any] = {
            "vocab_size": raw["embedding_size"],
            "hidden_size": raw["d_model"],
            "intermediate_size": raw["mlp_hidden_size"],
            "num_hidden_layers": raw["n_layers"],
            "num_attention_heads": raw["n_heads"],
            "num_key_value_heads": raw["n_kv_heads"],
            "rms_norm_eps": raw["rms_norm_eps"],
            "tie_word_embeddings": False,
        }
        (config_class, model_class), names = LLAMA, {name: as_llama(name) for name in checkpoint.shapes}
    else:
        keys = {key: value for key, value in raw.items() if key not in DROPPED and value is not None}
        config_class, model_class = CLASSES[raw["model_type"].lower()]
        if raw["model_type"] == "Dream" and raw.get("attention_bias") is False:  # its reasoner, and a Dream made of Llama
            config_class, model_class = QWEN3 if "block_size" in raw else LLAMA
        names = {name: name for name in checkpoint.shapes}
    rope = {"rope_type": "default", "rope_theta": raw["rope_theta"]}
    model = model_class(config_class(**keys, rope_parameters=rope, attn_implementation="eager"))
    tensors = {names[name]: checkpoint.tensor(name) for name in checkpoint.shapes}
    model.load_state_dict(tensors, strict=not keys["tie_word_embeddings"])
    return model.eval()


@torch.no_grad()
def logits(model: Any, ids: NDArray[Any], seen: torch.Tensor) -> torch.Tensor:
    """(N,) ids, seen (N, N) bool -> (N, vocabulary): row i attends to the positions that seen[i] names."""
    mask = torch.zeros(seen.shape).masked_fill(~seen, -1e9)
    found: torch.Tensor = model(input_ids=torch.as_tensor(ids)[None], attention_mask=mask[None, None]).logits[0]
    return found
