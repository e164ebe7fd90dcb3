"""Speech out against independent computations: the published formulas written out, torch.stft and istft, PyTorch's own noise.

The published code itself was run once at full size, with the same random weights: docs/log.md has its figures.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.agreement import voice_formulas as published
from unmask.benchmarks.scenarios.codecs.glm_voice import FLOW, VOCODER, files_of, make_voice, write_voice
from unmask.bundle.manifest import load_bundle
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.engines.onnx import open_session
from unmask.export.codecs.glm_voice import write
from unmask.export.modules.voice.estimator import Estimator
from unmask.export.modules.voice.flow_encoder import FlowEncoder
from unmask.export.modules.voice.sizes import FlowSizes, VocoderSizes
from unmask.export.modules.voice.vocoder import Fourier, Vocoder
from unmask.speech.synthesis.chance import PublishedChance
from unmask.speech.synthesis.codec import SpeechWriter
from unmask.speech.synthesis.flow import mel_spectrogram
from unmask.speech.synthesis.frames import code_of_frame, frames_of

MODULES = make_voice()
FILES = files_of(MODULES)
HEADS = (FLOW.heads, FLOW.estimator_heads)
CODES = torch.tensor([3, 3, 16000, *range(1, 13)])  # one block of ten and a half
FRAMES = frames_of(len(CODES), 12.5)


@pytest.fixture(scope="module")
def codec(media: Path) -> Engine:
    return Engine(load_bundle(media))


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("count", [1, 2, 11, 15])
@pytest.mark.parametrize("known", [0, 5])
def test_the_mel_spectrogram_is_that_of_the_formulas(codec: Engine, count: int, known: int) -> None:
    frames = frames_of(count, 12.5)
    noise, done = normal(FLOW.mels, frames), normal(FLOW.mels, known, seed=1)
    places = torch.from_numpy(code_of_frame(count, frames))
    held = F.pad(done, (0, frames - known))
    expected = published.solved(FILES[0], CODES[:count], places, held, noise, HEADS)
    made = mel_spectrogram(codec, CODES[:count].numpy(), done.numpy(), noise.numpy())
    np.testing.assert_allclose(made, expected, atol=1e-4)
    assert expected.std() > 0.5


def test_the_sound_is_that_of_the_formulas(codec: Engine) -> None:
    """From codes to samples, with the numbers that PyTorch draws after manual_seed(42)."""
    sines = VOCODER.harmonics + 1
    torch.manual_seed(42)
    z, phases = torch.randn(1, FLOW.mels, FRAMES)[0], (torch.rand(1, sines, 1)[0, :, 0] * 2 - 1) * torch.pi
    noise = torch.randn(1, sines, 256 * FRAMES)[0]
    phases[0] = 0
    places = torch.from_numpy(code_of_frame(len(CODES), FRAMES))
    mel = published.solved(FILES[0], CODES, places, torch.zeros_like(z), z, HEADS)
    hift = published.plain(FILES[1])
    hz = published.pitch(hift, mel)
    assert 0.1 < (hz > 10).float().mean() < 0.9  # voiced here, and unvoiced there
    expected = published.samples(hift, mel, published.source(hift, hz, phases, noise))
    made = SpeechWriter(codec, codec.bundle.manifest.codecs["glm-voice"]).decode(CODES.tolist())
    np.testing.assert_allclose(made, expected, atol=1e-3)
    assert expected.std() > 0.01


def test_spectra_are_those_of_pytorch() -> None:
    fourier, sound = Fourier(16, 4), normal(400)
    window = torch.hann_window(16, periodic=True)
    expected = torch.stft(sound, 16, 4, 16, window, center=True, pad_mode="reflect", return_complex=True)
    made = fourier.spectrum(sound[None, None])[0]
    torch.testing.assert_close(made, torch.cat([expected.real, expected.imag]), atol=1e-5, rtol=1e-5)
    magnitude, phase = normal(9, 101).exp(), normal(9, 101, seed=1)
    back = torch.istft(torch.polar(magnitude, phase), 16, 4, 16, window)
    torch.testing.assert_close(fourier.samples(magnitude[None], phase[None])[0, 0], back, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("frames", [6, 48, 301])
def test_the_published_noise_is_what_pytorch_draws(frames: int) -> None:
    torch.manual_seed(PublishedChance.SEED)
    expected = torch.randn(1, 80, frames), torch.rand(1, 9, 1) - 0.5, torch.randn(1, 9, 256 * frames)
    chance = PublishedChance(80, 9, frames)
    np.testing.assert_allclose(chance.flow(0, frames), expected[0][0], atol=1e-6)
    np.testing.assert_array_equal(chance.phases()[1:], expected[1][0, 1:, 0].double())
    np.testing.assert_allclose(chance.source(1, 3), expected[2][0, :, 256:768], atol=1e-6)


def test_frames_are_counted_and_chosen_as_pytorch_does() -> None:
    counts = [int((torch.tensor([n], dtype=torch.int32) / 12.5 * 22050 / 256).int()) for n in range(1, 5000)]
    assert [frames_of(n, 12.5) for n in range(1, 5000)] == counts
    for count in (1, 2, 33, 64, 199, 1000):
        frames = frames_of(count, 12.5)
        nearest = F.interpolate(torch.arange(count).float()[None, None], size=frames, mode="nearest")[0, 0]
        np.testing.assert_array_equal(code_of_frame(count, frames), nearest)


def test_the_full_sizes_have_the_published_names_and_shapes() -> None:
    """Tensors whose names or shapes are told; all of them together are as large as the published files."""
    with torch.device("meta"):
        encoder, estimator, vocoder = FlowEncoder(FlowSizes()), Estimator(FlowSizes()), Vocoder(VocoderSizes())
    flow, hift = files_of((encoder, estimator, vocoder))
    shapes = {name: tuple(value.shape) for name, value in {**flow, **hift}.items()}
    expected = {
        "input_embedding.weight": (16384, 512),
        "spk_embed_affine_layer.weight": (80, 192),
        "encoder.embed.out.1.weight": (512,),
        "encoder.encoders.5.self_attn.linear_pos.weight": (512, 512),
        "encoder.encoders.0.self_attn.pos_bias_u": (8, 64),
        "encoder.encoders.5.feed_forward.w_1.weight": (2048, 512),
        "encoder_proj.weight": (80, 512),
        "length_regulator.model.12.weight": (80, 80, 1),
        "decoder.estimator.time_mlp.linear_1.weight": (1024, 320),
        "decoder.estimator.down_blocks.0.0.block1.block.0.weight": (256, 320, 3),
        "decoder.estimator.down_blocks.0.2.conv.weight": (256, 256, 3),
        "decoder.estimator.down_blocks.1.2.weight": (256, 256, 3),
        "decoder.estimator.mid_blocks.11.1.3.attn1.to_q.weight": (512, 256),
        "decoder.estimator.mid_blocks.11.1.3.attn1.to_out.0.bias": (256,),
        "decoder.estimator.mid_blocks.0.1.0.ff.net.0.proj.weight": (1024, 256),
        "decoder.estimator.mid_blocks.0.1.0.ff.net.2.weight": (256, 1024),
        "decoder.estimator.up_blocks.0.0.res_conv.weight": (256, 512, 1),
        "decoder.estimator.up_blocks.0.2.conv.weight": (256, 256, 4),
        "decoder.estimator.final_proj.weight": (80, 256, 1),
        "conv_pre.weight_v": (512, 80, 7),
        "ups.0.weight_g": (512, 1, 1),
        "ups.1.weight_v": (256, 128, 16),
        "source_downs.0.weight": (256, 18, 16),
        "source_downs.1.weight": (128, 18, 1),
        "source_resblocks.1.convs2.2.weight_v": (128, 128, 11),
        "resblocks.5.activations1.2.alpha": (128,),
        "conv_post.weight_v": (18, 128, 7),
        "m_source.l_linear.weight": (1, 9),
        "f0_predictor.condnet.8.weight_v": (512, 512, 3),
        "f0_predictor.classifier.weight": (1, 512),
    }
    assert {name: shapes.get(name) for name in expected} == expected
    assert sum(value.numel() for value in flow.values()) == 111_166_208  # flow.pt is 445 MB
    assert sum(value.numel() for value in hift.values()) == 20_460_591  # hift.pt is 81.9 MB


SHALLOW = """\
flow: !new:cosyvoice.flow.flow.MaskedDiffWithXvec
    encoder: !new:cosyvoice.transformer.encoder.BlockConformerEncoder
        num_blocks: 1
    decoder: !new:cosyvoice.flow.flow_matching.ConditionalCFM
        estimator: !new:cosyvoice.flow.decoder.ConditionalDecoder
            n_blocks: 1
            num_mid_blocks: 1
"""


@pytest.mark.slow
def test_graphs_of_the_published_widths_are_the_formulas(tmp_path: Path) -> None:
    """With one layer where the published ones are several alike, which take minutes to trace."""
    modules = make_voice(FlowSizes(layers=1, transformers=1, middle=1), VocoderSizes())
    write_voice(tmp_path / "glm", modules)
    (tmp_path / "glm" / "config.yaml").write_text(SHALLOW, encoding="utf-8")
    flow, hift = files_of(modules)
    (tmp_path / "graphs").mkdir()
    write(tmp_path / "glm", None, tmp_path / "graphs", lambda line: None)

    def run(role: str, **feeds: torch.Tensor) -> list[np.ndarray]:
        session = open_session(tmp_path / "graphs" / f"{role}.onnx", EngineOptions())
        return session.run(None, {name: value.numpy() for name, value in feeds.items()})

    places, frames = torch.from_numpy(code_of_frame(7, 48)), 48
    mean, speaker = run("flow_encoder", codes=CODES[:7], places=places)
    expected = published.mean_of_codes(flow, CODES[:7], places, 8, 10)
    np.testing.assert_allclose(mean, expected, atol=1e-4)
    x, done = normal(1, 80, frames), F.pad(normal(1, 80, 5, seed=1), (0, frames - 5))
    given = {
        "mel": x,
        "mean": expected[None],
        "speaker": torch.from_numpy(speaker)[None],
        "known": done,
        "time": torch.tensor([0.3]),
    }
    estimator = {name.removeprefix("decoder.estimator."): value for name, value in flow.items()}
    velocity = published.velocity(estimator, x[0], expected, given["speaker"][0, :, 0], done[0], 0.3, 8)
    np.testing.assert_allclose(run("flow_estimator", **given)[0][0], velocity, atol=1e-4)
    weights, mel, noise = published.plain(hift), normal(80, frames, seed=2), normal(9, 256 * frames, seed=3)
    hz = published.pitch(weights, mel)
    np.testing.assert_allclose(run("pitch", mel=mel[None])[0], hz, atol=1e-2)
    cycles = torch.outer(torch.arange(1, 10).double(), F.pad(hz.double().cumsum(0)[:-1], (1, 0)) * 256 / 22050)
    made = run("vocoder", mel=mel[None], pitch=hz, phases=(cycles - cycles.floor()).float(), noise=noise)[0]
    expected = published.samples(weights, mel, published.source(weights, hz, torch.zeros(9), noise))
    np.testing.assert_allclose(made, expected, atol=1e-3)
