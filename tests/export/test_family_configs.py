"""What is read of a config.json: which keys are refused, which change nothing, and which models nobody knows."""

from typing import Any

import pytest

from tests.export.published_configs import BLOCK, DREAM, LLADA
from unmask.errors import InputError
from unmask.export.checkpoint.config import check_config
from unmask.export.families import FAMILIES, family_of


def read(raw: dict[str, Any]) -> tuple[str, ...]:
    """As the exporter reads a config.json; returns the keys that nobody knows."""
    adapter = FAMILIES[family_of(raw)]
    unknown = check_config(raw, getattr(adapter, "KEYS", ()))
    adapter.config(raw)
    return unknown


@pytest.mark.parametrize(
    ("raw", "key", "value"),
    [
        (DREAM, "rope_scaling", {"type": "yarn", "factor": 4.0}),
        (DREAM, "rope_parameters", {"rope_type": "linear", "rope_theta": 1e6, "factor": 2.0}),
        (DREAM, "use_sliding_window", True),
        (DREAM, "use_mrope", True),
        (BLOCK, "hidden_act", "gelu"),
        (BLOCK, "attention_bias", True),
        (BLOCK, "mlp_bias", True),
        (BLOCK, "rope_scaling", {"rope_type": "dynamic", "factor": 2.0}),
        (LLADA, "activation_type", "gelu"),
        (LLADA, "block_type", "sequential"),
        (LLADA, "layer_norm_type", "default"),
        (LLADA, "alibi", True),
        (LLADA, "rope", False),
        (LLADA, "scale_logits", True),
        (LLADA, "rope_scaling", {"rope_type": "llama3", "factor": 8.0}),
        (LLADA, "clip_qkv", 8.0),
        (LLADA, "num_experts", 64),
        (BLOCK, "use_regular_causal", True),
        (BLOCK, "layer_types", ["full_attention", "sliding_attention"]),
        (BLOCK, "rope_parameters", {"rope_theta": 1e6, "partial_rotary_factor": 0.5}),
        (DREAM, "expand_token_id", 151667),
        (DREAM, "bd_size", 32),
        (DREAM, "use_qk_norm", True),
        (DREAM, "final_logit_softcapping", 30.0),
    ],
)
def test_what_would_be_computed_wrongly_is_refused(raw: dict[str, Any], key: str, value: object) -> None:
    read(raw)
    with pytest.raises(InputError, match=r"(has \w+ .*, which|scales positions .*, which) the exported graphs do not compute"):
        read({**raw, key: value})


@pytest.mark.parametrize(
    ("raw", "key", "value"),
    [
        (DREAM, "expand_token_id", None),
        (DREAM, "layer_types", ["full_attention", "full_attention"]),
        (DREAM, "num_experts", 0),
        (BLOCK, "use_regular_causal", False),
        (BLOCK, "use_qk_norm", True),
        (LLADA, "rope_parameters", {"rope_type": "default", "rope_theta": 5e5, "partial_rotary_factor": 1.0}),
    ],
)
def test_a_key_that_changes_nothing_is_no_hindrance(raw: dict[str, Any], key: str, value: object) -> None:
    assert read({**raw, key: value}) == ()


@pytest.mark.parametrize("raw", [DREAM, BLOCK, LLADA])
def test_the_published_configurations_have_no_unknown_keys(raw: dict[str, Any]) -> None:
    assert read(raw) == ()
    assert read({**raw, "canvas_noise": 3, "swirl": None}) == ("canvas_noise", "swirl")


@pytest.mark.parametrize(
    ("raw", "key", "value", "wanted"),
    [
        (DREAM, "hidden_size", "64", "a whole number from 1"),
        (DREAM, "num_hidden_layers", 2.0, "a whole number from 1"),
        (DREAM, "num_attention_heads", 0, "a whole number from 1"),
        (DREAM, "num_key_value_heads", True, "a whole number from 1"),
        (DREAM, "eos_token_id", [], "an id, or a list of ids"),
        (DREAM, "mask_token_id", "151666", "an id, or a list of ids"),
        (DREAM, "tie_word_embeddings", "false", "true or false"),
        (DREAM, "rope_scaling", "yarn", "an object"),
        (DREAM, "architectures", [None], "a list of names"),
        (BLOCK, "rope_theta", [1e6], "a finite number above 0"),
        (BLOCK, "rope_parameters", {"rope_theta": "1e6"}, "a finite number above 0"),
        (BLOCK, "block_size", -4, "a whole number from 1"),
        (LLADA, "rms_norm_eps", float("nan"), "a finite number above 0"),
        (LLADA, "rms_norm_eps", 10**400, "a finite number above 0"),
        (LLADA, "embedding_size", {"text": 5}, "a whole number from 1"),
    ],
)
def test_a_value_of_another_type_is_named(raw: dict[str, Any], key: str, value: object, wanted: str) -> None:
    with pytest.raises(InputError, match=f"config.json has .*, which is not {wanted}"):
        read({**raw, key: value})


def test_the_default_scaling_is_none() -> None:
    rope = {"rope_type": "default", "rope_theta": 5e5}
    raw = {key: value for key, value in DREAM.items() if not key.startswith("rope")}
    assert FAMILIES["dream"].config({**raw, "rope_parameters": rope}).rope_theta == 5e5
    with pytest.raises(InputError, match="lacks 'rope_theta'"):
        FAMILIES["dream"].config({**raw, "rope_parameters": {"rope_type": "default"}})


@pytest.mark.parametrize("kind", ["Dream", "dream", "llada", "mmada", "sdar", "SDAR"])
def test_case_of_the_model_type_is_no_matter(kind: str) -> None:
    assert family_of({"model_type": kind}) in ("dream", "llada", "block")


@pytest.mark.parametrize("kind", ["resnet", "", None])
def test_what_nobody_knows_is_told_with_what_is_known(kind: str | None) -> None:
    with pytest.raises(InputError, match=r"is not one that can be exported; known: dream, llada, .*a2d-qwen3.*fast_dllm_qwen"):
        family_of({"model_type": kind})


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({"model_type": "llada2_moe", "num_experts": 256}, "a mixture of experts"),
        ({"model_type": "sdar_moe"}, "a mixture of experts, .* the nearest are the dense models"),
        ({"model_type": "rnd1"}, "a mixture of experts"),
        ({"model_type": "bd3lm"}, "diffusion transformer"),
        ({"model_type": "diffusion_gemma"}, "noise is uniform"),
        ({"model_type": "wedlm"}, "attends causally"),
        ({"model_type": "llama"}, "writes token by token"),
        ({"model_type": "llama", "auto_map": {"AutoModelForCausalLM": "modeling_x.X"}}, "is in Python code of its own"),
    ],
)
def test_what_is_known_and_cannot_be_exported_is_told_the_reason(raw: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=rf"model_type '{raw['model_type']}' cannot be exported here: .*{reason}"):
        family_of(raw)
