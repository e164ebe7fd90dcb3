"""HiFT, GLM-4-Voice's vocoder: a mel spectrogram to samples (HiFTNet, arXiv 2309.09493), all chance of it an input.

Attributes are named as the published tensors are. The pitch is a graph of its own, so that whoever makes the sound in pieces can
carry the phases of the sines from one to the next. Knows no piece and no exporter.
"""

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask.export.modules.voice.sizes import VocoderSizes

LARGEST = 100.0  # magnitude of the spectrum
LAST_SLOPE = 0.01  # of the activation before the last convolution


class Snake(nn.Module):
    """x + sin(a x)^2 / a, with one a for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        alpha = self.alpha[:, None]
        sine = torch.sin(x * alpha)
        return x + sine * sine * (1 / (alpha + 1e-9))


class ResidualBlock(nn.Module):
    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()

        def convolution(dilation: int) -> nn.Module:
            return nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=dilation * (kernel - 1) // 2)

        self.convs1 = nn.ModuleList(convolution(dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(convolution(1) for _ in dilations)
        self.activations1 = nn.ModuleList(Snake(channels) for _ in dilations)
        self.activations2 = nn.ModuleList(Snake(channels) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        layers = zip(self.activations1, self.convs1, self.activations2, self.convs2, strict=True)
        for first, wide, second, narrow in layers:
            x = x + narrow(second(wide(first(x))))
        return x


class Pitch(nn.Module):
    """Mel spectrogram (1, mels, F) -> pitch (F,) in Hz."""

    def __init__(self, sizes: VocoderSizes) -> None:
        super().__init__()
        widths = [sizes.mels, *[sizes.pitch_width] * 5]
        layers: list[nn.Module] = []
        for given, made in itertools.pairwise(widths):
            layers += [nn.Conv1d(given, made, 3, padding=1), nn.ELU()]
        self.condnet = nn.Sequential(*layers)
        self.classifier = nn.Linear(sizes.pitch_width, 1)

    def forward(self, mel: Tensor) -> Tensor:
        return self.classifier(self.condnet(mel).transpose(1, 2)).abs()[0, :, 0]


class Source(nn.Module):
    """The sines of a pitch and its overtones where there is voice, and noise, merged into one channel."""

    def __init__(self, sizes: VocoderSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.l_linear = nn.Linear(sizes.harmonics + 1, 1)

    def forward(self, pitch: Tensor, phases: Tensor, noise: Tensor) -> Tensor:
        """As `Vocoder.forward` -> (1, 1, S)."""
        sizes, per = self.sizes, self.sizes.samples_per_frame
        multiples = torch.arange(1, sizes.harmonics + 2, dtype=pitch.dtype, device=pitch.device)
        # The sum of the frequencies up to a sample includes its own.
        steps = torch.arange(1, per + 1, dtype=pitch.dtype, device=pitch.device)
        cycles = multiples[:, None] * (pitch / sizes.sample_rate_hz)
        turns = phases[..., None] + cycles[..., None] * steps  # (harmonics, F, samples of a frame)
        sines = sizes.amplitude * torch.sin(2 * math.pi * (turns - turns.floor()))
        voiced = (pitch > sizes.voiced_hz).to(pitch.dtype)[None, :, None]
        level = voiced * sizes.noise + (1 - voiced) * sizes.amplitude / 3
        mixed = sines * voiced + level * noise.unflatten(1, (-1, per))
        return torch.tanh(self.l_linear(mixed.flatten(1).T)).T[None]


class Fourier(nn.Module):
    """The short-time spectrum and its inverse as convolutions with fixed bases; a periodic Hann window, frames centered."""

    def __init__(self, fft: int, hop: int) -> None:
        super().__init__()
        self.fft, self.hop = fft, hop
        window = 0.5 - 0.5 * torch.cos(2 * math.pi * torch.arange(fft, dtype=torch.float64) / fft)
        angles = 2 * math.pi * torch.outer(torch.arange(fft // 2 + 1), torch.arange(fft)).double() / fft
        waves = torch.cat([angles.cos(), -angles.sin()])
        self.register_buffer("forward_basis", (waves * window)[:, None].float(), persistent=False)
        # Every bin but the first and the last stands for its mirror image too, and those two have no imaginary part.
        counts = torch.full((fft // 2 + 1, 1), 2.0, dtype=torch.float64)
        counts[0] = counts[-1] = 1
        inverse = waves * torch.cat([counts, counts]) * window / fft
        self.register_buffer("inverse_basis", inverse[:, None].float(), persistent=False)
        self.register_buffer("window_energy", (window**2)[None, None].float(), persistent=False)

    def spectrum(self, samples: Tensor) -> Tensor:
        """(1, 1, S) -> (1, fft + 2, S / hop + 1): real parts, then imaginary parts."""
        padded = F.pad(samples, (self.fft // 2, self.fft // 2), mode="reflect")
        return F.conv1d(padded, self.forward_basis, stride=self.hop)

    def samples(self, magnitude: Tensor, phase: Tensor) -> Tensor:
        """2 x (1, fft / 2 + 1, N) -> (1, 1, (N - 1) hop)."""
        parts = torch.cat([magnitude * phase.cos(), magnitude * phase.sin()], 1)
        edge = self.fft // 2
        added = F.conv_transpose1d(parts, self.inverse_basis, stride=self.hop)
        energy = F.conv_transpose1d(torch.ones_like(phase[:, :1]), self.window_energy, stride=self.hop)
        return added[..., edge:-edge] / energy[..., edge:-edge]


class Vocoder(nn.Module):
    def __init__(self, sizes: VocoderSizes) -> None:
        super().__init__()
        self.sizes = sizes
        widths = [sizes.width, sizes.width // 2, sizes.width // 4]
        bins = sizes.fft + 2
        self.m_source = Source(sizes)
        self.f0_predictor = Pitch(sizes)  # not run here; it lies in the same file
        self.conv_pre = nn.Conv1d(sizes.mels, sizes.width, 7, padding=3)
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(widths[i], widths[i + 1], kernel, rate, padding=(kernel - rate) // 2)
            for i, (rate, kernel) in enumerate(zip(sizes.rates, sizes.kernels, strict=True))
        )
        fall = sizes.rates[1]  # the spectrum of the source has the frame rate of the last stage
        self.source_downs = nn.ModuleList(
            [nn.Conv1d(bins, widths[1], 2 * fall, fall, padding=fall // 2), nn.Conv1d(bins, widths[2], 1)]
        )
        self.source_resblocks = nn.ModuleList(
            ResidualBlock(width, kernel, sizes.dilations) for width, kernel in zip(widths[1:], sizes.source_kernels, strict=True)
        )
        self.resblocks = nn.ModuleList(
            ResidualBlock(width, kernel, sizes.dilations) for width in widths[1:] for kernel in sizes.block_kernels
        )
        self.conv_post = nn.Conv1d(widths[2], bins, 7, padding=3)
        self.fourier = Fourier(sizes.fft, sizes.hop)

    def forward(self, mel: Tensor, pitch: Tensor, phases: Tensor, noise: Tensor) -> Tensor:
        """mel (1, mels, F), pitch (F,) in Hz -> samples (S,), S = F times the samples of a frame.

        phases (harmonics + 1, F): that of each sine before the first sample of each frame, in cycles. noise (harmonics + 1, S):
        normally distributed.
        """
        sizes = self.sizes
        source = self.fourier.spectrum(self.m_source(pitch, phases, noise))
        x = self.conv_pre(mel)
        blocks = len(sizes.block_kernels)
        for i, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, sizes.slope))
            if i == len(self.ups) - 1:
                x = F.pad(x, (1, 0), mode="reflect")  # a centered spectrum has one frame more
            x = x + self.source_resblocks[i](self.source_downs[i](source))
            x = sum(block(x) for block in self.resblocks[i * blocks : (i + 1) * blocks]) / blocks
        x = self.conv_post(F.leaky_relu(x, LAST_SLOPE))
        half = sizes.fft // 2 + 1
        samples = self.fourier.samples(x[:, :half].exp().clamp(max=LARGEST), x[:, half:].sin())
        return samples[0, 0].clamp(-sizes.limit, sizes.limit)
