"""HuBERT's base form: the mean of the states before and after its layers. Source: Hsu et al. 2021, arXiv 2106.07447."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class HubertSizes:
    width: int
    heads: int
    layers: int
    feed_forward: int
    channels: tuple[int, ...]
    kernels: tuple[int, ...]
    strides: tuple[int, ...]
    convolution_bias: bool
    projection_norm: bool
    position_kernel: int
    position_groups: int
    eps: float


class Layer(nn.Module):
    def __init__(self, sizes: HubertSizes) -> None:
        super().__init__()
        width, self.heads = sizes.width, sizes.heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))
        self.layer_norm, self.final_layer_norm = (nn.LayerNorm(width, sizes.eps) for _ in range(2))
        self.intermediate_dense = nn.Linear(width, sizes.feed_forward)
        self.output_dense = nn.Linear(sizes.feed_forward, width)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, width) -> (N, width)."""
        q, k, v = (project(x).unflatten(-1, (self.heads, -1)).transpose(0, 1) for project in self.projections)
        seen = F.scaled_dot_product_attention(q[None], k[None], v[None])[0].transpose(0, 1).flatten(1)
        x = self.layer_norm(x + self.out_proj(seen))
        return self.final_layer_norm(x + self.output_dense(F.gelu(self.intermediate_dense(x))))

    @property
    def projections(self) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
        return self.q_proj, self.k_proj, self.v_proj


class Hubert(nn.Module):
    def __init__(self, sizes: HubertSizes) -> None:
        super().__init__()
        self.sizes, channels = sizes, (1, *sizes.channels)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, kernel, stride, bias=sizes.convolution_bias)
            for before, after, kernel, stride in zip(channels[:-1], channels[1:], sizes.kernels, sizes.strides, strict=True)
        )
        self.first_norm = nn.GroupNorm(channels[1], channels[1])
        if sizes.projection_norm:
            self.projection_norm = nn.LayerNorm(channels[-1], sizes.eps)
        self.projection = nn.Linear(channels[-1], sizes.width)
        kernel = sizes.position_kernel
        self.positions = nn.Conv1d(sizes.width, sizes.width, kernel, padding=kernel // 2, groups=sizes.position_groups)
        self.norm = nn.LayerNorm(sizes.width, sizes.eps)
        self.layers = nn.ModuleList(Layer(sizes) for _ in range(sizes.layers))

    def forward(self, samples: Tensor) -> Tensor:
        """samples (1, N) at 16 kHz -> (frames, width): the mean of all states."""
        x = samples[None]
        for i, convolution in enumerate(self.convolutions):
            x = convolution(x)
            x = F.gelu(self.first_norm(x) if i == 0 else x)
        rows = x[0].T
        if self.sizes.projection_norm:
            rows = self.projection_norm(rows)
        rows = self.projection(rows)
        places = self.positions(rows.T[None])
        if self.sizes.position_kernel % 2 == 0:
            places = places[..., :-1]
        state = self.norm(rows + F.gelu(places)[0].T)
        total = state
        for layer in self.layers:
            state = layer(state)
            total = total + state
        return total * (1 / (len(self.layers) + 1))
