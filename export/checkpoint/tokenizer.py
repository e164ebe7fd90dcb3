"""The tokenizer of a checkpoint folder, from all of its files, which must agree.

tokenizer.json, or byte-level BPE from vocab.json and merges.txt that splits text as Qwen2 and Dream do (Dream's own tokenizer is
a Python file, which is not run); then the tokens that only tokenizer_config.json or added_tokens.json name. Runs no template.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE

from unmask.bundle.tokenizer import read_tokenizer
from unmask.errors import BundleError, InputError
from unmask.export.checkpoint.config import read_json

# Qwen2's pre-tokenizer (transformers, Qwen2TokenizerFast): contractions, words, single digits, marks, line feeds, spaces.
QWEN2_SPLIT = (
    r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
)


CONFIG, ADDED, SPECIAL, TEMPLATE = "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json", "chat_template.jinja"
MARK = re.compile(r"<\|[^|<>]+\|>")


@dataclass(frozen=True)
class _Named:
    """A token that a file beside the tokenizer gives an id."""

    file: str
    id: int
    token: AddedToken


def checkpoint_tokenizer(folder: Path) -> Tokenizer:
    """Raises InputError when the folder has no tokenizer, BundleError when a file is damaged or contradicts another."""
    whole, parts = folder / "tokenizer.json", (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file()
    if not whole.is_file() and not parts:
        raise InputError(f"{folder}: neither tokenizer.json nor vocab.json with merges.txt; download the tokenizer's files too")
    tokenizer = read_tokenizer(whole) if whole.is_file() else _of_parts(folder)
    if whole.is_file() and (folder / "vocab.json").is_file():
        for content, place in _vocabulary(folder).items():
            if (found := tokenizer.token_to_id(content)) != place:
                raise BundleError(f"{folder}: {content!r} has id {place} in vocab.json and {found} in tokenizer.json; {AGAIN}")
    for named in sorted(_named(folder), key=lambda named: named.id):
        _add(folder, tokenizer, named)
    return tokenizer


AGAIN = "they are not of one model, so download the tokenizer's files again"


def _add(folder: Path, tokenizer: Tokenizer, named: _Named) -> None:
    content = named.token.content
    if (other := tokenizer.id_to_token(named.id)) not in (None, content):
        raise BundleError(f"{folder}: id {named.id} is {content!r} in {named.file} and {other!r} in the other files; {AGAIN}")
    if tokenizer.token_to_id(content) is None:
        (tokenizer.add_special_tokens if named.token.special else tokenizer.add_tokens)([named.token])
    if (found := tokenizer.token_to_id(content)) != named.id:
        raise BundleError(f"{folder}: the token {content!r} would get id {found} instead of {named.id} of {named.file}; {AGAIN}")


def tokenizer_notes(folder: Path, tokenizer: Tokenizer, chat: str | None) -> tuple[str, ...]:
    """Lines on what the files say and the bundle will not do. chat: the prompt of the bundle's task of that name."""
    unnamed = {content: (role, file) for role, content, file in _roles(folder) if tokenizer.token_to_id(content) is None}
    lines = [
        f"{file} names {content!r} ({role}), to which no file gives an id, so it is no token of the bundle"
        for content, (role, file) in unnamed.items()
    ]
    template = _template(folder)
    if template and chat is None:
        lines.append(
            "there is a chat template, but no task chat: the tokenizer lacks the marks of the family's turns, or has other tasks"
        )
    elif template and chat:
        variables = {content for role, content, _ in _roles(folder) if role in ("bos_token", "eos_token")}
        strange = [mark for mark in dict.fromkeys(MARK.findall(chat)) if mark not in template and mark not in variables]
        if strange:
            lines.append(f"the task chat writes {', '.join(strange)}, which the checkpoint's own chat template does not")
    return tuple(lines)


def _of_parts(folder: Path) -> Tokenizer:
    """Byte-level BPE of vocab.json and merges.txt."""
    vocabulary = _vocabulary(folder)
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
    return tokenizer


# ---- the small files


def _vocabulary(folder: Path) -> dict[str, int]:
    return {content: _id(folder / "vocab.json", content, place) for content, place in read_json(folder / "vocab.json").items()}


def _named(folder: Path) -> Iterator[_Named]:
    """Every token with an id in tokenizer_config.json and added_tokens.json."""
    special = {content for _, content, _ in _roles(folder)}
    for place, token in _object(folder / CONFIG, "added_tokens_decoder").items():
        if not isinstance(token, dict) or not isinstance(token.get("content"), str):
            raise BundleError(f"{folder / CONFIG}: added_tokens_decoder has no text for {place!r}; download it again")
        flags = {flag: bool(token.get(flag)) for flag in ("single_word", "lstrip", "rstrip", "normalized", "special")}
        yield _Named(CONFIG, _id(folder / CONFIG, token["content"], place), AddedToken(token["content"], **flags))
    for content, place in _optional(folder / ADDED).items():
        yield _Named(
            ADDED, _id(folder / ADDED, content, place), AddedToken(content, normalized=False, special=content in special)
        )


def _roles(folder: Path) -> Iterator[tuple[str, str, str]]:
    """(role, token, file) of every token with a role: eos_token, mask_token, additional_special_tokens and so on."""
    for file in (SPECIAL, CONFIG):
        for role, value in _optional(folder / file).items():
            if not role.endswith(("_token", "special_tokens")):
                continue
            for one in value.values() if isinstance(value, dict) and "content" not in value else _list(value):
                content = one.get("content") if isinstance(one, dict) else one
                if isinstance(content, str) and content:
                    yield role, content, file


def _template(folder: Path) -> str:
    """The text of all chat templates of a folder; empty without any."""
    found = [
        str(value)
        for value in (_optional(folder / name).get("chat_template") for name in (CONFIG, "chat_template.json"))
        if value
    ]
    if (folder / TEMPLATE).is_file():
        found.append((folder / TEMPLATE).read_text(encoding="utf-8", errors="replace"))
    return "".join(found)


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _object(path: Path, key: str) -> dict[str, Any]:
    value = _optional(path).get(key) or {}
    if not isinstance(value, dict):
        raise BundleError(f"{path}: {key} is not an object; download it again")
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _id(path: Path, content: str, place: Any) -> int:
    """An id as JSON has it: a number, or the text of one where it is a key."""
    if (isinstance(place, int) and not isinstance(place, bool) and place >= 0) or (isinstance(place, str) and place.isdecimal()):
        return int(place)
    raise BundleError(f"{path}: the id of {content!r} is {place!r}, which is no id; download it again")
