"""SenseVoice's encoder and Omni-Diffusion's projector against a literal transcription of the released formulas, at small width.

At full size FunASR's own class is the oracle (`benchmarks/lab/funasr`).
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unmask.export.modules.sensevoice import SenseVoiceConfig, SpeechEncoder
from unmask.speech.encoding.frames import positions

SMALL = SenseVoiceConfig(rows=24, features=20, width=16, heads=4, feed_forward=32, layers=3, later_layers=2)


@pytest.fixture(scope="module")
def encoder() -> SpeechEncoder:
    torch.manual_seed(0)
    made = SpeechEncoder(SMALL).eval().requires_grad_(False)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return made


def test_positions_are_those_of_pytorch_in_bfloat16() -> None:
    """FunASR's SinusoidalPositionEncoder.encode, in the type that Omni-Diffusion runs in."""
    dtype, width, rows = torch.bfloat16, 560, 2000
    places = torch.arange(1, rows + 1).type(dtype)
    increment = torch.log(torch.tensor([10000], dtype=dtype)) / (width / 2 - 1)
    rates = torch.exp(torch.arange(width / 2).type(dtype) * (-increment))
    angles = places.reshape(-1, 1) * rates.reshape(1, -1)
    expected = torch.cat([torch.sin(angles), torch.cos(angles)], 1).type(dtype).float().numpy()
    assert np.array_equal(positions(rows, width), expected)


def attention(weights: dict[str, Tensor], x: Tensor, width: int) -> Tensor:
    q, k, v = F.linear(x, weights["linear_q_k_v.weight"], weights["linear_q_k_v.bias"]).split(width, -1)
    head = width // 4
    mixed = torch.zeros_like(v)
    for h in range(0, width, head):
        scores = (q[:, h : h + head] * head**-0.5) @ k[:, h : h + head].T
        mixed[:, h : h + head] = scores.softmax(-1) @ v[:, h : h + head]
    kernel = weights["fsmn_block.weight"]  # (d, 1, 11)
    memory = v.clone()
    for row in range(len(v)):
        for tap in range(11):
            near = row + tap - 5
            if 0 <= near < len(v):
                memory[row] += kernel[:, 0, tap] * v[near]
    return F.linear(mixed, weights["linear_out.weight"], weights["linear_out.bias"]) + memory


def norm(weights: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    centered = x - x.mean(-1, keepdim=True)
    return centered / (centered.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def layer(state: dict[str, Tensor], prefix: str, x: Tensor, width: int) -> Tensor:
    own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    inner = {name.removeprefix("self_attn."): value for name, value in own.items()}
    heard = attention(inner, norm(own, "norm1", x), width)
    x = heard if x.shape[1] != width else x + heard
    hidden = F.linear(norm(own, "norm2", x), own["feed_forward.w_1.weight"], own["feed_forward.w_1.bias"]).clamp(min=0)
    return x + F.linear(hidden, own["feed_forward.w_2.weight"], own["feed_forward.w_2.bias"])


def test_rows_follow_the_released_formulas(encoder: SpeechEncoder) -> None:
    state = encoder.model.state_dict()
    frames, places = torch.randn(14, SMALL.features), torch.randn(18, SMALL.features)
    features = (frames + encoder.shift) * encoder.scale
    x = torch.cat([state["embed.weight"][torch.tensor([0, 1, 2, 15])], features])
    x = x * SMALL.width**0.5 + places
    x = layer(state, "encoder.encoders0.0.", x, SMALL.width)
    for i in range(SMALL.layers - 1):
        x = layer(state, f"encoder.encoders.{i}.", x, SMALL.width)
    x = norm(state, "encoder.after_norm", x)
    for i in range(SMALL.later_layers):
        x = layer(state, f"encoder.tp_encoders.{i}.", x, SMALL.width)
    x = norm(state, "encoder.tp_norm", x)
    projector = encoder.projector.state_dict()
    x = norm(projector, "pre_proj_layernorm", x) @ projector["mlp.0.weight"].T
    x = (x * 0.5 * (1 + torch.erf(x / 2**0.5))) @ projector["mlp.2.weight"].T
    torch.testing.assert_close(encoder(frames, places), x, rtol=1e-4, atol=1e-4)


def test_names_and_shapes_are_those_of_the_checkpoint() -> None:
    """As FunASR saves SenseVoiceSmall, 221 million numbers without the unused output layer."""
    with torch.device("meta"):
        whole = SpeechEncoder(SenseVoiceConfig())
    shapes = {name: tuple(value.shape) for name, value in whole.model.state_dict().items()}
    blocks = ["encoders0.0", *(f"encoders.{i}" for i in range(49)), *(f"tp_encoders.{i}" for i in range(20))]
    expected: dict[str, tuple[int, ...]] = {"embed.weight": (16, 560)}
    for block in blocks:
        inputs = 560 if block == "encoders0.0" else 512
        parts = {
            "norm1": (inputs,),
            "norm2": (512,),
            "self_attn.linear_q_k_v": (1536, inputs),
            "self_attn.linear_out": (512, 512),
            "feed_forward.w_1": (2048, 512),
            "feed_forward.w_2": (512, 2048),
        }
        for part, shape in parts.items():
            expected[f"encoder.{block}.{part}.weight"] = shape
            expected[f"encoder.{block}.{part}.bias"] = shape[:1]
        expected[f"encoder.{block}.self_attn.fsmn_block.weight"] = (512, 1, 11)
    for part in ("after_norm", "tp_norm"):
        expected[f"encoder.{part}.weight"] = expected[f"encoder.{part}.bias"] = (512,)
    assert shapes == expected
    projector = {name: tuple(value.shape) for name, value in whole.projector.state_dict().items()}
    norms = {"pre_proj_layernorm.weight": (512,), "pre_proj_layernorm.bias": (512,)}
    assert projector == {**norms, "mlp.0.weight": (3584, 512), "mlp.2.weight": (3584, 3584)}
    assert sum(value.numel() for value in whole.model.parameters()) == pytest.approx(221.1e6, abs=0.1e6)
