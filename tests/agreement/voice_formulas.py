"""GLM-4-Voice's decoder written out from its published formulas, on the tensors of flow.pt and hift.pt by their names there.

One step a line and no modules; sums over distances, samples and harmonics are spelled out; the spectra are torch.stft and istft.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = dict[str, Tensor]


def linear(w: Weights, name: str, x: Tensor) -> Tensor:
    return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", torch.zeros(()))


def norm(w: Weights, name: str, x: Tensor) -> Tensor:
    centered = x - x.mean(-1, keepdim=True)
    return centered / torch.sqrt((centered**2).mean(-1, keepdim=True) + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def group_norm(w: Weights, name: str, x: Tensor, groups: int) -> Tensor:
    parts = x.reshape(groups, -1)
    parts = (parts - parts.mean(1, keepdim=True)) / torch.sqrt(parts.var(1, unbiased=False, keepdim=True) + 1e-5)
    return parts.reshape(x.shape) * w[f"{name}.weight"][:, None] + w[f"{name}.bias"][:, None]


def conv(w: Weights, name: str, x: Tensor, padding: int = 0, stride: int = 1, dilation: int = 1) -> Tensor:
    return F.conv1d(x[None], w[f"{name}.weight"], w[f"{name}.bias"], stride, padding, dilation)[0]


def mish(x: Tensor) -> Tensor:
    return x * torch.tanh(torch.log1p(torch.exp(x)))


# ---- flow


def mean_of_codes(w: Weights, codes: Tensor, places: Tensor, heads: int, block: int) -> Tensor:
    """codes (N,), places (M,) -> (mels, M)."""
    x = w["input_embedding.weight"][codes]
    x = norm(w, "encoder.embed.out.1", linear(w, "encoder.embed.out.0", x)) * math.sqrt(x.shape[1])
    layers = 1 + max(int(name.split(".")[2]) for name in w if name.startswith("encoder.encoders."))
    for layer in range(layers):
        at = f"encoder.encoders.{layer}"
        x = x + attended(w, f"{at}.self_attn", norm(w, f"{at}.norm_mha", x), heads, block)
        inner = linear(w, f"{at}.feed_forward.w_1", norm(w, f"{at}.norm_ff", x))
        x = x + linear(w, f"{at}.feed_forward.w_2", inner * torch.sigmoid(inner))
    x = linear(w, "encoder_proj", norm(w, "encoder.after_norm", x))[places].T
    for layer in (0, 3, 6, 9):
        x = mish(group_norm(w, f"length_regulator.model.{layer + 1}", conv(w, f"length_regulator.model.{layer}", x, 1), 1))
    return conv(w, "length_regulator.model.12", x)


def attended(w: Weights, at: str, x: Tensor, heads: int, block: int) -> Tensor:
    count, width = x.shape
    size = width // heads
    q, k, v = (linear(w, f"{at}.linear_{name}", x).reshape(count, heads, size) for name in "qkv")
    made = torch.zeros(count, heads, size)
    for i in range(count):
        seen = [j for j in range(count) if j <= i or i // block == j // block]
        scores = torch.stack([pair_score(w, at, q[i], k[j], i - j) for j in seen]) / math.sqrt(size)  # (seen, heads)
        made[i] = (scores.softmax(0)[..., None] * v[seen]).sum(0)
    return linear(w, f"{at}.linear_out", made.reshape(count, width))


def pair_score(w: Weights, at: str, q: Tensor, k: Tensor, distance: int) -> Tensor:
    width = q.numel()
    rates = [10000 ** (-2 * i / width) for i in range(width // 2)]
    waves = torch.tensor([part for rate in rates for part in (math.sin(distance * rate), math.cos(distance * rate))])
    place = (waves @ w[f"{at}.linear_pos.weight"].T).reshape(q.shape)
    return ((q + w[f"{at}.pos_bias_u"]) * k).sum(-1) + ((q + w[f"{at}.pos_bias_v"]) * place).sum(-1)


def velocity(w: Weights, mel: Tensor, mean: Tensor, speaker: Tensor, known: Tensor, time: float, heads: int) -> Tensor:
    """All (mels, M), speaker (mels,) -> (mels, M)."""
    width = 4 * len(mel)
    angles = torch.tensor([1000 * time * 10000 ** (-i / (width // 2 - 1)) for i in range(width // 2)])
    hidden = linear(w, "time_mlp.linear_1", torch.cat([angles.sin(), angles.cos()]))
    when = linear(w, "time_mlp.linear_2", hidden * torch.sigmoid(hidden))
    x = torch.cat([mel, mean, speaker[:, None].repeat(1, mel.shape[1]), known])
    outer = stage(w, "down_blocks.0", x, when, heads)
    deep = stage(w, "down_blocks.1", conv(w, "down_blocks.0.2.conv", outer, 1, stride=2), when, heads)
    x = conv(w, "down_blocks.1.2", deep, 1)
    middle = 1 + max(int(name.split(".")[1]) for name in w if name.startswith("mid_blocks."))
    for block in range(middle):
        x = stage(w, f"mid_blocks.{block}", x, when, heads)
    x = stage(w, "up_blocks.0", torch.cat([x, deep]), when, heads)
    up = "up_blocks.0.2.conv"
    x = F.conv_transpose1d(x[None], w[f"{up}.weight"], w[f"{up}.bias"], stride=2, padding=1)[0][:, : mel.shape[1]]
    x = conv(w, "up_blocks.1.2", stage(w, "up_blocks.1", torch.cat([x, outer]), when, heads), 1)
    return conv(w, "final_proj", activated(w, "final_block", x))


def activated(w: Weights, at: str, x: Tensor) -> Tensor:
    return mish(group_norm(w, f"{at}.block.1", conv(w, f"{at}.block.0", x, 1), 8))


def stage(w: Weights, at: str, x: Tensor, when: Tensor, heads: int) -> Tensor:
    hidden = activated(w, f"{at}.0.block1", x) + linear(w, f"{at}.0.mlp.1", mish(when))[:, None]
    x = activated(w, f"{at}.0.block2", hidden) + conv(w, f"{at}.0.res_conv", x)
    rows = x.T
    layers = 1 + max(int(name.split(".")[3]) for name in w if name.startswith(f"{at}.1."))
    for layer in range(layers):
        to = f"{at}.1.{layer}"
        inner = norm(w, f"{to}.norm1", rows)
        q, k, v = (linear(w, f"{to}.attn1.to_{name}", inner).reshape(len(rows), heads, -1) for name in "qkv")
        scores = torch.einsum("ihd,jhd->hij", q, k) / math.sqrt(q.shape[-1])
        rows = rows + linear(w, f"{to}.attn1.to_out.0", torch.einsum("hij,jhd->ihd", scores.softmax(-1), v).flatten(1))
        inner = linear(w, f"{to}.ff.net.0.proj", norm(w, f"{to}.norm3", rows))
        rows = rows + linear(w, f"{to}.ff.net.2", inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2))))
    return rows.T


def solved(w: Weights, codes: Tensor, places: Tensor, known: Tensor, noise: Tensor, heads: tuple[int, int]) -> Tensor:
    """The mel spectrogram (mels, M): ten Euler steps on the cosine schedule, guidance 0.7, the speaker a vector of zeros."""
    flow = {name.removeprefix("decoder.estimator."): value for name, value in w.items() if name.startswith("decoder.")}
    mean, speaker = mean_of_codes(w, codes, places, heads[0], 10), w["spk_embed_affine_layer.bias"]
    x = noise
    for i in range(10):
        time, end = (1 - math.cos(math.pi / 2 * step / 10) for step in (i, i + 1))
        with_codes = velocity(flow, x, mean, speaker, known, time, heads[1])
        without = velocity(flow, x, mean * 0, speaker * 0, known * 0, time, heads[1])
        x = x + (end - time) * (1.7 * with_codes - 0.7 * without)
    return x


# ---- vocoder


def pitch(w: Weights, mel: Tensor) -> Tensor:
    for layer in (0, 2, 4, 6, 8):
        mel = F.elu(conv(w, f"f0_predictor.condnet.{layer}", mel, 1))
    return linear(w, "f0_predictor.classifier", mel.T)[:, 0].abs()


def source(w: Weights, hz: Tensor, phases: Tensor, noise: Tensor) -> Tensor:
    """hz (F,), phases (sines,) in radians, noise (sines, S) -> (S,). The phase is summed up sample by sample, in float64."""
    per_sample = hz.double().repeat_interleave(256)
    voiced = per_sample > 10
    waves = []
    for harmonic in range(len(noise)):
        angle = 2 * math.pi * torch.cumsum(per_sample * (harmonic + 1) / 22050, 0) + phases[harmonic]
        sine = 0.1 * torch.sin(angle)
        waves.append(torch.where(voiced, sine + 0.003 * noise[harmonic], 0.1 / 3 * noise[harmonic]).float())
    return torch.tanh(linear(w, "m_source.l_linear", torch.stack(waves).T))[:, 0]


def samples(w: Weights, mel: Tensor, excitation: Tensor) -> Tensor:
    """mel (mels, F), excitation (S,) -> (S,)."""
    window = torch.hann_window(16, periodic=True)
    spectrum = torch.stft(excitation, 16, 4, 16, window, center=True, pad_mode="reflect", return_complex=True)
    parts = torch.cat([spectrum.real, spectrum.imag])
    x = conv(w, "conv_pre", mel, 3)
    for i, (downs, kernel) in enumerate((((8, 4), 7), ((1, 0), 11))):
        x = F.leaky_relu(x, 0.1)[None]
        x = F.conv_transpose1d(x, w[f"ups.{i}.weight"], w[f"ups.{i}.bias"], stride=8, padding=4)[0]
        if i == 1:
            x = torch.cat([x[:, 1:2], x], 1)  # the reflection of one frame
        added = conv(w, f"source_downs.{i}", parts, downs[1], stride=downs[0])
        x = x + residual(w, f"source_resblocks.{i}", added, kernel)
        x = sum(residual(w, f"resblocks.{3 * i + j}", x, size) for j, size in enumerate((3, 7, 11))) / 3
    x = conv(w, "conv_post", F.leaky_relu(x, 0.01), 3)
    magnitude, phase = torch.clip(torch.exp(x[:9]), max=100), torch.sin(x[9:])
    made = torch.istft(torch.complex(magnitude * torch.cos(phase), magnitude * torch.sin(phase)), 16, 4, 16, window)
    return made.clamp(-0.99, 0.99)


def residual(w: Weights, at: str, x: Tensor, kernel: int) -> Tensor:
    for i, dilation in enumerate((1, 3, 5)):
        inner = snake(w, f"{at}.activations1.{i}", x)
        inner = conv(w, f"{at}.convs1.{i}", inner, dilation * (kernel - 1) // 2, dilation=dilation)
        x = x + conv(w, f"{at}.convs2.{i}", snake(w, f"{at}.activations2.{i}", inner), (kernel - 1) // 2)
    return x


def snake(w: Weights, at: str, x: Tensor) -> Tensor:
    alpha = w[f"{at}.alpha"][:, None]
    return x + 1 / (alpha + 1e-9) * torch.sin(alpha * x) ** 2


def plain(tensors: Weights) -> Weights:
    """hift.pt with each pair g and v as the weight that it stands for."""
    found = {}
    for name, value in tensors.items():
        if name.endswith("_v"):
            lengths = (value**2).sum((1, 2), keepdim=True).sqrt()
            found[name[:-2]] = tensors[f"{name[:-2]}_g"] * value / lengths
        elif not name.endswith("_g"):
            found[name] = value
    return found
