"""The captioner in PyTorch: Whisper's encoder and its decoder turned into a masked diffusion denoiser on a timeline.

A canvas position is a slot of `frames_per_slot` encoder frames and holds a token or blank. Against Whisper's decoder: no causal
mask, a mask token, a linear map of the slot's own frames added to its row, and a learned preference for near frames.
The verifier is Whisper's causal decoder on the same encoder states. It reads a finished draft in one pass and predicts the next
token after each token. Modules for export: `Context` (run once per recording), `CaptionWindow` and `Verify` (run once per pass).
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from unmask.export.modules.scores import log_sum_exp
from unmask.export.modules.whisper import Block, Decoder, Encoder, Whisper, WhisperConfig

BLANK = 0
BARRED = -1e4  # added to the logits of ids that are never predicted: finite, and within float16


@dataclass(frozen=True)
class CaptionerConfig:
    whisper: WhisperConfig
    vocabulary: int  # tokens of the canvas, blank (id 0) included
    frames_per_slot: int = 8  # 160 ms
    prompt: int = 2  # tokens that Whisper's decoder reads before a text
    rarer: int = 0  # tokens that only the verifier predicts

    # Rows of the shared embedding, in order: tokens of the canvas, the mask, the prompt, rarer tokens.

    @property
    def dims(self) -> dict[str, int]:
        """Sizes of the model by their names in `unmask.bundle.graph_spec`."""
        whisper = self.whisper
        return {
            "mels": whisper.mels,
            "width": whisper.width,
            "layers": whisper.decoder_layers,
            "heads": whisper.heads,
            "head_width": whisper.width // whisper.heads,
            "vocabulary": self.vocabulary,
            "1 or wanted": 1,
        }

    @property
    def slots(self) -> int:
        """Slots of the longest canvas."""
        return self.whisper.encoder_positions // self.frames_per_slot

    @property
    def mask(self) -> int:
        return self.vocabulary

    @property
    def prompt_ids(self) -> tuple[int, ...]:
        return tuple(range(self.mask + 1, self.mask + 1 + self.prompt))

    @property
    def marks(self) -> tuple[int, ...]:
        """Ids that are read and never predicted."""
        return (self.mask, *self.prompt_ids)

    @property
    def canvas_rows(self) -> int:
        """Rows before the rarer tokens: the head of the canvas."""
        return self.vocabulary + len(self.marks)

    @property
    def rows(self) -> int:
        return self.canvas_rows + self.rarer


class CaptionerModel(nn.Module):
    def __init__(self, config: CaptionerConfig) -> None:
        super().__init__()
        width, sizes = config.whisper.width, config.whisper
        self.config = config
        self.encoder = Encoder(sizes)
        self.positions = nn.Parameter(torch.zeros(config.slots, width))
        self.slot_map = nn.Linear(2 * width, width)
        self.blocks = nn.ModuleList(Block(width, sizes.heads, cross=True) for _ in range(sizes.decoder_layers))
        self.norm = nn.LayerNorm(width)
        # Attention scores on the recording fall by this much for each slot of distance (ALiBi's fixed slopes, Press et al. 2022):
        # the first heads attend to the slot's own sound, the last to almost everything. Fixed, so that attention can be fused.
        self.register_buffer("nearness", torch.logspace(0.3, -2.5, sizes.heads))
        self.verifier = Decoder(replace(sizes, vocabulary=config.rows))
        self.register_buffer("barred", torch.zeros(config.rows), persistent=False)
        self.barred[list(config.marks)] = BARRED

    @property
    def embedding(self) -> nn.Embedding:
        """Shared by both decoders and their heads."""
        return self.verifier.embedding

    @staticmethod
    def from_whisper(whisper: Whisper, config: CaptionerConfig, rows: list[int], prompt: list[int]) -> "CaptionerModel":
        """A captioner that starts from Whisper's weights.

        rows: the row of Whisper's embedding for each token, tokens of the canvas first. prompt: the rows of its prompt.
        Blank takes the row of Whisper's end of text: the verifier ends a text with blank's id.
        """
        model = CaptionerModel(config)
        model.encoder.load_state_dict(whisper.encoder.state_dict())
        own = {name: value for name, value in whisper.decoder.state_dict().items() if not name.startswith("embedding")}
        model.load_state_dict({**own, "positions": own["positions"][: config.slots]}, strict=False)
        with torch.no_grad():
            table = whisper.decoder.embedding.weight
            canvas, rarer = table[rows[: config.vocabulary]], table[rows[config.vocabulary :]]
            every = torch.cat([canvas, canvas.mean(0, keepdim=True), table[prompt], rarer])
            model.verifier.load_state_dict({**own, "embedding.weight": every})
            nn.init.normal_(model.slot_map.weight, std=0.5 * config.whisper.width**-0.5)
        return model

    def slots(self, states: Tensor) -> Tensor:
        """(B, T, d) states, T a multiple of frames_per_slot -> (B, S, d): the two halves of each slot, averaged and mapped."""
        halves = states.unflatten(1, (-1, 2, self.config.frames_per_slot // 2)).mean(3)
        return self.slot_map(halves.flatten(2))

    def near(self, positions: Tensor, frames: int) -> Tensor:
        """The bias on cross-attention scores by distance: positions (W,) in slots -> (H, W, frames)."""
        per = self.config.frames_per_slot
        centers = (torch.arange(frames, device=positions.device) + 0.5) / per - 0.5
        return -self.nearness[:, None, None] * (positions[:, None] - centers).abs()

    def forward(self, ids: Tensor, states: Tensor, lengths: Tensor) -> Tensor:
        """Hidden rows (B, S, d) of whole canvases, for training.

        ids (B, S); states (B, S * frames_per_slot, d); lengths (B,): slots of each canvas, the rest is padding.
        """
        slots, frames = ids.shape[1], states.shape[1]
        x = self.embedding(ids) + self.positions[:slots] + self.slots(states)
        exists = torch.arange(slots, device=ids.device) < lengths[:, None]  # (B, S)
        hide = torch.zeros(ids.shape, dtype=x.dtype, device=ids.device).masked_fill(~exists, -1e4)
        among = hide[:, None, None]
        near = self.near(torch.arange(slots, device=ids.device), frames).to(x.dtype)
        near = near + hide.repeat_interleave(self.config.frames_per_slot, 1)[:, None, None]  # (B, H, S, T)
        for block in self.blocks:
            rows = block.attention_norm(x)
            x = x + block.attention(rows, *block.attention.keys_values(rows), among)
            x = x + block.cross(block.cross_norm(x), *block.cross.keys_values(states), near)
            x = block.ffn(x)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:  # (..., d) -> (..., vocabulary)
        return hidden @ self.embedding.weight[: self.config.vocabulary].T

    def prompted(self, texts: Tensor) -> Tensor:
        """The prompt before texts: (B, N) -> (B, config.prompt + N), ids of the verifier."""
        prompt = torch.tensor(self.config.prompt_ids, device=texts.device)
        return torch.cat([prompt.expand(len(texts), -1), texts], 1)

    def next_logits(self, texts: Tensor, states: Tensor, mask: Tensor | None = None) -> Tensor:
        """The verifier's logits for the token after the prompt and after each token of texts: (B, N) -> (B, N + 1, rows).

        Marks are barred. states (B, T, d). mask (B, 1, 1, T) bool: False where states are padding.
        """
        logits, _ = self.verifier(self.prompted(texts), self.verifier.cross(states), mask)
        return logits[:, self.config.prompt - 1 :] + self.barred


class Context(nn.Module):
    """Log-mel (1, mels, F) -> what every pass needs from the recording.

    F is a multiple of twice frames_per_slot. Returns cross_k and cross_v (L, H, T, d / H), slots (S, d), and
    for the verifier verify_k and verify_v (L, H, T, d / H).
    """

    def __init__(self, model: CaptionerModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, mel: Tensor) -> tuple[Tensor, ...]:
        states = self.model.encoder(mel)
        pairs = [block.cross.keys_values(states) for block in self.model.blocks]
        asked = self.model.verifier.cross(states)
        k, v, verify_k, verify_v = (torch.cat([pair[i] for pair in some]) for some in (pairs, asked) for i in (0, 1))
        return k, v, self.model.slots(states)[0], verify_k, verify_v


class CaptionWindow(nn.Module):
    """One pass over W rows of a canvas of S slots. The other rows are attended to through their cached keys and values."""

    def __init__(self, model: CaptionerModel, top: int, blank_penalty: float = 0.0) -> None:
        """blank_penalty: subtracted from blank's logit. An unsure model spreads a token over ids and slots: blank wins each."""
        super().__init__()
        self.model, self.top = model, top
        # The head is the embedding's first rows, marks included, so that a bundle stores them once. Logits of marks are cut off.
        rows = model.config.canvas_rows
        self.head = nn.Linear(model.config.whisper.width, rows, bias=False)
        self.head.weight = nn.Parameter(model.embedding.weight[:rows].detach().clone())
        penalty = torch.zeros(model.config.vocabulary)
        penalty[BLANK] = blank_penalty
        self.register_buffer("penalty", penalty)

    def forward(
        self,
        rows: Tensor,  # (W, d) embeddings of tokens and masks
        positions: Tensor,  # (W,) slots
        wanted: Tensor,  # (R,) indices into the window
        bias: Tensor,  # (1, V) or (R, V): 0 where an id is allowed, very low elsewhere
        cross_k: Tensor,  # (L, H, T, d / H)
        cross_v: Tensor,
        slots: Tensor,  # (S, d)
        cache_k: Tensor,  # (L, H, S, d / H); rows of the window are replaced
        cache_v: Tensor,
    ) -> tuple[Tensor, ...]:
        model = self.model
        x = (rows + model.positions[positions] + slots[positions])[None]
        near = model.near(positions, cross_k.shape[2])[None]
        keys, values = [], []
        for layer, block in enumerate(model.blocks):
            normed = block.attention_norm(x)
            k, v = block.attention.keys_values(normed)
            keys.append(k)
            values.append(v)
            all_k = cache_k[layer][None].index_copy(2, positions, k)
            all_v = cache_v[layer][None].index_copy(2, positions, v)
            x = x + block.attention(normed, all_k, all_v)
            x = block.ffn(x + block.cross(block.cross_norm(x), cross_k[layer][None], cross_v[layer][None], near))
        logits = self.head(model.norm(x[0, wanted]))[:, : model.config.vocabulary] - self.penalty + bias
        probabilities = torch.softmax(logits, -1)
        logsumexp = log_sum_exp(logits, probabilities)
        entropy = logsumexp - (probabilities * logits).sum(-1)
        top, ids = logits.topk(self.top)
        return ids, top, logsumexp, entropy, torch.cat(keys), torch.cat(values)


class Verify(nn.Module):
    """One causal pass over N rows of a text after P rows that were read before."""

    def __init__(self, model: CaptionerModel, top: int) -> None:
        super().__init__()
        self.verifier, self.top = model.verifier, top
        self.head = nn.Linear(model.config.whisper.width, model.config.rows, bias=False)
        self.head.weight = nn.Parameter(model.embedding.weight.detach().clone())
        self.register_buffer("barred", model.barred.clone())

    def forward(
        self,
        rows: Tensor,  # (N, d) embeddings of the prompt's or the text's tokens
        verify_k: Tensor,  # (L, H, T, d / H)
        verify_v: Tensor,
        past_k: Tensor,  # (L, H, P, d / H), P may be 0
        past_v: Tensor,
    ) -> tuple[Tensor, ...]:
        cross = [(k[None], v[None]) for k, v in zip(verify_k, verify_v, strict=True)]
        past = [(k[None], v[None]) for k, v in zip(past_k, past_v, strict=True)]
        hidden, read = self.verifier.hidden(rows[None], cross, past=past)
        logits = self.head(hidden[0]) + self.barred
        top, ids = logits.topk(self.top)
        new = past_k.shape[2]
        k, v = (torch.cat([pair[i][:, :, new:] for pair in read]) for i in (0, 1))
        return ids, top, log_sum_exp(logits, torch.softmax(logits, -1)), k, v
