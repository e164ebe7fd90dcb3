"""OmniVoice's graphs against transformers' classes: Qwen3 with every row seen, DAC with two changes, and HuBERT.

The authors' own package needs an environment of its own: benchmarks/lab/omnivoice/oracle.py.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import DacConfig, DacModel, HubertConfig, HubertModel, Qwen3Config, Qwen3Model

from unmask import open_model
from unmask.export.codecs.higgs import QUANTIZER
from unmask.export.codecs.higgs_files import open_folder
from unmask.session import Session


@pytest.fixture(scope="module")
def session(voice: Path) -> Session:
    return open_model(voice)


@pytest.fixture(scope="module")
def codec(voice_files: Path) -> dict[str, torch.Tensor]:
    return load_file(voice_files / "audio_tokenizer" / "model.safetensors")


def inside(tensors: dict[str, torch.Tensor], begin: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(begin): value for name, value in tensors.items() if name.startswith(begin)}


def test_a_pass_is_qwen3s_with_every_row_seen(session: Session, voice_files: Path) -> None:
    import json

    inner = json.loads((voice_files / "config.json").read_text())["llm_config"]
    tensors = load_file(voice_files / "model.safetensors")
    model = Qwen3Model(Qwen3Config(**inner)).eval()
    model.load_state_dict(inside(tensors, "llm."))
    assert session.streams is not None
    request = session.streams.request("tts", {"text": "A canoe.", "language": "en"}, 12)
    codes = np.random.default_rng(0).integers(0, 1025, (8, 12))
    ids = torch.tensor([i for i in request.ids if i is not None])
    places = torch.from_numpy(codes) + 1025 * torch.arange(8)[:, None]
    rows = torch.cat([tensors["llm.embed_tokens.weight"][ids], tensors["audio_embeddings.weight"][places].sum(0)])
    mask = torch.ones(1, 1, len(rows), len(rows), dtype=torch.bool)
    with torch.no_grad():
        expected = model(inputs_embeds=rows[None], attention_mask=mask).last_hidden_state[0, -12:]
    denoiser = session.streams.denoiser(request)
    own = denoiser.hidden(codes, None)
    assert np.abs(own - expected.numpy()).max() < 1e-4
    logits = (expected @ tensors["audio_heads.weight"].T).reshape(-1, 1025)
    scores = denoiser.numbers(own, wide=True)
    assert np.array_equal(scores.ids[:, 0], logits[:, :-1].argmax(1).numpy())
    assert np.abs(scores.logsumexp - logits.logsumexp(1).numpy()).max() < 1e-4
    changed = codes.copy()
    changed[:, -1] = 0
    assert np.abs(denoiser.hidden(changed, None)[0] - own[0]).max() > 1e-3, "the first frame sees the last"
    kept = denoiser.hidden(codes, np.arange(12))
    assert np.abs(kept - denoiser.hidden(codes, None)).max() > 0, "prompt rows of another canvas were kept"


def test_an_empty_canvas_is_one_row(session: Session) -> None:
    assert session.streams is not None
    denoiser = session.streams.denoiser(session.streams.request("tts", {"text": "x"}, 9))
    assert np.abs(denoiser.away(np.full((8, 9), 1024)) - denoiser.nothing()).max() < 1e-5


def dac(shape: dict[str, int]) -> DacModel:
    ratios = [8, 5, 4, 2, 3]
    model = DacModel(DacConfig(downsampling_ratios=ratios, upsampling_ratios=ratios, **shape)).eval()
    for module in model.decoder.modules():
        if isinstance(module, torch.nn.ConvTranspose1d):
            module.output_padding = (module.stride[0] % 2,)
    model.decoder.tanh = torch.nn.Identity()
    return model


def test_the_decoder_is_dacs_after_the_quantizers(session: Session, codec: dict[str, torch.Tensor]) -> None:
    model = dac({"encoder_hidden_size": 4, "decoder_hidden_size": 64, "hidden_size": 16})
    model.decoder.load_state_dict(inside(codec, "acoustic_decoder."))
    codes = torch.from_numpy(np.random.default_rng(1).integers(0, 1024, (13, 8)))
    rows = torch.zeros(13, codec["fc2.weight"].shape[1])
    for i in range(8):
        own = inside(codec, QUANTIZER.format(i))
        rows += own["codebook.embed"][codes[:, i]] @ own["project_out.weight"].T + own["project_out.bias"]
    with torch.no_grad():
        expected = model.decoder((rows @ codec["fc2.weight"].T + codec["fc2.bias"]).T[None])[0, 0].numpy()
    made = session.codecs.sound_writer().decode(codes.flatten().tolist())
    assert len(made) == 13 * 960
    assert np.abs(made - expected).max() < 1e-3 * np.abs(expected).max()


def test_the_encoder_is_dacs_and_huberts(session: Session, codec: dict[str, torch.Tensor], voice_files: Path) -> None:
    config = open_folder(voice_files / "audio_tokenizer").config["semantic_model_config"]
    acoustic = dac({"encoder_hidden_size": 4, "decoder_hidden_size": 64, "hidden_size": 16})
    acoustic.encoder.load_state_dict(inside(codec, "acoustic_encoder."))
    hubert = HubertModel(HubertConfig(**config)).eval()
    hubert.load_state_dict(inside(codec, "semantic_model."))
    rng = np.random.default_rng(2)
    samples, semantic = (rng.normal(0, 0.1, size).astype(np.float32) for size in (9 * 960, 9 * 640 + 320))
    with torch.no_grad():
        states = hubert(torch.from_numpy(semantic)[None], output_hidden_states=True).hidden_states
        meaning = torch.stack(states).mean(0)[0, ::2].T[None]
        for name, weight in semantic_layers(codec):
            meaning = name(meaning, weight)
        left = torch.cat([acoustic.encoder(torch.from_numpy(samples)[None, None]), meaning], 1)[0].T
        left = left @ codec["fc.weight"].T + codec["fc.bias"]
        expected = []
        for i in range(8):
            own = inside(codec, QUANTIZER.format(i))
            near = left @ own["project_in.weight"].T + own["project_in.bias"]
            expected.append(torch.cdist(near, own["codebook.embed"]).argmin(1))
            left = left - own["codebook.embed"][expected[-1]] @ own["project_out.weight"].T - own["project_out.bias"]
    engine = session.codecs.runner("speech", "reads")._engine  # type: ignore[attr-defined]
    made = engine.run("frames_encoder", {"samples": samples[None, None], "semantic": semantic[None]})["codes"]
    assert np.array_equal(made, torch.stack(expected, 1).numpy())


def semantic_layers(codec: dict[str, torch.Tensor]):  # type: ignore[no-untyped-def]
    """Functions, each with its weights, that make the semantic encoder as it is published."""
    from torch.nn.functional import conv1d, elu

    own = inside(codec, "encoder_semantic.")
    yield lambda x, w: conv1d(x, w, padding=1), own["conv.weight"]
    for block in range(2):
        for unit in range(2):
            weights = [own[f"conv_blocks.{block}.res_units.{unit}.conv{i}.weight"] for i in (1, 2)]
            yield lambda x, w: x + conv1d(elu(conv1d(elu(x), w[0], padding=1)), w[1]), weights
        last = [own[f"conv_blocks.{block}.conv.{part}"] for part in ("weight", "bias")]
        yield lambda x, w: conv1d(x, w[0], w[1], padding=1), last
