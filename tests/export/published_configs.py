"""The config.json of published models, without the keys that say nothing of the graphs."""

from typing import Any

# Omni-Diffusion's config_dream_resume.json, SDAR-1.7B's and LLaDA-8B's config.json.
DREAM: dict[str, Any] = {
    "model_type": "Dream",
    "vocab_size": 176264,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "hidden_act": "silu",
    "max_position_embeddings": 131072,
    "rms_norm_eps": 1e-6,
    "rope_scaling": None,
    "rope_theta": 1000000.0,
    "sliding_window": None,
    "use_sliding_window": False,
    "use_mrope": False,
    "tie_word_embeddings": False,
    "bos_token_id": 151643,
    "eos_token_id": 151643,
    "mask_token_id": 151666,
}
BLOCK: dict[str, Any] = {
    "model_type": "sdar",
    "attention_bias": False,
    "vocab_size": 151936,
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_act": "silu",
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "use_sliding_window": False,
    "tie_word_embeddings": True,
    "eos_token_id": [256, 258],
}
LLADA: dict[str, Any] = {
    "model_type": "llada",
    "activation_type": "silu",
    "alibi": False,
    "attention_layer_norm": False,
    "block_type": "llama",
    "d_model": 4096,
    "embedding_size": 126464,
    "vocab_size": 126464,
    "eos_token_id": 126081,
    "include_bias": False,
    "include_qkv_bias": False,
    "input_emb_norm": False,
    "layer_norm_type": "rms",
    "mask_token_id": 126336,
    "max_sequence_length": 4096,
    "mlp_hidden_size": 12288,
    "multi_query_attention": None,
    "n_heads": 32,
    "n_kv_heads": 32,
    "n_layers": 32,
    "rms_norm_eps": 1e-5,
    "rope": True,
    "rope_theta": 500000.0,
    "scale_logits": False,
    "weight_tying": False,
}

# Qwen3-0.6B as ZHZisZZ/dllm converts it, Fast_dLLM_v2_7B's config.json, and Dream's reasoner.
A2D: dict[str, Any] = {
    **{key: value for key, value in BLOCK.items() if key != "eos_token_id"},
    "model_type": "a2d-qwen3",
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "eos_token_id": 256,
}
FAST_DLLM: dict[str, Any] = {
    **{key: value for key, value in DREAM.items() if key != "mask_token_id"},
    "model_type": "Fast_dLLM_Qwen",
    "vocab_size": 152064,
    "bd_size": 32,
    "eos_token_id": 257,
}
REASONER: dict[str, Any] = {**BLOCK, "model_type": "Dream", "hidden_size": 4096, "block_size": 32, "eos_token_id": 256}
