"""Trim Whisper's byte-level BPE to the tokens that English speech needs.

The head is the larger half of a tiny decoder, so 12 of 51 thousand rows are kept: every single byte, so that any text can still
be written, and the tokens that the given text uses most. Rarer words are spelled with shorter tokens. Blank is id 0. The mask is
the last row of the embedding and is never predicted.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

BLANK = "<|blank|>"
ORDINARY = re.compile("\u0120?[A-Z]?[a-z']+")  # byte-level tokens; the first character is the space before a word


def trim_tokenizer(source: Path, text: Iterable[str], size: int) -> Tokenizer:
    """source: Whisper's `tokenizer.json`. text: lines with case and punctuation. size: number of ids to keep, with blank.

    Raises ValueError when size is too small for all bytes.
    """
    ids, merges = read_bpe(source)
    parts = {a + b: (a, b) for a, b in merges}
    full = byte_level(ids, merges)

    kept = {token for token in ids if len(token) == 1}

    def needs(token: str) -> set[str]:
        """The token and the halves of the merges that make it, without those that are already kept."""
        return set() if token in kept else {token}.union(*(needs(part) for part in parts[token]))

    if len(kept) >= size:
        raise ValueError(f"{size} tokens are too few for blank and the {len(kept)} bytes")
    counts = Counter(token for line in text for token in full.encode(" " + line, add_special_tokens=False).tokens)
    for token, _ in counts.most_common():
        if len(more := needs(token)) < size - len(kept):  # blank takes one id
            kept |= more
    vocabulary = [BLANK, *sorted(kept, key=lambda token: ids[token])]
    left = [merge for merge in merges if merge[0] + merge[1] in kept]
    return byte_level({token: i for i, token in enumerate(vocabulary)}, left)


def spelling_tokenizer(trimmed: Tokenizer, source: Path, marks: Sequence[str], rarer: int | None = None) -> Tokenizer:
    """The trimmed tokens with their ids, then `marks`, then rarer tokens of Whisper's.

    It spells rare words as Whisper does, where the trimmed one writes them in pieces. Marks are ids that are read and never
    predicted; no text is encoded as one. rarer: number of tokens to add, of those that are words or parts of words in ordinary
    text, in the order of Whisper's ids (its merges are sorted by how frequent they are); None: all tokens that are text.
    source: as for `trim_tokenizer`.
    """
    ids, merges = read_bpe(source)
    first, parts = trimmed.get_vocab(), {a + b: (a, b) for a, b in merges}  # marks such as <|endoftext|> are no merge
    others = sorted(parts.keys() - first.keys(), key=lambda token: ids[token])
    if rarer is not None:
        others = [token for token in others if ORDINARY.fullmatch(token)][:rarer]
    start = len(first) + len(marks)
    vocabulary = {**first, **{mark: len(first) + i for i, mark in enumerate(marks)}}
    vocabulary |= {token: start + i for i, token in enumerate(others)}
    return byte_level(vocabulary, [merge for merge in merges if {merge[0] + merge[1], *merge} <= vocabulary.keys()])


def read_bpe(source: Path) -> tuple[dict[str, int], list[tuple[str, ...]]]:
    """Ids and merges of a `tokenizer.json`, in which a merge is "a b" or a pair."""
    model = json.loads(source.read_text(encoding="utf-8"))["model"]
    return model["vocab"], [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in model["merges"]]


def byte_level(vocabulary: dict[str, int], merges: list[tuple[str, ...]]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def source_ids(tokenizer: Tokenizer, source: Tokenizer, marks: Sequence[str] = ()) -> list[int]:
    """For each id except those of `marks`, the id in Whisper's vocabulary. Blank takes that of end of text."""
    end = source.token_to_id("<|endoftext|>")
    tokens = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    return [source.token_to_id(token) if i else end for i, token in enumerate(tokens) if token not in marks]
