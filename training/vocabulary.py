"""Trim Whisper's byte-level BPE to the tokens that English speech needs.

The head is the larger half of a tiny decoder, so 12 of 51 thousand rows are kept: every single byte (any text can still be
written) and what the given text uses most; rarer words are spelt with shorter tokens. Blank is id 0; the mask is the last
row of the embedding and is never predicted.
"""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

BLANK = "<|blank|>"


def trim_tokenizer(source: Path, text: Iterable[str], size: int) -> Tokenizer:
    """source: Whisper's `tokenizer.json`; text: lines in ordinary writing; size: ids to keep, blank included."""
    ids, merges = read_bpe(source)
    parts = {a + b: (a, b) for a, b in merges}
    full = byte_level(ids, merges)

    kept = {token for token in ids if len(token) == 1}

    def needs(token: str) -> set[str]:
        """The token and both halves of the merge that makes it, down to what is kept."""
        return set() if token in kept else {token}.union(*(needs(part) for part in parts[token]))

    if len(kept) >= size:
        raise ValueError(f"{size} tokens cannot hold blank and the {len(kept)} bytes")
    counts = Counter(token for line in text for token in full.encode(" " + line, add_special_tokens=False).tokens)
    for token, _ in counts.most_common():
        if len(more := needs(token)) < size - len(kept):  # blank takes one place
            kept |= more
    vocabulary = [BLANK, *sorted(kept, key=lambda token: ids[token])]
    left = [merge for merge in merges if merge[0] + merge[1] in kept]
    return byte_level({token: i for i, token in enumerate(vocabulary)}, left)


def whole_tokenizer(trimmed: Tokenizer, source: Path) -> Tokenizer:
    """Every token of Whisper's that is text, with the trimmed ones' ids first.

    It spells rare words as Whisper learnt to, where the trimmed one writes them in pieces. source: as for `trim_tokenizer`.
    """
    ids, merges = read_bpe(source)
    first, made = trimmed.get_vocab(), {a + b for a, b in merges}  # marks such as <|endoftext|> are no merge
    others = sorted(made - first.keys(), key=lambda token: ids[token])
    return byte_level({**first, **{token: len(first) + i for i, token in enumerate(others)}}, merges)


def read_bpe(source: Path) -> tuple[dict[str, int], list[tuple[str, ...]]]:
    """Ids and merges of a `tokenizer.json`, which writes a merge as "a b" or as a pair."""
    model = json.loads(source.read_text(encoding="utf-8"))["model"]
    return model["vocab"], [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in model["merges"]]


def byte_level(vocabulary: dict[str, int], merges: list[tuple[str, ...]]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def source_ids(tokenizer: Tokenizer, source: Tokenizer) -> list[int]:
    """For each trimmed id the id in Whisper's own vocabulary; blank borrows end of text."""
    end = source.token_to_id("<|endoftext|>")
    return [source.token_to_id(tokenizer.id_to_token(i)) if i else end for i in range(tokenizer.get_vocab_size())]
