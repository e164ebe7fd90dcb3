"""Moonshine's own tokenizer file becomes a Hugging Face tokenizer that a bundle can hold."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from tests.tiny import SPOKEN, write_pieces
from unmask.bundle.tokenizer import read_tokenizer, token_ranges
from unmask.errors import BundleError
from unmask.export.checkpoint.pieces import read_pieces

FIRST = 259  # after the marks and bytes


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    write_pieces(tmp_path / "tokenizer.bin")
    (tmp_path / "tokenizer.json").write_text(read_pieces(tmp_path / "tokenizer.bin").to_str(), encoding="utf-8")
    return read_tokenizer(tmp_path / "tokenizer.json")


def test_a_word_is_merged_in_the_order_of_the_ids(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("the theses", add_special_tokens=False).tokens == ["\u2581the", "\u2581the", "s", "es"]
    assert tokenizer.encode("a that", add_special_tokens=False).tokens == ["\u2581a", "\u2581th", "a", "t"]


@pytest.mark.parametrize(
    "text", ["the theses", "a", "", "na\u00efve \U0001f600 seats", "two  spaces at the end ", "\u65e5\u672c"]
)
def test_every_text_comes_back_from_its_ids(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids) == text


def test_marks_are_no_text_and_bytes_are_joined(tokenizer: Tokenizer) -> None:
    spare = FIRST + SPOKEN.index("<<ST_0>>")
    ids = [1, *tokenizer.encode("the", add_special_tokens=False).ids, spare, 3 + 0xC3, 3 + 0xA9, 2]
    assert tokenizer.decode(ids) == "the\u00e9"


def test_an_unused_id_is_no_token(tmp_path: Path) -> None:
    write_pieces(tmp_path / "tokenizer.bin", ["a", "", "b"])
    assert token_ranges(read_pieces(tmp_path / "tokenizer.bin")) == ((0, FIRST + 1), (FIRST + 2, FIRST + 3))


def test_a_long_piece_has_a_length_of_two_bytes(tmp_path: Path) -> None:
    write_pieces(tmp_path / "tokenizer.bin", ["x" * 300, "y"])
    tokenizer = read_pieces(tmp_path / "tokenizer.bin")
    assert (tokenizer.id_to_token(FIRST), tokenizer.id_to_token(FIRST + 1)) == ("x" * 300, "y")


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.bin"
    write_pieces(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    with pytest.raises(BundleError, match=r"tokenizer\.bin: cut short; download it again"):
        read_pieces(path)
    path.write_bytes(b"\x05<pad>" + whole)
    with pytest.raises(BundleError, match="not a tokenizer of Moonshine, whose first pieces are <unk>"):
        read_pieces(path)
    path.write_bytes(whole + b"\x01\xff")
    with pytest.raises(BundleError, match="a piece is not UTF-8"):
        read_pieces(path)


@pytest.mark.parametrize("lost", ["<unk>", "<0x41>"])
def test_a_tokenizer_that_lacks_what_it_writes_unknown_characters_with_is_refused(tmp_path: Path, lost: str) -> None:
    write_pieces(tmp_path / "tokenizer.bin")
    raw = json.loads(read_pieces(tmp_path / "tokenizer.bin").to_str())
    del raw["model"]["vocab"][lost]
    (tmp_path / "tokenizer.json").write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(BundleError, match=f"lacks '{lost}', in which it writes characters that it does not know"):
        read_tokenizer(tmp_path / "tokenizer.json")
