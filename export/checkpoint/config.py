"""config.json of a checkpoint: the keys that are known, what their values may be, and which of them change what is computed.

One table for all families, so that an unknown key is reported and a value of another type is refused in one line. An adapter that
reads a key in a way of its own lists it in its KEYS. Knows no weights and no graphs.
"""

import json
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from unmask.bundle.dataclass_json import parse_json
from unmask.errors import BundleError, InputError

FILE = "config.json"


def _words(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


COUNTS = _words(
    "hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads head_dim vocab_size block_size",
    "block_length max_position_embeddings d_model mlp_hidden_size n_layers n_heads n_kv_heads embedding_size max_sequence_length",
    "llm_vocab_size new_vocab_size codebook_size num_vq_tokens num_new_special_tokens",
)
"""Keys whose value is a whole number from 1."""
NUMBERS = _words("rms_norm_eps rope_theta")
"""Keys whose value is a finite number above 0."""
IDS = _words("mask_token_id eos_token_id bos_token_id pad_token_id unk_token_id sep_token_id decoder_start_token_id")
"""Keys whose value is an id of a token, or a list of them."""
FLAGS = _words(
    "attention_bias tie_word_embeddings weight_tying include_bias include_qkv_bias rope alibi scale_logits input_emb_norm",
    "attention_layer_norm use_sliding_window use_mrope",
)
"""Keys whose value is true or false."""
ROPES = _words("rope_scaling rope_parameters")
READ = _words("model_type architectures license hidden_act activation_type block_type layer_norm_type")
SILENT = _words(
    # what trained it, what it was trained with, and where its code lies
    "_name_or_path _commit_hash transformers_version auto_map torch_dtype dtype initializer_range init_std init_fn init_device",
    "init_cutoff_factor attention_dropout hidden_dropout embedding_dropout residual_dropout resid_pdrop embd_pdrop attn_pdrop",
    "gradient_checkpointing flash_attention fuse_cross_entropy precision pretraining_tp ep_size use_deepep debug micro_forward",
    "skip_checkpoint save_steps w_clip_vit pretrained_model_path tokenizer_class processor_class framework noise",
    # how its own code calls it
    "use_cache output_attentions output_hidden_states output_router_logits return_dict attn_implementation _attn_implementation",
    "problem_type id2label label2id chunk_size_feed_forward keys_to_ignore_at_inference task_specific_params finetuning_task",
    # without a meaning for a model that is known, or one that the tensors' shapes or other keys say
    "sliding_window max_window_layers mlp_ratio block_group_size alibi_bias_max rope_full_precision bias_for_layer_norm",
    "layer_norm_with_affine attention_layer_norm_with_affine multi_query_attention is_decoder mlp_bias",
)
"""Keys that say nothing about the graphs."""

EXPERTS = "its feed-forward layers are a mixture of experts"
CAPPED, SCALED = "it caps these numbers", "it scales these numbers"
CHANGES: dict[str, tuple[tuple[Any, ...], str]] = {
    "use_regular_causal": ((False,), "its rows see earlier rows only, and its logits are shifted"),
    "is_causal": ((False,), "its rows see earlier rows only"),
    "expand_token_id": ((), "its canvas grows where it writes that token"),
    "delete_token_id": ((), "its canvas shrinks where it writes that token"),
    "bd_size": ((), "it fills blocks of that length in smaller parts"),
    "layer_types": (("full_attention",), "some of its layers do not attend to all rows"),
    "num_experts": ((0,), EXPERTS),
    "num_local_experts": ((0,), EXPERTS),
    "n_routed_experts": ((0,), EXPERTS),
    "num_experts_per_tok": ((0,), EXPERTS),
    "moe_intermediate_size": ((0,), EXPERTS),
    "num_nextn_predict_layers": ((0,), "it has further layers that predict further tokens"),
    "partial_rotary_factor": ((1,), "only a part of each head is rotated"),
    "rotary_pct": ((1,), "only a part of each head is rotated"),
    "use_qk_norm": ((False,), "it normalizes queries and keys"),
    "qk_layernorm": ((False,), "it normalizes queries and keys"),
    "clip_qkv": ((), CAPPED),
    "attn_logit_softcapping": ((), CAPPED),
    "final_logit_softcapping": ((), CAPPED),
    "logit_scale": ((1,), SCALED),
    "logits_scaling": ((1,), SCALED),
    "embedding_multiplier": ((1,), SCALED),
    "residual_multiplier": ((1,), SCALED),
    "attention_multiplier": ((1,), SCALED),
    "text_config": ((), "its language model is a part of a larger one"),
    "llm_config": ((), "its language model is a part of a larger one"),
    "add_cross_attention": ((False,), "it reads an encoder"),
    "is_encoder_decoder": ((False,), "it has an encoder"),
}
"""Key -> values that change nothing, and what any other value changes. null and a missing key change nothing."""


def read_json(path: Path) -> dict[str, Any]:
    """Raises BundleError for a file that is not a JSON object, OSError for one that cannot be read."""
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"{path}: not JSON ({error}); download it again") from error
    if not isinstance(value, dict):
        raise BundleError(f"{path}: not a JSON object; download it again")
    return value


def check_config(config: dict[str, Any], own: Collection[str] = ()) -> tuple[str, ...]:
    """Check all keys that are known, and return the names of the others.

    own: keys that the family's adapter reads itself, whatever they change. Raises InputError for a value of another type, and for
    a key that changes attention, shift, blocks or decoding to something that no graph here computes.
    """
    known = {*COUNTS, *NUMBERS, *IDS, *FLAGS, *ROPES, *READ, *SILENT, *CHANGES, *own}
    for key, value in config.items():
        if value is None or key in own:
            continue
        _check_value(key, value)
        for inner, number in value.items() if key in ROPES else ():
            _check_value(inner, number)
    return tuple(key for key in config if key not in known)


def _check_value(key: str, value: Any) -> None:
    for what, keys, right in TYPES:
        if key in keys and not right(value):
            raise InputError(f"config.json has {key} {_short(value)}, which is not {what}; download it again")
    if key in ROPES and (kind := value.get("rope_type", value.get("type", "default"))) != "default":
        raise InputError(f"config.json scales positions ({kind!r}), which the exported graphs do not compute; set {key} to null")
    if key in CHANGES:
        harmless, change = CHANGES[key]
        if any(part not in harmless for part in (value if isinstance(value, list) else [value])):
            raise InputError(f"config.json has {key} {_short(value)}: {change}, which the exported graphs do not compute")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_whole(value) and 1 <= value < 1 << 31


def _is_number(value: Any) -> bool:
    return (_is_whole(value) or isinstance(value, float)) and 0 < value <= sys.float_info.max


def _is_id(value: Any) -> bool:
    ids = value if isinstance(value, list) else [value]
    return bool(ids) and all(map(_is_whole, ids))


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


TYPES: tuple[tuple[str, frozenset[str], Callable[[Any], bool]], ...] = (
    ("a whole number from 1", COUNTS, _is_count),
    ("a finite number above 0", NUMBERS, _is_number),
    ("an id, or a list of ids", IDS, _is_id),
    ("true or false", FLAGS, lambda value: isinstance(value, bool)),
    ("an object", ROPES, lambda value: isinstance(value, dict)),
    ("a list of names", frozenset(["architectures", "layer_types"]), _is_names),
)
"""What a value is to be, the keys, and the test."""


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
