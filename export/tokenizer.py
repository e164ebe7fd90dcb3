"""The tokenizer of a checkpoint folder as one JSON text.

tokenizer.json where there is one; else byte-level BPE of vocab.json and merges.txt with the added tokens of
tokenizer_config.json, as Qwen2 and Dream split text (Dream's own tokenizer is a Python file, which is not run).
"""

from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE

from unmask.errors import InputError
from unmask.export.checkpoint import read_json

# Qwen2's pre-tokenizer (transformers, Qwen2TokenizerFast): contractions, words, single digits, marks, line feeds, spaces.
QWEN2_SPLIT = (
    r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
)


def checkpoint_tokenizer(folder: Path) -> Tokenizer:
    """Raises InputError when the folder holds none of both."""
    if (folder / "tokenizer.json").is_file():
        read_json(folder / "tokenizer.json")
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    if not ((folder / "vocab.json").is_file() and (folder / "merges.txt").is_file()):
        raise InputError(f"{folder}: neither tokenizer.json nor vocab.json with merges.txt; download the tokenizer's files too")
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    merges = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    tokenizer = Tokenizer(BPE(vocab=read_json(folder / "vocab.json"), merges=merges, fuse_unk=False))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    if (folder / "tokenizer_config.json").is_file():
        added = read_json(folder / "tokenizer_config.json").get("added_tokens_decoder", {})
        for _, token in sorted(added.items(), key=lambda item: int(item[0])):
            one = [AddedToken(token["content"], normalized=False, special=bool(token.get("special")))]
            (tokenizer.add_special_tokens if token.get("special") else tokenizer.add_tokens)(one)
    return tokenizer
