"""The pieces that words of requests are made of: byte-pair encoding, learned from what the grammar says."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from unmask.apps.ui.slots import COUNT, TOKENS
from unmask.training.ui.grammar.examples import draw

NAME = "tokenizer.json"
PIECES = 1536
SAMPLES = 6000
SIGNS = "',.-+éèêäöüßñçå"


def learned(folder: Path, start: Path | None = None) -> Tokenizer:
    """The tokenizer of a run, which is learned when it begins: a grammar that changes later does not change it.

    start: weights that the run begins with, and the tokenizer beside them.
    """
    path = folder / NAME
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        known = start.with_name(NAME) if start else None
        found = Tokenizer.from_file(str(known)) if known and known.exists() else learn_pieces()
        found.save(str(path))
    tokenizer: Tokenizer = Tokenizer.from_file(str(path))
    return tokenizer


def learn_pieces(samples: int = SAMPLES) -> Tokenizer:
    """A tokenizer whose first ids are the tokens of slots, and the next ones, at most PIECES, those of words."""
    rng = np.random.default_rng(5)
    lines = [" ".join(word.text for word in draw(rng).words if word.number is None and word.time is None) for _ in range(samples)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    letters = [chr(code) for code in (*range(ord("a"), ord("z") + 1), *range(ord("0"), ord("9") + 1), *map(ord, SIGNS))]
    trainer = trainers.BpeTrainer(
        vocab_size=COUNT + PIECES,
        special_tokens=list(TOKENS),
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    return tokenizer


class Encoder:
    """Ids of a word's pieces. Characters that no piece has are left out."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._encode = lru_cache(maxsize=1 << 16)(lambda word: tuple(tokenizer.encode(word, add_special_tokens=False).ids))

    def __call__(self, word: str) -> tuple[int, ...]:
        return self._encode(word)
