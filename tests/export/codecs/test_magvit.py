"""MAGVIT-v2: its graphs against a transcription of the published formulas, names and sizes, and files of other models."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from unmask.benchmarks.scenarios.omni import MAGVIT, random_magvit, write_magvit
from unmask.bundle.manifest import load_bundle
from unmask.codecs import Codecs
from unmask.engines.engine import Engine
from unmask.errors import UnmaskError
from unmask.export.codecs.magvit import config_of, load_magvit
from unmask.export.modules.magvit import Magvit, MagvitConfig

State = dict[str, Tensor]

# ---- what showlab/Show-o computes, written down from its formulas: names are looked up, and nothing of ours is called


def norm(w: State, name: str, x: Tensor) -> Tensor:
    groups = x.reshape(1, 32, -1)
    spread = (groups - groups.mean(-1, keepdim=True)) / torch.sqrt(groups.var(-1, unbiased=False, keepdim=True) + 1e-6)
    return spread.reshape(x.shape) * w[f"{name}.weight"][:, None, None] + w[f"{name}.bias"][:, None, None]


def swish(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-x))


def conv(w: State, name: str, x: Tensor, **options: int) -> Tensor:
    kernel = w[f"{name}.weight"]
    return F.conv2d(x, kernel, w[f"{name}.bias"], **{"padding": kernel.shape[-1] // 2, **options})


def residual(w: State, name: str, x: Tensor) -> Tensor:
    made = conv(w, f"{name}.conv1", swish(norm(w, f"{name}.norm1", x)))
    made = conv(w, f"{name}.conv2", swish(norm(w, f"{name}.norm2", made)))
    return made + (conv(w, f"{name}.nin_shortcut", x) if f"{name}.nin_shortcut.weight" in w else x)


def middle(w: State, name: str, x: Tensor) -> Tensor:
    x = residual(w, f"{name}.block_1", x)
    h = norm(w, f"{name}.attn_1.norm", x)
    q, k, v = (conv(w, f"{name}.attn_1.{part}", h)[0].flatten(1) for part in "qkv")  # (C, HW)
    weights = torch.softmax(torch.einsum("ci,cj->ij", q, k) * len(q) ** -0.5, 1)
    x = x + conv(w, f"{name}.attn_1.proj_out", torch.einsum("cj,ij->ci", v, weights).reshape(x.shape))
    return residual(w, f"{name}.block_2", x)


def blocks(w: State, name: str, x: Tensor) -> Tensor:
    for block in range(sum(bool(re.fullmatch(rf"{re.escape(name)}\.block\.\d+\.conv1\.weight", key)) for key in w)):
        x = residual(w, f"{name}.block.{block}", x)
    return x


def encode(w: State, pixels: Tensor) -> Tensor:
    x = conv(w, "encoder.conv_in", pixels)
    for level in range(5):
        x = blocks(w, f"encoder.down.{level}", x)
        if level < 4:
            padded = torch.zeros(1, x.shape[1], x.shape[2] + 1, x.shape[3] + 1)  # below and to the right
            padded[:, :, :-1, :-1] = x
            x = conv(w, f"encoder.down.{level}.downsample.conv", padded, stride=2, padding=0)
    x = conv(w, "encoder.conv_out", swish(norm(w, "encoder.norm_out", middle(w, "encoder.mid", x))))
    bits = (conv(w, "encoder.quant_conv", x)[0] > 0).long()
    return sum(bits[c] << 12 - c for c in range(13))  # type: ignore[return-value]


def decode(w: State, codes: Tensor) -> Tensor:
    bits = torch.stack([(codes >> 12 - c & 1) * 2.0 - 1 for c in range(13)])[None]
    x = middle(w, "decoder.mid", conv(w, "decoder.conv_in", conv(w, "decoder.post_quant_conv", bits)))
    for level in (4, 3, 2, 1, 0):
        x = blocks(w, f"decoder.up.{level}", x)
        if level:
            x = conv(w, f"decoder.up.{level}.upsample.conv", x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    return conv(w, "decoder.conv_out", swish(norm(w, "decoder.norm_out", x)))


def large(weight: Tensor) -> bool:
    return weight.ndim == 4 and weight.numel() >= 4096


def in_int8(w: State) -> State:
    """Large convolutions in steps of a 127th of the largest weight of each output channel."""
    made = dict(w)
    for name, weight in w.items():
        if large(weight):
            step = weight.abs().amax((1, 2, 3), keepdim=True) / 127
            made[name] = torch.round(weight / step) * step
    return made


def psnr(first: Tensor, second: Tensor) -> float:
    """dB, of pixels from -1 to 1."""
    return float(10 * torch.log10(4 / ((first.clamp(-1, 1) - second.clamp(-1, 1)) ** 2).mean()))


# ---- ours


@pytest.mark.parametrize("size", [(64, 64), (32, 96)])
def test_codes_are_the_same_bit_for_bit_and_pictures_to_a_thousandth(media: Path, size: tuple[int, int]) -> None:
    engine, weights = Engine(load_bundle(media)), random_magvit().state_dict()
    for role in ("image_encoder", "image_decoder"):
        engine.check(role)
    pixels = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    codes = engine.run("image_encoder", {"pixels": pixels.numpy()})["codes"]
    np.testing.assert_array_equal(codes, encode(weights, pixels))
    assert len(set(codes.ravel().tolist())) > 1
    made = engine.run("image_decoder", {"codes": codes})["pixels"]
    assert made.shape == pixels.shape
    np.testing.assert_allclose(made, decode(in_int8(weights), torch.from_numpy(codes)), atol=1e-3)
    told = load_bundle(media).manifest.codecs["magvit"].provenance["precision"]
    assert told.startswith("encoder in fp32; decoder in int8: PSNR to pictures of fp32, of random codes, in dB: int8 4")
    assert psnr(torch.from_numpy(made), decode(weights, torch.from_numpy(codes))) > 40


def test_a_session_codec_reads_512_pixels_and_writes_256(media: Path) -> None:
    codecs = Codecs(load_bundle(media))
    picture = np.random.default_rng(3).integers(0, 256, (520, 600, 3), dtype=np.uint8)
    codes = codecs.runner("image", "reads").encode(picture)
    assert len(codes) == 1024
    drawn = codecs.runner("image", "writes").decode(codes[:256])  # type: ignore[arg-type]
    pixels = decode(in_int8(random_magvit().state_dict()), torch.tensor(codes[:256]).reshape(16, 16))[0].permute(1, 2, 0)
    expected = (((pixels + 1) / 2).clamp(0, 1) * 255).numpy()
    assert drawn.shape == (256, 256, 3)
    assert np.abs(drawn - expected).max() < 1.01  # truncated, as published
    few = codecs.runner("image", "writes").decode(codes[:200])  # type: ignore[arg-type]
    np.testing.assert_array_equal(few, codecs.runner("image", "writes").decode([*codes[:200], *[codes[199]] * 56]))  # type: ignore[list-item]


def test_names_and_sizes_are_those_of_the_published_file() -> None:
    """95.39 M parameters: 381.5 MB in float32, as showlab/magvitv2 is on the hub."""
    with torch.device("meta"):
        parameters = dict(Magvit().named_parameters())
    assert sum(p.numel() for p in parameters.values()) == 55_439_171 + 39_947_833
    shapes = {
        "encoder.conv_in.weight": (128, 3, 3, 3),
        "encoder.down.0.block.3.conv2.weight": (128, 128, 3, 3),
        "encoder.down.1.block.0.nin_shortcut.weight": (256, 128, 1, 1),
        "encoder.down.3.downsample.conv.bias": (512,),
        "encoder.mid.attn_1.proj_out.weight": (512, 512, 1, 1),
        "encoder.quant_conv.weight": (13, 13, 1, 1),
        "decoder.post_quant_conv.weight": (13, 13, 1, 1),
        "decoder.up.4.block.2.norm1.weight": (512,),
        "decoder.up.3.block.0.nin_shortcut.weight": (256, 512, 1, 1),
        "decoder.up.1.upsample.conv.weight": (128, 128, 3, 3),
        "decoder.conv_out.weight": (3, 128, 3, 3),
    }
    assert {name: tuple(parameters[name].shape) for name in shapes} == shapes
    assert "encoder.down.4.downsample.conv.weight" not in parameters
    assert "decoder.up.0.upsample.conv.weight" not in parameters
    assert config_of(Path("x"), parameters) == MagvitConfig()


@pytest.mark.slow
def test_the_published_widths_have_the_same_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one block a level where the published ones are several alike, which take minutes to trace."""
    from unmask.engines.engine_options import EngineOptions
    from unmask.engines.onnx import open_session
    from unmask.export.codecs.attach import write_codecs

    whole = MagvitConfig()
    shallow = (tuple((channels, 1) for channels, _ in levels) for levels in (whole.encoder, whole.decoder))
    weights = random_magvit(MagvitConfig(*shallow)).state_dict()
    monkeypatch.setattr("unmask.export.codecs.magvit.LEAST_PSNR", 50.0)  # int8 has 42 dB; with all blocks it has 37
    torch.save(weights, tmp_path / "wide.pt")
    made = write_codecs({"magvit": tmp_path / "wide.pt"}, None, tmp_path / "made", print)
    run = {role: open_session(tmp_path / "made" / file, EngineOptions()) for role, file in made["magvit"].graphs.items()}
    pixels = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1)) * 2 - 1
    (codes,) = run["image_encoder"].run(None, {"pixels": pixels.numpy()})
    np.testing.assert_array_equal(codes, encode(weights, pixels))
    (drawn,) = run["image_decoder"].run(None, {"codes": codes})
    told = made["magvit"].provenance["precision"]
    assert re.search(r"decoder in fp16: .*int8 4\d\.\d, fp16 [67]\d\.\d$", told), told
    stored = {n: weight.half().float() if large(weight) else weight for n, weight in weights.items()}
    np.testing.assert_allclose(drawn, decode(stored, torch.from_numpy(codes)), atol=1e-3)


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("harm",)


def test_files_that_are_no_magvit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    state = random_magvit().state_dict()
    whole = write_magvit(tmp_path / "whole") / "pytorch_model.bin"
    files = {
        "other.safetensors": {"text_model.weight": torch.zeros(2, 2)},
        "lacks.pt": {name: value for name, value in state.items() if "mid.attn_1.q" not in name},
        "more.pth": {**state, "loss.discriminator": torch.zeros(3)},
        "broken.ckpt": {"state_dict": {**state, "encoder.conv_in.bias": torch.full((32,), torch.nan)}},
        "harmful.bin": {"a": Harmful()},
    }
    for name, tensors in files.items():
        save_file(tensors, name) if name.endswith(".safetensors") else torch.save(tensors, name)
    Path("cut.bin").write_bytes(whole.read_bytes()[:5000])
    Path("empty").mkdir()
    Path("two").mkdir()
    for name in ("a.bin", "b.bin"):
        Path("two", name).touch()
    told = {
        "other.safetensors": "not MAGVIT-v2 .*no tensor 'encoder.conv_in.weight'",
        "lacks.pt": "lacks encoder.mid.attn_1.q.weight, .* and 1 more",
        "more.pth": "has besides loss.discriminator",
        "broken.ckpt": "has NaN or infinity in encoder.conv_in.bias",
        "harmful.bin": "damaged, or holds more than tensors",
        "cut.bin": "cut short or damaged",
        "empty": "no file of tensors",
        "two": r"a.bin, b.bin: give the one that is MAGVIT-v2",
        "nowhere": "not there",
    }
    for name, message in told.items():
        with pytest.raises(UnmaskError, match=f"^{re.escape(name)}: .*{message}") as raised:
            load_magvit(Path(name))
        assert "\n" not in str(raised.value)
    assert not Path("harm").exists()


def test_weights_may_be_nested_and_half(tmp_path: Path) -> None:
    state = {name: value.half() for name, value in random_magvit().state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "epoch.ckpt")
    model = load_magvit(tmp_path)
    assert model.config == MAGVIT
    torch.testing.assert_close(model.encoder.conv_in.weight.data, state["encoder.conv_in.weight"].float())
