"""The graphs of a transcript with every shape fixed (`static` says what that takes): its context and its window.

Padding changes no number: the group norm's mean and variance are those of the recording alone, no state and no slot looks at
padding, and slots after the recording are empty. Knows PyTorch modules. Knows no converter and no file.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask.bundle.graph_spec import TRANSCRIPT
from unmask.engines.padding import Padding
from unmask.export.modules.drafter import STATES_PER_SLOT, Drafter
from unmask.export.modules.moonshine import Attention, Moonshine, MoonshineConfig, rotation
from unmask.export.modules.scores import reduced
from unmask.export.modules.static import FixedGraph, Sizes, fixed_graph, part_of

EMPTY = 1e4  # above every score, within float16


class Turn(nn.Module):
    """Rotary positions as a product and two factors: NPUs are slow at every other column.

    Where `gathers` is set, columns are taken by index instead: LiteRT's GPU multiplies many matrices by a constant one wrongly.
    """

    gathers = False

    def __init__(self, config: MoonshineConfig, positions: int) -> None:
        """positions: those of a text or of states, from 0."""
        super().__init__()
        size, rotary = config.width // config.heads, config.rotary
        cos, sin = (part[0].repeat_interleave(2, -1) for part in rotation(torch.arange(positions)[None], config))
        self.register_buffer("cos", F.pad(cos, (0, size - rotary), value=1.0))
        self.register_buffer("sin", F.pad(sin, (0, size - rotary)))
        swap = torch.zeros(1, size, size)
        even = torch.arange(0, rotary, 2)
        swap[0, even + 1, even], swap[0, even, even + 1] = -1, 1
        self.register_buffer("swap", swap)  # of 3 dimensions, so that it is not taken for weights
        self.register_buffer("partner", swap[0].abs().argmax(0).int())
        self.register_buffer("sign", swap[0].sum(0))
        self.cos: Tensor
        self.sin: Tensor
        self.swap: Tensor
        self.partner: Tensor
        self.sign: Tensor

    def at(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines (N, d / H) of positions (N,)."""
        return self.cos.index_select(0, positions), self.sin.index_select(0, positions)

    def __call__(self, x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:  # (H, N, d / H) -> the same
        swapped = x.index_select(-1, self.partner) * self.sign if self.gathers else x @ self.swap
        return x * angles[0] + swapped * angles[1]


def split(layer: Attention, x: Tensor) -> Tensor:  # (N, d) -> (H, N, d / H)
    return x.unflatten(-1, (layer.heads, -1)).transpose(0, 1)


def join(x: Tensor) -> Tensor:  # (H, N, d / H) -> (N, d)
    return x.transpose(0, 1).flatten(1)


def attend(layer: Attention, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """q (H, N, d / H), k and v (H, M, d / H), mask broadcast to (H, N, M) -> rows (N, d), and shares of attention (H, N, M)."""
    shares = torch.softmax(q * q.shape[-1] ** -0.5 @ k.transpose(1, 2) + mask, -1)
    return layer.o_proj(join(shares @ v)), shares


def real(mask: Tensor) -> Tensor:
    """1 where a mask is 0, and 0 where it hides padding."""
    return F.relu(1 + mask)


class FixedContext(nn.Module):
    """`transcript.Context` with masks of the padding at each stage: steps, frames (states) and slots."""

    def __init__(self, model: Moonshine, drafter: Drafter | None, states: int) -> None:
        super().__init__()
        self.encoder, self.drafter = model.encoder, drafter
        self.hear = folded(model.encoder.conv1)
        self.cross = nn.ModuleList(layer.encoder_attn for layer in model.decoder.layers)
        self.turn = Turn(model.config, states)
        none = torch.tensor([model.config.vocabulary])
        self.register_buffer("ids", (none if drafter is None else torch.cat((none, drafter.ids))).int())
        self.ids: Tensor

    def forward(
        self,
        samples: Tensor,  # (1, n)
        step_mask: Tensor,  # (steps,)
        frame_mask: Tensor,  # (T,)
        slot_mask: Tensor,  # (S,)
    ) -> tuple[Tensor, ...]:
        states = self.states(samples, step_mask, frame_mask)
        k = torch.stack([split(layer, layer.k_proj(states)) for layer in self.cross])
        v = torch.stack([split(layer, layer.v_proj(states)) for layer in self.cross])
        return k, v, *self.drafted(states, frame_mask, slot_mask)

    def states(self, samples: Tensor, step_mask: Tensor, frame_mask: Tensor) -> Tensor:  # (T, d)
        encoder, angles = self.encoder, (self.turn.cos, self.turn.sin)
        x = over_real(encoder.groupnorm, torch.tanh(self.hear(strides(samples, len(step_mask)))), real(step_mask))
        x = F.gelu(encoder.conv3(F.gelu(encoder.conv2(x)))).transpose(1, 2)[0]
        for layer in encoder.layers:
            rows, own = layer.input_layernorm(x), layer.self_attn
            q, k = (self.turn(split(own, part(rows)), angles) for part in (own.q_proj, own.k_proj))
            x = x + attend(own, q, k, split(own, own.v_proj(rows)), frame_mask)[0]
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        return encoder.layer_norm(x)

    def drafted(self, states: Tensor, frame_mask: Tensor, slot_mask: Tensor) -> tuple[Tensor, Tensor]:
        """The token of each slot, (S,) int32, with its probability."""
        if self.drafter is None:
            empty = 0 * slot_mask
            return self.ids + empty.int(), empty
        scores = drafter_scores(self.drafter, states, real(frame_mask), real(slot_mask))
        sure = torch.softmax(scores, -1).amax(-1)
        return self.ids.index_select(0, scores.argmax(-1)), sure


def folded(conv: nn.Conv1d) -> nn.Conv1d:
    """A convolution of samples, whose reach is a sample short of two strides, as one of pairs of `strides`.

    NPUs have no convolution over half a million columns: Rockchip's ends at 8191, without an error from its compiler.
    """
    (stride,), (size,) = conv.stride, conv.kernel_size
    made = nn.Conv1d(stride, conv.out_channels, 2, bias=False)
    pairs = F.pad(conv.weight[:, 0], (0, 2 * stride - size)).unflatten(1, (2, stride))
    made.weight = nn.Parameter(pairs.transpose(1, 2).contiguous(), requires_grad=False)
    return made


def strides(samples: Tensor, steps: int, stride: int = 64) -> Tensor:
    """Samples (1, n) -> (1, stride, steps + 1): what `folded` reads."""
    missing = stride * (steps + 1) - samples.shape[1]
    if missing > 0:
        samples = torch.cat((samples, samples.new_zeros(1, missing)), 1)
    if missing < 0:  # a cut that cuts nothing is a node that CoreML's converter does not know
        samples = samples[:, :missing]
    return samples.unflatten(1, (-1, stride)).transpose(1, 2)


def over_real(norm: nn.GroupNorm, x: Tensor, real: Tensor) -> Tensor:
    """A norm of one group over the real columns of x (1, d, N). real (N,): 1, or 0 for padding.

    Means are taken over channels first: in float16 the sum of all would be infinite.
    """
    share = real.mean()

    def mean(x: Tensor) -> Tensor:
        return (x.mean(1, keepdim=True) * real).mean(-1, keepdim=True) / share

    centered = x - mean(x)
    scale = torch.rsqrt(mean(centered * centered) + norm.eps)
    return centered * scale * norm.weight[:, None] + norm.bias[:, None]


def drafter_scores(drafter: Drafter, states: Tensor, frames: Tensor, slots: Tensor) -> Tensor:
    """Scores of tokens in each slot, (S, 1 + V), of states (T, d). frames (T,), slots (S,): 1, or 0 for padding: empty."""
    x = _mixed(drafter.low, states[None], frames[:, None])
    x = drafter.join(F.pad(x, (0, 0, 1, STATES_PER_SLOT)).transpose(1, 2)).transpose(1, 2)
    x = drafter.norm(_mixed(drafter.high, x, slots[:, None]))[0]
    none = drafter.none(x) + EMPTY * (1 - slots)[:, None]
    return torch.cat((none, drafter.head(drafter.project(x))), -1)


def _mixed(blocks: nn.ModuleList, x: Tensor, real: Tensor) -> Tensor:
    """Blocks mix neighbors, and after the last real one they find zeros."""
    x = x * real
    for block in blocks:
        x = block(x) * real
    return x


class FixedWindow(nn.Module):
    """`transcript.Window` with masks of the padding."""

    def __init__(self, model: Moonshine, top: int, positions: int) -> None:
        """positions: most rows of a text."""
        super().__init__()
        self.decoder, self.top = model.decoder, top
        self.head = part_of(model.decoder.embed_tokens.weight, 0, model.config.vocabulary)
        self.turn = Turn(model.config, positions)

    def forward(
        self,
        rows: Tensor,  # (N, d)
        positions: Tensor,  # (N,) int32
        listed: Tensor,  # (K,) int32
        cross_k: Tensor,  # (L, H, T, d / H)
        cross_v: Tensor,
        past_k: Tensor,  # (L, P, d)
        past_v: Tensor,
        mask: Tensor,  # (N, P + N)
        frame_mask: Tensor,  # (T,)
    ) -> tuple[Tensor, ...]:
        angles, x, keys, values, shares = self.turn.at(positions), rows, [], [], []
        for i, layer in enumerate(self.decoder.layers):
            normed, own, cross = layer.input_layernorm(x), layer.self_attn, layer.encoder_attn
            q, k = (self.turn(split(own, part(normed)), angles) for part in (own.q_proj, own.k_proj))
            v = split(own, own.v_proj(normed))
            keys.append(join(k))
            values.append(join(v))
            k, v = torch.cat([split(own, past_k[i]), k], 1), torch.cat([split(own, past_v[i]), v], 1)
            x = x + attend(own, q, k, v, mask)[0]
            q = split(cross, cross.q_proj(layer.post_attention_layernorm(x)))
            heard, share = attend(cross, q, cross_k[i], cross_v[i], frame_mask)
            shares.append(share)
            x = x + heard
            x = x + layer.mlp(layer.final_layernorm(x))
        logits = F.linear(self.decoder.norm(x), self.head)
        ids, best, logsumexp, _ = reduced(logits, self.top)
        aligned = torch.stack([shares[layer][head] for layer, head in self.decoder.config.alignment]).mean(0)  # (N, T)
        place = (aligned * torch.arange(aligned.shape[1], dtype=aligned.dtype)).sum(-1)
        return ids, best, logsumexp, place, logits.index_select(1, listed), torch.stack(keys), torch.stack(values)


def transcript_graph(model: Moonshine, drafter: Drafter | None, role: str, sizes: Sizes, top: int) -> FixedGraph:
    """A transcript's context or window graph of one bucket's sizes. top as in `transcript.Window`."""
    config, whole = model.config, Padding(TRANSCRIPT).whole(sizes)
    text = sizes.get("past", 0) + sizes.get("tokens", 0)
    dims = {"width": config.width, "heads": config.heads, "head_width": config.width // config.heads}
    dims |= {"layers": config.decoder_layers, "past + tokens": text, **whole}
    module = FixedContext(model, drafter, whole["frames"]) if role == "context" else FixedWindow(model, top, text)
    return fixed_graph(TRANSCRIPT.graph(role), role, sizes, module, dims)
