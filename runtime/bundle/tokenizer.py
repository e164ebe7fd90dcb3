"""Read a bundle's tokenizer file, which is not trusted.

Knows the Hugging Face JSON format of BPE, both kinds: over bytes, and over characters with bytes for those that it lacks
(sentencepiece's). Knows no bundle and no text.
"""

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from unmask.bundle.dataclass_json import parse_json
from unmask.errors import BundleError


def read_tokenizer(path: Path) -> Tokenizer:
    """Open a tokenizer. Raises BundleError for a file that is not a BPE tokenizer.

    `tokenizers` raises nothing narrower than Exception, so the content that it would reject is checked before.
    """
    try:
        text = path.read_text(encoding="utf-8")
        model = parse_json(text)["model"]
        kind, vocabulary, merges = model["type"], dict(model["vocab"]), [_pair(merge) for merge in model["merges"]]
        unknown = {model["unk_token"]} if model.get("unk_token") else set()
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path}: not a Hugging Face tokenizer ({type(error).__name__}: {error}); fetch it again") from error
    if kind != "BPE":
        raise BundleError(f"{path}: a {kind} tokenizer; this runtime reads BPE only")
    stray = next((pair for pair in merges if len(pair) != 2 or not {*pair, "".join(pair)} <= vocabulary.keys()), None)
    if stray:
        raise BundleError(f"{path}: the merge {stray} does not join two known tokens into a third; fetch the file again")
    if model.get("byte_fallback"):
        unknown |= {f"<0x{byte:02X}>" for byte in range(256)}
    if lacking := unknown - vocabulary.keys():
        raise BundleError(f"{path}: lacks {min(lacking)!r}, in which it writes characters that it does not know; fetch it again")
    return Tokenizer.from_str(text)


def token_ranges(tokenizer: Tokenizer) -> tuple[tuple[int, int], ...]:
    """The ids that a token stands for, as half-open ranges: an embedding may have more rows, which no text contains."""
    ids = np.unique(np.fromiter(tokenizer.get_vocab(with_added_tokens=True).values(), np.int64))
    runs = np.split(ids, np.flatnonzero(np.diff(ids) > 1) + 1)
    return tuple((int(run[0]), int(run[-1]) + 1) for run in runs if len(run))


def _pair(merge: str | list[str]) -> tuple[str, ...]:
    """Older files write a merge as one string with a space."""
    return tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge)
