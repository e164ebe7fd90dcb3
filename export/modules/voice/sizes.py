"""Sizes of GLM-4-Voice's decoder. The defaults are the published ones. Knows no tensor and no file."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FlowSizes:
    """The flow: from codes to a mel spectrogram."""

    codes: int = 16384
    codes_per_second: float = 12.5
    width: int = 512
    heads: int = 8
    ffn: int = 2048
    layers: int = 6
    block: int = 10
    """Codes of one block see each other; every code sees all before it."""
    mels: int = 80
    speaker: int = 192
    """Width of a speaker's vector. The published voice is the one of a vector of zeros."""
    channels: tuple[int, int] = (256, 256)
    estimator_heads: int = 8
    head_width: int = 64
    transformers: int = 4
    """Transformer blocks after each residual block of the estimator."""
    middle: int = 12
    """Residual blocks at half the frame rate."""
    guidance: float = 0.7
    """The velocity is (1 + guidance) times that with the codes, less guidance times that without."""


@dataclass(frozen=True)
class VocoderSizes:
    """HiFT: from a mel spectrogram to samples."""

    mels: int = 80
    width: int = 512
    harmonics: int = 8
    """Overtones; with the fundamental there is one sine more."""
    sample_rate_hz: int = 22050
    amplitude: float = 0.1
    noise: float = 0.003
    voiced_hz: float = 10.0
    rates: tuple[int, int] = (8, 8)
    kernels: tuple[int, int] = (16, 16)
    fft: int = 16
    hop: int = 4
    block_kernels: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[int, ...] = (1, 3, 5)
    source_kernels: tuple[int, int] = (7, 11)
    slope: float = 0.1
    limit: float = 0.99
    pitch_width: int = 512

    @property
    def samples_per_frame(self) -> int:
        return self.rates[0] * self.rates[1] * self.hop
