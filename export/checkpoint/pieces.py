"""Moonshine's tokenizer, also from `tokenizer.bin` of its own runtime. Knows bytes.

For each id the file has a length and as many bytes: a mark, one raw byte, or a piece of text with `SPACE` before a word. From 128
on, a length has a second byte. The pieces are those of a sentencepiece BPE, whose ids rank its merges.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, normalizers
from tokenizers.models import BPE

from unmask.errors import BundleError, InputError
from unmask.export.checkpoint.tokenizer import checkpoint_tokenizer

FILE, WHOLE = "tokenizer.bin", "tokenizer.json"
SPACE = "\u2581"
MARKS = ("<unk>", "<s>", "</s>")  # ids 0 to 2
SPARE = re.compile(r"<<ST_\d+>>")  # more marks, which no text holds


def moonshine_tokenizer(source: Path) -> Tokenizer:
    """The checkpoint's tokenizer, in either form. Raises BundleError when its marks are not those of the model."""
    if not any((source / name).is_file() for name in (FILE, WHOLE)):
        raise InputError(f"{source}: neither {FILE} nor {WHOLE}; download the tokenizer too")
    tokenizer = read_pieces(source / FILE) if (source / FILE).is_file() else checkpoint_tokenizer(source)
    for i in range(1, len(MARKS)):
        if tokenizer.id_to_token(i) != MARKS[i]:
            raise BundleError(f"{source}: token {i} is {tokenizer.id_to_token(i)!r} instead of {MARKS[i]!r}; download it again")
    return tokenizer


def read_pieces(path: Path) -> Tokenizer:
    """The tokenizer of a file. Raises BundleError for a file that is cut short or has other pieces first."""
    entries = list(_entries(path))
    first = len(MARKS)
    raw = [bytes([byte]) for byte in range(256)]
    if tuple(entries[:first]) != tuple(mark.encode() for mark in MARKS) or entries[first : first + 256] != raw:
        raise BundleError(f"{path}: not a tokenizer of Moonshine, whose first pieces are {' '.join(MARKS)} and each byte")
    names = [*MARKS, *(f"<0x{byte:02X}>" for byte in range(256))]
    try:
        names += [entry.decode() for entry in entries[len(names) :]]
    except UnicodeDecodeError as error:
        raise BundleError(f"{path}: a piece is not UTF-8 ({error}); download it again") from error
    return _tokenizer({name: i for i, name in enumerate(names) if name})


def _entries(path: Path) -> Iterator[bytes]:
    """The bytes of each id in order; none for an id that is not used."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        length, at = data[at], at + 1
        if length >= 128 and at < len(data):
            length, at = length - 128 + 128 * data[at], at + 1
        if at + length > len(data):
            raise BundleError(f"{path}: cut short; download it again")
        yield data[at : at + length]
        at += length


def _tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    model = BPE(vocabulary, list(_merges(vocabulary)), unk_token=MARKS[0], fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    marks = [*MARKS, *filter(SPARE.fullmatch, vocabulary)]
    tokenizer.add_special_tokens([AddedToken(mark, normalized=False, special=True) for mark in marks])
    return tokenizer


def _merges(vocabulary: dict[str, int]) -> Iterator[tuple[str, str]]:
    """Every way to join two pieces into a third, the third with the lowest id first: what sentencepiece does, whose scores fall
    with the ids."""
    for piece, i in vocabulary.items():
        if i < len(MARKS) + 256 or SPARE.fullmatch(piece):
            continue
        halves = ((piece[:at], piece[at:]) for at in range(1, len(piece)))
        known = [(left, right) for left, right in halves if left in vocabulary and right in vocabulary]
        yield from sorted(known, key=lambda pair: (vocabulary[pair[0]], vocabulary[pair[1]]))
