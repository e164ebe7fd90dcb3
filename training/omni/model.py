"""Omni-tiny in PyTorch: the backbone that bundles know, over words and codes of pictures.

A code's embedding, and its row of the head, is a projection of its pixels and a row of its own that begins at zero: codes that
look alike begin alike. Rows of an answer, and of codes in a prompt, also have the embedding of their place in it; the order of
all else is in RoPE.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask.export.codecs.hibari import SPEECH_CODES
from unmask.export.families.omni_tiny import ANSWER_LENGTH
from unmask.export.modules.backbone import BackboneConfig, BackboneModel
from unmask.export.modules.sticker_codec import CODES, COLORED
from unmask.training.denoiser import Passed, Sequences, Sizes, begin, matrices, passed
from unmask.training.omni.vocabulary import IMAGE, PICTURE, SAID, SIDE_CODES, SIZE, SPEECH, WORDS
from unmask.training.stickers.things import COLORS, PARTS, THINGS

SHOWN = (1 + len(THINGS), 1 + len(COLORS), PARTS)  # things, colors and parts of a drawing that a square can show; 0 is none
LOOKS = 64  # numbers that describe a code's pixels
NO_PLACE = PICTURE + SAID  # index of the row of zeros among places: picture, words, zeros, speech
SPOKEN = NO_PLACE + 1  # index of the first place of speech, in the first token that is said

IGNORED = -100


@dataclass(frozen=True)
class OmniConfig(Sizes):
    layers: int = 8
    spoken: int = 0
    """Places of speech: the codes that each token is said in, added up."""

    @property
    def backbone(self) -> BackboneConfig:
        return self.config(SIZE + NO_PLACE + self.spoken)


class Omni(nn.Module):
    def __init__(
        self,
        config: OmniConfig = OmniConfig(),
        looks: Tensor | None = None,
        sounds: Tensor | None = None,
        paces: Tensor | None = None,
    ) -> None:
        """looks, sounds: (CODES, LOOKS) and (SPEECH_CODES, LOOKS), as `looks_of` gives them. paces: (WORDS,) codes of speech that
        each id is said in. None: they come with the weights, and config.spoken says how many places there are."""
        super().__init__()
        config = config if paces is None else replace(config, spoken=int(paces.sum()))
        self.config, width = config, config.width
        self.backbone = BackboneModel(config.backbone)
        self.register_buffer("looks", torch.zeros(CODES, LOOKS) if looks is None else looks)
        self.register_buffer("sounds", torch.zeros(SPEECH_CODES, LOOKS) if sounds is None else sounds)
        self.register_buffer("paces", torch.zeros(WORDS, dtype=torch.int64) if paces is None else paces)
        sizes = {"words": WORDS, "rows": SIDE_CODES, "columns": SIDE_CODES, "answer": SAID, "spoken": config.spoken}
        for name, count in sizes.items():
            setattr(self, name, nn.Parameter(torch.randn(count, width) / 2))
        self.code_look = nn.Parameter(torch.randn(LOOKS, width) / (2 * LOOKS**0.5))
        self.code_own = nn.Parameter(torch.zeros(CODES, width))
        self.shown_head = nn.Parameter(torch.randn(sum(SHOWN), width) / width**0.5)
        self.word_head = nn.Parameter(torch.randn(WORDS, width) / width**0.5)
        self.code_head_look = nn.Parameter(torch.randn(LOOKS, width) / (LOOKS * width) ** 0.5)
        self.code_head_own = nn.Parameter(torch.zeros(CODES, width))
        self.sound_look = nn.Parameter(torch.randn(LOOKS, width) / (2 * LOOKS**0.5))
        self.sound_own = nn.Parameter(torch.zeros(SPEECH_CODES, width))
        self.sound_head_look = nn.Parameter(torch.randn(LOOKS, width) / (LOOKS * width) ** 0.5)
        self.sound_head_own = nn.Parameter(torch.zeros(SPEECH_CODES, width))
        begin(self.backbone)

    @property
    def matrices(self) -> list[nn.Parameter]:
        """The matrices between layers."""
        return matrices(self.backbone)

    def table(self) -> Tensor:
        """(SIZE, d) the embeddings of all ids."""
        codes, sounds = self.looks @ self.code_look + self.code_own, self.sounds @ self.sound_look + self.sound_own
        return torch.cat([self.words, codes, sounds])

    def code_head(self) -> Tensor:
        """(CODES, d) the head's rows of codes."""
        return self.looks @ self.code_head_look + self.code_head_own

    def sound_head(self) -> Tensor:
        """(SPEECH_CODES, d) the head's rows of codes of speech."""
        return self.sounds @ self.sound_head_look + self.sound_head_own

    def place_table(self) -> Tensor:
        """(SPOKEN + config.spoken, d)"""
        picture = (self.rows[:, None] + self.columns).flatten(0, 1)
        return torch.cat([picture, self.answer, self.answer.new_zeros(1, self.config.width), self.spoken])

    def forward(self, canvas: Sequences) -> Tensor:
        """Hidden rows (B, N, d) after the final norm. Those of padding mean nothing."""
        return self.passed(canvas).last

    def passed(self, canvas: Sequences) -> Passed:
        rows = F.embedding(canvas.ids, self.table()) + F.embedding(canvas.places, self.place_table())
        return passed(self.backbone, canvas, rows, self.config.middle)

    def heads(self) -> tuple[tuple[int, Tensor], ...]:
        """(first id, rows (K, d) of the head) of words, codes of pictures, and codes of speech."""
        return (0, self.word_head), (IMAGE, self.code_head()), (SPEECH, self.sound_head())


def looks_of(squares: Tensor) -> Tensor:
    """The squares of a codec (CODES, numbers) -> (CODES, LOOKS): their principal components, large ones made smaller.

    Those of colored pictures say what the components are, so that they stay what they are whatever else a codec knows.
    """
    centered = squares.float() - squares[:COLORED].float().mean(0)
    _, sizes, components = torch.linalg.svd(centered[:COLORED], full_matrices=False)
    looks = centered @ components[:LOOKS].T / sizes[:LOOKS].sqrt()
    return looks / looks[:COLORED].square().mean().sqrt()


def losses_at(model: Omni, hidden: Tensor, wanted: Tensor) -> Tensor:
    """(M,) nats of each wanted id, given its hidden rows (M, d)."""
    found = hidden.new_zeros(len(wanted), dtype=torch.float32)
    for first, head in model.heads():
        own = (wanted >= first) & (wanted < first + len(head))
        if bool(own.any()):
            found[own] = F.cross_entropy(F.linear(hidden[own], head).float(), wanted[own] - first, reduction="none")
    return found


def shown_losses(model: Omni, middle: Tensor, shown: Tensor) -> Tensor | None:
    """Mean nats of what squares show: middle rows (B, N, d), shown (B, N, 3), where rows without a square have IGNORED. None
    without any square.

    Which thing, in which color, and which part of it, are told to a row in the middle of the layers: without it, the way from
    words to places has to be found through 4,096 codes.
    """
    kept = shown[..., 0] != IGNORED
    if not bool(kept.any()):
        return None
    logits = F.linear(F.rms_norm(middle[kept], middle.shape[-1:]), model.shown_head).float()
    parts = zip(logits.split(SHOWN, -1), shown[kept].unbind(-1), strict=True)
    return torch.stack([F.cross_entropy(part, wanted) for part, wanted in parts]).sum()


def asked_loss(looks: Tensor, asked: Tensor, length: Tensor) -> Tensor | None:
    """Mean nats of where answers look: looks (B, N, N) of `Passed`, asked (B, N) as in `Example`, length (B,) positions of each
    canvas, an answer at its end. None without a question.

    As with what squares show: an answer is read in three layers from what it looks at, once that is found. Otherwise both have to
    be learned at once, and after hours groups were still confused.
    """
    told = asked.bool().any(1)
    if not bool(told.any()):
        return None
    rows = (length[told] - ANSWER_LENGTH)[:, None] + torch.arange(ANSWER_LENGTH, device=looks.device)
    seen = looks[told].gather(1, rows[..., None].expand(-1, -1, looks.shape[-1]))  # (told, ANSWER_LENGTH, N)
    keys = F.pad(asked[told].bool(), (0, looks.shape[-1] - asked.shape[1]))
    return -seen.masked_fill(~keys[:, None], -torch.inf).logsumexp(-1).mean()
