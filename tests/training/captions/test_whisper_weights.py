"""Our Whisper gives what transformers' gives from the same folder, and both folder layouts hold the same weights."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from transformers import WhisperConfig, WhisperForConditionalGeneration

from unmask.export.modules.whisper import Whisper
from unmask.training.captions.whisper_weights import load_whisper

WIDTH, HEADS, VOCABULARY, POSITIONS, STATES = 32, 2, 60, 20, 24
Tensors = dict[str, NDArray[np.float32]]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def theirs() -> WhisperForConditionalGeneration:
    """Unequal layer counts, and weights and biases large enough that a swapped tensor shows."""
    config = WhisperConfig(
        vocab_size=VOCABULARY,
        d_model=WIDTH,
        encoder_layers=3,
        decoder_layers=2,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=4 * WIDTH,
        decoder_ffn_dim=4 * WIDTH,
        max_source_positions=STATES,
        max_target_positions=POSITIONS,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    torch.manual_seed(3)
    model = WhisperForConditionalGeneration(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.15)
    return model


@pytest.fixture(scope="module")
def folder(theirs: WhisperForConditionalGeneration, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("huggingface")
    theirs.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def ours(folder: Path) -> Whisper:
    return load_whisper(folder).requires_grad_(False)


def changed(folder: Path, target: Path, change: Tensors, drop: tuple[str, ...] = ()) -> Path:
    """A copy of a Hugging Face folder with tensors added, replaced or dropped."""
    target.mkdir()
    (target / "config.json").write_bytes((folder / "config.json").read_bytes())
    tensors = {**load_file(folder / "model.safetensors"), **change}
    save_file({name: value for name, value in tensors.items() if name not in drop}, target / "model.safetensors")
    return target


# ---- the same numbers as transformers


def test_encoder_states(theirs: WhisperForConditionalGeneration, ours: Whisper) -> None:
    mel = torch.randn(2, 80, 2 * STATES)
    expected = theirs.model.encoder(mel).last_hidden_state
    assert expected.std() > 0.1
    torch.testing.assert_close(ours.encoder(mel), expected, atol=1e-4, rtol=0)


def test_encoder_batch_with_padding(ours: Whisper) -> None:
    mel = torch.randn(1, 80, 2 * STATES)
    mask = torch.arange(STATES) < torch.tensor([[STATES], [10]])
    # The second convolution sees one mel frame ahead, so the short row's silence starts after its last state.
    short = torch.cat([mel[..., :20], torch.zeros(1, 80, 2 * STATES - 20)], -1)
    both = ours.encoder(torch.cat([mel, short]), mask[:, None, None])
    torch.testing.assert_close(both[:1], ours.encoder(mel), atol=1e-4, rtol=0)
    torch.testing.assert_close(both[1:, :10], ours.encoder(mel[..., :20]), atol=1e-4, rtol=0)


def test_decoder_logits(theirs: WhisperForConditionalGeneration, ours: Whisper) -> None:
    states, ids = torch.randn(2, STATES, WIDTH), torch.randint(VOCABULARY, (2, POSITIONS))
    expected = theirs(decoder_input_ids=ids, encoder_outputs=(states,)).logits
    assert expected.std() > 0.1
    logits, past = ours.decoder(ids, ours.decoder.cross(states))
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)
    assert {tuple(t.shape) for pair in past for t in pair} == {(2, HEADS, POSITIONS, WIDTH // HEADS)}


@pytest.mark.parametrize("pieces", [[1] * 9, [4, 1, 1, 3], [2, 7]])
def test_decoding_with_a_past_equals_the_full_pass(
    theirs: WhisperForConditionalGeneration, ours: Whisper, pieces: list[int]
) -> None:
    states, ids = torch.randn(2, STATES, WIDTH), torch.randint(VOCABULARY, (2, 9))
    expected = theirs(decoder_input_ids=ids, encoder_outputs=(states,)).logits
    cross, past, at = ours.decoder.cross(states), None, 0
    for count in pieces:
        logits, past = ours.decoder(ids[:, at : at + count], cross, None, past)
        torch.testing.assert_close(logits, expected[:, at : at + count], atol=1e-4, rtol=0)
        at += count


def test_decoder_ignores_padded_states(ours: Whisper) -> None:
    states, ids = torch.randn(1, STATES, WIDTH), torch.randint(VOCABULARY, (1, 6))
    mask = (torch.arange(STATES) < 11)[None, None, None]
    logits, _ = ours.decoder(ids, ours.decoder.cross(states), mask)
    alone, _ = ours.decoder(ids, ours.decoder.cross(states[:, :11]))
    torch.testing.assert_close(logits, alone, atol=1e-4, rtol=0)


# ---- CTranslate2

_CT2_KINDS = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}


def write_model_bin(path: Path, tensors: dict[str, NDArray[np.generic]], version: int = 6, spec: str = "WhisperSpec") -> None:
    """`tensors` as CTranslate2 lays them out in its format 6."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    out = [struct.pack("<I", version), text(spec), struct.pack("<II", 3, len(tensors))]
    for name, value in tensors.items():
        shape = struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
        out += [text(name), shape, struct.pack("<BI", _CT2_KINDS[str(value.dtype)], value.nbytes), value.tobytes()]
    out += [struct.pack("<I", 1), text("decoder/projection/weight"), text("decoder/embeddings/weight")]
    path.write_bytes(b"".join(out))


def ctranslate2(hf: Tensors) -> dict[str, NDArray[np.generic]]:
    """The variables that CTranslate2's converter makes of Hugging Face's tensors."""
    out: dict[str, NDArray[np.generic]] = {}

    def norm(name: str, source: str) -> None:
        out[f"{name}/gamma"], out[f"{name}/beta"] = hf[f"{source}.weight"], hf[f"{source}.bias"]

    def linear(name: str, *sources: str) -> None:
        out[f"{name}/weight"] = np.concatenate([hf[f"{source}.weight"] for source in sources])
        zeros = np.zeros(WIDTH, np.float32)
        out[f"{name}/bias"] = np.concatenate([hf.get(f"{source}.bias", zeros) for source in sources])

    for side, layers in (("encoder", 3), ("decoder", 2)):
        out[f"{side}/num_heads"] = np.array(HEADS, np.int16)
        out[f"{side}/position_encodings/encodings"] = hf[f"model.{side}.embed_positions.weight"]
        norm(f"{side}/layer_norm", f"model.{side}.layer_norm")
        for i in range(layers):
            name, source = f"{side}/layer_{i}", f"model.{side}.layers.{i}"
            q, k, v, o = (f"{source}.self_attn.{part}_proj" for part in ("q", "k", "v", "out"))
            norm(f"{name}/self_attention/layer_norm", f"{source}.self_attn_layer_norm")
            linear(f"{name}/self_attention/linear_0", q, k, v)
            linear(f"{name}/self_attention/linear_1", o)
            if side == "decoder":
                q, k, v, o = (f"{source}.encoder_attn.{part}_proj" for part in ("q", "k", "v", "out"))
                norm(f"{name}/attention/layer_norm", f"{source}.encoder_attn_layer_norm")
                linear(f"{name}/attention/linear_0", q)
                linear(f"{name}/attention/linear_1", k, v)
                linear(f"{name}/attention/linear_2", o)
            norm(f"{name}/ffn/layer_norm", f"{source}.final_layer_norm")
            linear(f"{name}/ffn/linear_0", f"{source}.fc1")
            linear(f"{name}/ffn/linear_1", f"{source}.fc2")
    for conv in ("conv1", "conv2"):
        linear(f"encoder/{conv}", f"model.encoder.{conv}")
    out["decoder/embeddings/weight"] = hf["model.decoder.embed_tokens.weight"]
    out["decoder/activation"] = np.array(3, np.int8)
    return out


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_ctranslate2_folder_holds_the_same_weights(folder: Path, ours: Whisper, tmp_path: Path, dtype: str) -> None:
    raw = ctranslate2(load_file(folder / "model.safetensors"))
    write_model_bin(tmp_path / "model.bin", {n: v.astype(dtype) if v.dtype == np.float32 else v for n, v in raw.items()})
    model = load_whisper(tmp_path)
    assert model.config == ours.config
    state, expected = model.state_dict(), ours.state_dict()
    assert state.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(state[name], value.to(getattr(torch, dtype)).float()), name


# ---- what cannot be loaded


def test_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        load_whisper(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_whisper(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("theirs_name", "ours_name"),
    [
        ("model.decoder.layers.1.encoder_attn.q_proj.bias", "decoder.blocks.1.cross.query.bias"),
        ("model.encoder.conv1.weight", "encoder.conv1.weight"),
        ("model.encoder.embed_positions.weight", "encoder.positions"),
        ("model.decoder.embed_tokens.weight", "decoder.embedding.weight"),
    ],
)
def test_missing_tensor_is_named(folder: Path, tmp_path: Path, theirs_name: str, ours_name: str) -> None:
    broken = changed(folder, tmp_path / "whisper", {}, drop=(theirs_name,))
    with pytest.raises(ValueError, match=ours_name):
        load_whisper(broken)


@pytest.mark.parametrize(
    ("theirs_name", "ours_name"),
    [("model.decoder.adapter", "decoder.adapter"), ("model.encoder.layers.2.fc1.bias", "encoder.blocks.2.ffn_in.bias")],
)
def test_extra_or_misshapen_tensor_is_named(folder: Path, tmp_path: Path, theirs_name: str, ours_name: str) -> None:
    with pytest.raises(ValueError, match=ours_name):
        load_whisper(changed(folder, tmp_path / "whisper", {theirs_name: np.zeros(5, np.float32)}))


@pytest.mark.parametrize(("version", "spec"), [(5, "WhisperSpec"), (6, "TransformerSpec")])
def test_other_ctranslate2_format_is_named(tmp_path: Path, version: int, spec: str) -> None:
    write_model_bin(tmp_path / "model.bin", {"encoder/num_heads": np.array(2, np.int16)}, version, spec)
    with pytest.raises(ValueError, match=rf"model.bin: format {version} of '{spec}'"):
        load_whisper(tmp_path)


@pytest.mark.parametrize("name", ["decoder/layer_1/attention/linear_2/bias", "encoder/conv2/weight", "decoder/num_heads"])
def test_missing_ctranslate2_variable_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    raw = ctranslate2(load_file(folder / "model.safetensors"))
    del raw[name]
    write_model_bin(tmp_path / "model.bin", raw)
    with pytest.raises(ValueError, match=name):
        load_whisper(tmp_path)


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.999])
def test_model_bin_cut_short_is_named(folder: Path, tmp_path: Path, kept: float) -> None:
    path = tmp_path / "model.bin"
    write_model_bin(path, ctranslate2(load_file(folder / "model.safetensors")))
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(ValueError, match=r"model\.bin"):
        load_whisper(tmp_path)
