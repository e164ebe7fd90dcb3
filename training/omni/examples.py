"""One example of a task: a scene laid out as a prompt and the answer that belongs to it. Knows the codec. Knows no model."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from unmask.export.modules.sticker_codec import StickerCodec
from unmask.training.codecs.speech import SpeechCodec
from unmask.training.codecs.stickers import from_codes, to_codes
from unmask.training.omni.model import IGNORED, NO_PLACE, SPOKEN
from unmask.training.omni.vocabulary import (
    ANSWER,
    ANSWER_LENGTH,
    DRAW,
    END,
    END_ID,
    IMAGE,
    LONGEST,
    PICTURE,
    SAY,
    SIDE_CODES,
    SKETCH,
    SPEECH,
    TELL,
    TOKENS,
    WORDS,
)
from unmask.training.stickers.pictures import Pixels, drawn
from unmask.training.stickers.scene import Group, Scene
from unmask.training.stickers.things import BY_NAME, CELL, CODE, COLORS, GROUNDS, PLACES, SIZES, SPREAD, THINGS
from unmask.training.stickers.words import Question, describe

BETWEEN = (",", "▁and")  # the groups of a caption
GROUND_TOKENS = 4  # at the end of a caption: on a pink background
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Example:
    """A prompt, and the answer that belongs to it."""

    prompt: Ids
    prompt_places: Ids
    answer: Ids
    answer_places: Ids
    shown: Ids
    """(N, 3) what the squares of prompt and answer show, IGNORED where there is no square."""
    asked: Ids = field(default_factory=lambda: np.zeros(0, np.int64))
    """(N,) 1 where an answer has to look, 0 elsewhere: at what the caption says of the group or the ground that is asked for; the
    task's mark for what is not there. Empty without a question."""


@dataclass(frozen=True)
class Picture:
    codes: Ids  # (PICTURE,)
    shown: Ids  # (PICTURE, 3)


def shown_by(group: Group) -> Ids:
    """(CELL, CELL, 3) the thing, color and part that each square of its place shows."""
    shown = np.zeros((CELL, CELL, 3), np.int64)
    side = SIZES[group.size] // CODE
    what = [1 + THINGS.index(BY_NAME[group.thing]), 1 + list(COLORS).index(group.color) if group.color else 0]
    parts = np.arange(side**2).reshape(side, side) + (1 if side == CELL else 1 + CELL**2)
    for row, column in SPREAD[group.count] if side < CELL else ((0, 0),):
        square = shown[row : row + side, column : column + side]
        square[..., :2], square[..., 2] = what, parts
    return shown


class Examples:
    """Makes examples of tasks."""

    def __init__(self, codec: StickerCodec, tokenizer: Tokenizer, speech: SpeechCodec | None = None) -> None:
        """speech: None without the task `speak`."""
        self._codec, self._tokenizer, self.speech = codec, tokenizer, speech
        self.paces = np.array(
            [speech.pace.codes.get(token, 0) if speech else 0 for token in TOKENS] + [0] * (WORDS - len(TOKENS))
        )
        self._known: dict[tuple[str | int, ...], Ids] = {}

    def words(self, text: str) -> Ids:
        return np.array(self._tokenizer.encode(text).ids, np.int64)

    def text(self, ids: Ids) -> str:
        """The words before the first end."""
        ends = np.flatnonzero(ids == END_ID)
        text: str = self._tokenizer.decode(ids[: ends[0] if ends.size else None].tolist())
        return text.strip()

    def picture(self, scene: Scene) -> Picture:
        """The codes of a scene. Nothing is drawn: every square of its picture is coded alone, and things lie on squares."""
        codes = np.full((SIDE_CODES, SIDE_CODES), self._place(scene.ground)[0, 0])
        shown = np.zeros((SIDE_CODES, SIDE_CODES, 3), np.int64)
        for group in scene.groups:
            row, column = PLACES[group.place]
            codes[row : row + CELL, column : column + CELL] = self._place(scene.ground, group)
            shown[row : row + CELL, column : column + CELL] = shown_by(group)
        return Picture(codes.ravel(), shown.reshape(PICTURE, 3))

    def _place(self, ground: str, group: Group | None = None) -> Ids:
        """(CELL, CELL) ids of a place with a group, or (1, 1) of the bare ground."""
        kind = (ground,) if group is None else (ground, group.thing, group.color, group.size, group.count)
        if kind not in self._known:
            pixels = np.full((CODE, CODE, 3), GROUNDS[ground], np.uint8) if group is None else drawn(*kind)
            self._known[kind] = to_codes(self._codec, [pixels])[0].numpy() + IMAGE
        return self._known[kind]

    def pictures(self, ids: Ids) -> list[Pixels]:
        """(B, PICTURE) ids -> pictures."""
        return from_codes(self._codec, torch.from_numpy(ids - IMAGE).unflatten(1, (SIDE_CODES, SIDE_CODES)))

    def sketch(self, scene: Scene, lines: Pixels) -> Picture:
        """The codes of a scene's lines, which show things and parts, and no colors."""
        codes = to_codes(self._codec, [lines])[0].numpy().ravel() + IMAGE
        return Picture(codes, self.picture(scene).shown * (1, 0, 1))

    def draw(self, text: str, picture: Picture, lines: Picture | None = None) -> Example:
        """Text to picture, or a sketch and a text. text: empty for a picture without a condition."""
        words = self.words((SKETCH if lines else DRAW) + text)
        codes, squares = (lines.codes, lines.shown) if lines else (np.zeros(0, np.int64), nothing(0))
        prompt = np.concatenate([words, codes])
        places = np.concatenate([np.full(len(words), NO_PLACE), np.arange(len(codes))])
        shown = np.concatenate([nothing(len(words)), squares, picture.shown])
        return Example(prompt, places, picture.codes, np.arange(PICTURE), shown)

    def tell(self, picture: Picture, text: str) -> Example:
        """Picture to text."""
        return self._said(self.words(TELL), picture, (text, LONGEST))

    def answer(self, picture: Picture | None, scene: Scene, question: Question) -> Example:
        """A question on a picture. It is answered after the caption, from which an answer is easily read; None: from it alone."""
        texts = (describe(scene), LONGEST), (question.answer, ANSWER_LENGTH)
        made = self._said(self.words(ANSWER + question.text), picture, *texts)
        told = self._told(scene, question)
        asked = np.zeros(len(made.shown), np.int64)
        asked[len(made.prompt) : len(made.prompt) + len(told)] = told
        asked[0] = not told.any()
        return replace(made, asked=asked)

    def _told(self, scene: Scene, question: Question) -> Ids:
        """(N,) for each word of the caption, 1 if it is of what the question asks for: a group, or the ground."""
        words = self._tokenizer.encode(describe(scene)).tokens
        part = np.cumsum([word in BETWEEN for word in words])
        part[-GROUND_TOKENS:] = len(scene.groups)
        wanted = len(scene.groups) if question.kind == "ground" else -1
        if question.group is not None:
            wanted = scene.groups.index(question.group)
        return (part == wanted).astype(np.int64)

    def speak(self, text: str, codes: Ids) -> Example:
        """Text to speech. codes: from 0, as many as the text's tokens have."""
        prompt = self.words(SAY + text + END)
        counts = self.paces[prompt]
        first = np.cumsum(self.paces) - self.paces
        in_token = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        places = SPOKEN + np.repeat(first[prompt], counts) + in_token
        shown = nothing(len(prompt) + len(codes))
        return Example(prompt, np.full(len(prompt), NO_PLACE), codes + SPEECH, places, shown)

    def _said(self, before: Ids, picture: Picture | None, *texts: tuple[str, int]) -> Example:
        """texts: each with the positions it has."""
        codes, squares = (picture.codes, picture.shown) if picture else (np.zeros(0, np.int64), nothing(0))
        spans = [np.append(words := self.words(text), np.full(length - len(words), END_ID)) for text, length in texts]
        answer, length = np.concatenate(spans), sum(map(len, spans))
        places = np.concatenate([np.full(len(before), NO_PLACE), np.arange(len(codes))])
        shown = np.concatenate([nothing(len(before)), squares, nothing(length)])
        return Example(np.concatenate([before, codes]), places, answer, PICTURE + np.arange(length), shown)


def nothing(count: int) -> Ids:
    return np.full((count, 3), IGNORED)
