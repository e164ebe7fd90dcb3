"""The tokenizer of a checkpoint folder as one JSON text.

Reads tokenizer.json if there is one. Otherwise builds byte-level BPE from vocab.json and merges.txt with the added tokens of
tokenizer_config.json, splitting text as Qwen2 and Dream do (Dream's own tokenizer is a Python file, which is not run).
"""

from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE

from unmask.bundle.tokenizer import read_tokenizer
from unmask.errors import BundleError, InputError
from unmask.export.checkpoint.config import read_json

# Qwen2's pre-tokenizer (transformers, Qwen2TokenizerFast): contractions, words, single digits, marks, line feeds, spaces.
QWEN2_SPLIT = (
    r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
)


def checkpoint_tokenizer(folder: Path) -> Tokenizer:
    """Raises InputError when the folder has no tokenizer, BundleError when it is damaged."""
    if (folder / "tokenizer.json").is_file():
        return read_tokenizer(folder / "tokenizer.json")
    if not ((folder / "vocab.json").is_file() and (folder / "merges.txt").is_file()):
        raise InputError(f"{folder}: neither tokenizer.json nor vocab.json with merges.txt; download the tokenizer's files too")
    vocabulary = read_json(folder / "vocab.json")
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    merges = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    stray = next((pair for pair in merges if len(pair) != 2 or not {*pair, "".join(pair)} <= vocabulary.keys()), None)
    if stray:
        raise BundleError(
            f"{folder / 'merges.txt'}: the merge {stray} is not two known tokens that form a third; download it again"
        )
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=merges, fuse_unk=False))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    if (folder / "tokenizer_config.json").is_file():
        added = read_json(folder / "tokenizer_config.json").get("added_tokens_decoder", {})
        for place, token in sorted(added.items(), key=lambda item: int(item[0])):
            one = [AddedToken(token["content"], normalized=False, special=bool(token.get("special")))]
            (tokenizer.add_special_tokens if token.get("special") else tokenizer.add_tokens)(one)
            if (found := tokenizer.token_to_id(token["content"])) != int(place):
                raise BundleError(
                    f"{folder}: the token {token['content']!r} would get id {found} instead of {place}, so vocab.json does "
                    "not belong to tokenizer_config.json; download both again"
                )
    return tokenizer
