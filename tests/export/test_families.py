"""Adapters against the published configurations: sizes, tensor names and traits of the real models."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

from tests.export.published_configs import A2D, BLOCK, DREAM, FAST_DLLM, LLADA, REASONER
from unmask.benchmarks.scenarios.checkpoints import letters, omni_tokenizer, small_tokenizer
from unmask.errors import InputError
from unmask.export.families import FAMILIES, family_of
from unmask.export.onnx.backbone import expected


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return small_tokenizer()


def tensors(raw: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    adapter = FAMILIES[family_of(raw)]
    return expected(adapter, adapter.config(raw))


@pytest.mark.parametrize(
    ("raw", "config", "model"), [(DREAM, Qwen2Config, Qwen2ForCausalLM), (BLOCK, Qwen3Config, Qwen3ForCausalLM)]
)
def test_tensors_of_the_real_sizes_are_those_of_transformers(raw: dict[str, Any], config: Any, model: Any) -> None:
    drop = ("model_type", "mask_token_id", "sliding_window", "use_mrope", "rope_scaling", "rope_theta", "eos_token_id")
    with torch.device("meta"):
        theirs = model(config(**{key: value for key, value in raw.items() if key not in drop}))
    assert tensors(raw) == {name: tuple(parameter.shape) for name, parameter in theirs.named_parameters()}


def test_tensors_of_llada_are_those_of_its_files() -> None:
    """One layer by hand, and the number of parameters: 2 V d + L (4 d^2 + 3 d f + 2 d) + d."""
    found = tensors(LLADA)
    layer = {name.removeprefix("model.transformer.blocks.7."): shape for name, shape in found.items() if ".blocks.7." in name}
    square, wide, tall = (4096, 4096), (12288, 4096), (4096, 12288)
    assert layer == {
        "attn_norm.weight": (4096,),
        "ff_norm.weight": (4096,),
        **{f"{name}.weight": square for name in ("q_proj", "k_proj", "v_proj", "attn_out")},
        **{f"{name}.weight": wide for name in ("ff_proj", "up_proj")},
        "ff_out.weight": tall,
    }
    rest = {name for name in found if ".blocks." not in name}
    assert rest == {f"model.transformer.{name}.weight" for name in ("wte", "ln_f", "ff_out")}
    assert sum(torch.Size(shape).numel() for shape in found.values()) == 8_015_581_184


def test_a_norm_of_queries_is_not_one_of_keys() -> None:
    names = FAMILIES["block"].names(FAMILIES["block"].config(BLOCK))
    assert names["layers.3.attention.q_norm.weight"] == "model.layers.3.self_attn.q_norm.weight"
    assert names["layers.3.attention.k_norm.weight"] == "model.layers.3.self_attn.k_norm.weight"
    assert len(set(names.values())) == len(names)


def test_ids_shift_and_attention(tokenizer: Tokenizer) -> None:
    def found(raw: dict[str, Any]) -> tuple[object, ...]:
        traits = FAMILIES[family_of(raw)].traits(raw, tokenizer, None)
        return traits.mask_id, traits.end_id, traits.logits_shift, traits.attention, traits.block, traits.positions

    assert found(DREAM) == (151666, 151643, 1, "full", None, 131072)
    assert found({**DREAM, "mask_token_id": None})[0] == 151666
    assert found(LLADA) == (126336, 126081, 0, "full", None, 4096)
    assert found({**LLADA, "mask_token_id": None})[0] == 126336
    assert found(BLOCK) == (259, 256, 0, "block", 4, 32768)
    assert found({**BLOCK, "mask_token_id": 151669})[0] == 151669


def test_only_a_tokenizer_with_all_its_marks_is_omni_diffusions(tokenizer: Tokenizer) -> None:
    def tasks(known: Tokenizer) -> set[str]:
        return set(FAMILIES["dream"].traits(DREAM, known, None).tasks[0])

    assert tasks(omni_tokenizer()) == {"asr", "tts", "t2i", "s2i", "vqa", "svqa", "sqa"}
    half = small_tokenizer()
    half.add_tokens(["<|audio_0|>", "<|begin_of_audio|>"])
    assert tasks(half) == tasks(tokenizer) == {"generate", "chat"}


def test_the_length_of_blocks(tokenizer: Tokenizer) -> None:
    def length(asked: int | None, **keys: int) -> int | None:
        return FAMILIES["block"].traits({**BLOCK, **keys}, tokenizer, asked).block

    assert length(None) == 4
    assert length(None, block_length=16) == 16
    assert length(None, block_size=8) == 8
    assert length(32, block_size=8) == 32


def test_an_autoregressive_model_has_no_mask() -> None:
    bare = Tokenizer.from_str(small_tokenizer().to_str().replace("<|MASK|>", "<|other|>"))
    with pytest.raises(InputError, match="has a mask token, so the model is not a masked diffusion model"):
        FAMILIES["block"].traits({**BLOCK, "model_type": "qwen3"}, bare, None)


def test_ranges_are_read_from_the_tokenizer(tokenizer: Tokenizer) -> None:
    omni = FAMILIES["dream"].traits(DREAM, omni_tokenizer(), None)
    assert omni.ranges == {"text": (0, 151667), "speech": (151688, 168072), "image": (168072, 176264)}
    assert FAMILIES["dream"].traits(DREAM, tokenizer, None).ranges == {}  # all ids are text


def test_tiny_a2d_is_read_as_trained(tokenizer: Tokenizer) -> None:
    """Full attention unless blocks are asked for; the folder's name may insist on them. The mask is the tokenizer's."""
    adapter, known = FAMILIES["a2d"], small_tokenizer(mask="<|mask|>")
    full, blocks = adapter.traits(A2D, known, None), adapter.traits(A2D, known, 32)
    assert (full.mask_id, full.attention, full.block, full.logits_shift, full.blocks_after_prompt) == (
        259,
        "full",
        None,
        0,
        False,
    )
    assert (blocks.mask_id, blocks.attention, blocks.block, blocks.logits_shift, blocks.blocks_after_prompt) == (
        259,
        "block",
        32,
        0,
        True,
    )
    assert "add --block 32" in full.notes[0]
    assert not blocks.notes
    assert str(blocks) == "blocks of 32 from the end of the prompt, logits of the row, mask 259"
    named = {**A2D, "_name_or_path": "Qwen3-0.6B-diffusion-bd3lm-v0.1"}
    with pytest.raises(InputError, match=r"bd3lm-v0.1 was trained in blocks .*: unmask export --block 32"):
        adapter.traits(named, known, None)
    assert adapter.traits(named, known, 32) == blocks
    with pytest.raises(InputError, match=r"nor the tokenizer \(<\|mask\|>\) has a mask token"):
        adapter.traits(A2D, tokenizer, None)


def test_the_layers_of_tiny_a2d_are_those_of_its_origin() -> None:
    def found(kind: str) -> tuple[bool, bool, bool]:
        config = FAMILIES["a2d"].config({**A2D, "model_type": kind})
        return config.qkv_bias, config.qk_norm, config.tied

    assert [found(kind) for kind in ("a2d-qwen3", "a2d-qwen2", "a2d-llama")] == [
        (False, True, True),
        (True, False, True),
        (False, False, True),
    ]


def test_fast_dllm_combines_a_shift_with_blocks() -> None:
    known = small_tokenizer(mask="|<MASK>|")
    traits = FAMILIES[family_of(FAST_DLLM)].traits(FAST_DLLM, known, None)
    assert (traits.mask_id, traits.end_id, traits.logits_shift, traits.attention, traits.block) == (259, 257, 1, "block", 32)
    assert str(traits) == "blocks of 32 from the first position, logits of the row before, mask 259"
    reference = traits.tasks[0]["generate"].reference
    assert reference is not None
    assert (reference.block, reference.sub_block, reference.threshold, reference.stop_id) == (32, 8, 0.9, 257)
    assert FAMILIES["fast_dllm"].config(FAST_DLLM) == FAMILIES["dream"].config({**DREAM, "vocab_size": 152064})


def test_dreams_reasoner_is_a_block_model(tokenizer: Tokenizer) -> None:
    dream = FAMILIES[family_of(REASONER)]
    traits = dream.traits(REASONER, tokenizer, None)
    assert dream.config(REASONER) == FAMILIES["block"].config({**REASONER, "model_type": "sdar"})
    assert (traits.mask_id, traits.logits_shift, traits.attention, traits.block) == (151669, 0, "block", 32)


def test_a_dream_made_of_llama_has_no_biases() -> None:
    assert FAMILIES["dream"].config(DREAM).qkv_bias
    assert not FAMILIES["dream"].config({**DREAM, "attention_bias": False}).qkv_bias


def test_each_family_is_a_file_of_its_name() -> None:
    for name, adapter in FAMILIES.items():
        assert Path(str(adapter.__file__)).stem == name


def mmada_tokenizer() -> Tokenizer:
    """LLaDA's: 126,349 tokens, the reserved ones and the marks of a turn at their true places."""
    tokenizer = letters()
    alphabet = sorted(tokenizer.get_vocab())
    tokenizer.model = BPE({**{c: i for i, c in enumerate(alphabet)}, **{f"<w{i}>": i for i in range(256, 126080)}}, [])
    known = {126080: "<|startoftext|>", 126081: "<|endoftext|>", 126336: "<|mdm_mask|>", 126348: "<|eot_id|>"}
    tokenizer.add_special_tokens([known.get(i, f"<|reserved_token_{i}|>") for i in range(126080, 126349)])
    return tokenizer


def test_mmada_draws_with_codes_after_its_tokens() -> None:
    tokenizer = mmada_tokenizer()
    drawing = FAMILIES["llada"].traits({**LLADA, "model_type": "mmada", "embedding_size": 134656}, tokenizer, None)
    assert drawing.ranges == {"text": (0, 126349), "image": (126349, 134541)}
    templates, schedules = drawing.tasks
    assert list(templates) == list(schedules) == ["generate", "chat", "t2i"]
    task, schedule = templates["t2i"], schedules["t2i"]
    marked = tokenizer.encode(task.prompt.replace("{text}", "a"), add_special_tokens=False).ids
    assert marked == [126088, 126080, tokenizer.token_to_id("a"), 126081, 126084]
    assert tokenizer.encode(task.unconditional or "", add_special_tokens=False).ids == [126088, 126080, 126081, 126084]
    assert [(span.modality, span.length, span.ids) for span in task.answer] == [("image", 1024, ()), ("", 0, (126085,))]
    assert (schedule.passes, schedule.curve, schedule.guidance) == (15, "cosine", 3.5)
    plain = FAMILIES["llada"].traits(LLADA, tokenizer, None)  # LLaDA-8B has no rows for codes
    assert (list(plain.tasks[0]), plain.ranges) == (["generate", "chat"], {})
