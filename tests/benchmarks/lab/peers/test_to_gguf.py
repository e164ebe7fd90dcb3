"""GGUF files of random checkpoints, read back with the gguf package: every tensor, the sizes, the tokens, the chat template."""

import json
from pathlib import Path

import gguf
import jinja2
import numpy as np
import pytest
from gguf.quants import dequantize

from benchmarks.lab.peers.to_gguf import to_gguf
from unmask.benchmarks.scenarios.checkpoints import write_checkpoint
from unmask.bundle.manifest import load_bundle
from unmask.errors import InputError
from unmask.export.checkpoint.weights import open_checkpoint
from unmask.text.generator import Generator

COARSEST = {"f32": 0.0, "f16": 2**-10, "q8_0": 1 / 127, "q4_0": 1 / 7}  # of the largest number in a block of 32, at most


@pytest.mark.parametrize("precision", COARSEST)
def test_every_tensor_is_there_as_exact_as_its_format(checkpoints: dict[str, Path], tmp_path: Path, precision: str) -> None:
    checkpoint = open_checkpoint(checkpoints["dream"])
    read = gguf.GGUFReader(to_gguf(checkpoints["dream"], tmp_path / "dream.gguf", precision))
    there = {tensor.name: dequantize(tensor.data, tensor.tensor_type) for tensor in read.tensors}
    assert len(there) == len(checkpoint.shapes)
    ends = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
    parts = {
        "self_attn.q_proj.weight": "attn_q.weight",
        "self_attn.k_proj.bias": "attn_k.bias",
        "self_attn.o_proj.weight": "attn_output.weight",
        "mlp.gate_proj.weight": "ffn_gate.weight",
        "mlp.down_proj.weight": "ffn_down.weight",
        "input_layernorm.weight": "attn_norm.weight",
        "post_attention_layernorm.weight": "ffn_norm.weight",
    }
    layers = {f"model.layers.{i}.{theirs}": f"blk.{i}.{own}" for i in range(2) for theirs, own in parts.items()}
    for theirs, own in {**ends, **layers}.items():
        values = checkpoint.tensor(theirs).numpy()
        exact = COARSEST[precision] if values.ndim > 1 else 0.0
        assert np.abs(there[own].reshape(values.shape) - values).max() <= exact * np.abs(values).max()


def test_sizes_tokens_and_template_are_the_bundles(
    checkpoints: dict[str, Path], backbones: dict[str, Path], tmp_path: Path
) -> None:
    read = gguf.GGUFReader(to_gguf(checkpoints["dream"], tmp_path / "dream.gguf"))

    def field(name: str) -> object:
        found = read.get_field(name)
        assert found is not None, name
        return found.contents()

    generator = Generator(load_bundle(backbones["dream"]))
    size, mask_id = generator.bundle.manifest.vocabulary.size, generator.bundle.manifest.vocabulary.mask_id
    tokens = field("tokenizer.ggml.tokens")
    assert tokens == [generator.tokenizer.id_to_token(i) for i in range(size)]
    assert (field("tokenizer.ggml.mask_token_id"), field("dream.attention.causal")) == (mask_id, False)
    assert (field("dream.rope.freq_base"), field("dream.attention.head_count_kv")) == (1e6, 2)
    prompt = jinja2.Template(str(field("tokenizer.chat_template"))).render(messages=[{"role": "user", "content": "Why?"}])
    template = generator.bundle.template("chat")
    assert generator.tokenizer.encode(prompt, add_special_tokens=False).ids == generator.encode(template, {"text": "Why?"})


def test_a_vocabulary_of_any_size_has_a_token_for_each_id(tmp_path: Path) -> None:
    read = gguf.GGUFReader(to_gguf(write_checkpoint(tmp_path / "wide", "dream", vocab_size=300), tmp_path / "wide.gguf"))
    tokens = read.get_field("tokenizer.ggml.tokens")
    assert tokens is not None
    assert len(set(tokens.contents())) == 300


def test_other_checkpoints_are_refused(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="model type 'llada'"):
        to_gguf(checkpoints["llada"], tmp_path / "llada.gguf")
    folder = write_checkpoint(tmp_path / "merging", "dream")
    raw = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    raw["model"] |= {"vocab": {**raw["model"]["vocab"], "ab": 260}, "merges": [["a", "b"]]}
    (folder / "tokenizer.json").write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(InputError, match=r"convert_hf_to_gguf\.py"):
        to_gguf(folder, tmp_path / "merging.gguf")
    assert not (tmp_path / "merging.gguf").exists()
