"""A trimmed tokenizer still writes any text, within its size, with tokens that the source has too."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers

from unmask.training.captions.vocabulary import BLANK, source_ids, spelling_tokenizer, trim_tokenizer

LINES = [
    "the quick brown fox jumps over the lazy dog",
    "the weather tomorrow is warmer than the weather yesterday",
    "turn the lights off in the kitchen and the living room",
    "what is the time in the kitchen tomorrow",
] * 5
SIZE = 300
MARKS = ("<|mask|>", "<|start|>")
BYTES = 256


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Byte-level BPE with an end of text, as Whisper's `tokenizer.json` has it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        (" " + line for line in LINES), trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, show_progress=False)
    )
    tokenizer.add_special_tokens([AddedToken("<|endoftext|>", special=True)])
    path = tmp_path_factory.mktemp("source") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.fixture(scope="module")
def trimmed(source: Path) -> Tokenizer:
    return trim_tokenizer(source, LINES[:2], SIZE)


def check_closed(tokenizer: Tokenizer) -> None:
    """Both halves of each merge and its whole are tokens, and each longer token but blank comes of a merge."""
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary = set(model["vocab"])
    for left, right in model["merges"]:
        assert {left, right, left + right} <= vocabulary
    made = {left + right for left, right in model["merges"]}
    assert {token for token in vocabulary if len(token) > 1} == made | {BLANK}


@given(st.text())
@example(BLANK)
@example(" the weather,\n\ttomorrow: 20\u202f°C — 😀")
def test_any_text_survives_and_never_holds_blank(trimmed: Tokenizer, text: str) -> None:
    ids = trimmed.encode(text).ids
    assert trimmed.decode(ids) == text
    assert 0 not in ids


def test_blank_is_id_0_and_every_byte_has_an_id(trimmed: Tokenizer) -> None:
    assert trimmed.token_to_id(BLANK) == 0
    assert all(trimmed.token_to_id(letter) for letter in pre_tokenizers.ByteLevel.alphabet())


@pytest.mark.parametrize("size", [BYTES + 1, BYTES + 9, SIZE, 350, 5000])
def test_size_is_kept_and_ids_are_dense(source: Path, size: int) -> None:
    tokenizer = trim_tokenizer(source, LINES, size)
    count = tokenizer.get_vocab_size()
    assert BYTES + 1 <= count <= size
    assert sorted(tokenizer.get_vocab().values()) == list(range(count))
    check_closed(tokenizer)


def test_room_goes_to_what_the_text_uses_most(source: Path) -> None:
    few = trim_tokenizer(source, [*LINES, *["kitchen kitchen"] * 100], BYTES + 18)
    assert len(few.encode(" kitchen").ids) == 1
    assert len(few.encode(" yesterday").ids) > 1
    assert len(trim_tokenizer(source, LINES, 5000).encode(" yesterday").ids) == 1


@pytest.mark.parametrize("extra", [1, 7, 8, 12, 15, 16, 25])
def test_a_token_with_many_halves_keeps_size_and_closure(tmp_path: Path, extra: int) -> None:
    """One word, merged letter by letter: its token needs all shorter ones."""
    word = "Ġabcdefghijklmnop"
    vocabulary = {letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges = [[word[:i], word[i]] for i in range(1, len(word))]
    vocabulary |= {left + right: len(vocabulary) + i for i, (left, right) in enumerate(merges)}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({"model": {"vocab": vocabulary, "merges": merges}}), encoding="utf-8")
    tokenizer = trim_tokenizer(path, ["abcdefghijklmnop"], BYTES + 1 + extra)
    assert tokenizer.get_vocab_size() <= BYTES + 1 + extra
    check_closed(tokenizer)
    assert tokenizer.decode(tokenizer.encode(" abcdefghijklmnop").ids) == " abcdefghijklmnop"


def test_merges_written_as_strings_are_read_alike(source: Path, trimmed: Tokenizer, tmp_path: Path) -> None:
    whole = json.loads(source.read_text(encoding="utf-8"))
    assert isinstance(whole["model"]["merges"][0], list)
    whole["model"]["merges"] = [" ".join(pair) for pair in whole["model"]["merges"]]
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(whole), encoding="utf-8")
    assert trim_tokenizer(path, LINES[:2], SIZE).to_str() == trimmed.to_str()


def test_source_ids_lead_to_equal_strings(source: Path, trimmed: Tokenizer) -> None:
    original = Tokenizer.from_file(str(source))
    ids = source_ids(trimmed, original)
    assert len(ids) == trimmed.get_vocab_size() > BYTES + 1
    assert original.id_to_token(ids[0]) == "<|endoftext|>"
    assert [original.id_to_token(i) for i in ids[1:]] == [trimmed.id_to_token(i) for i in range(1, len(ids))]


def test_the_whole_vocabulary_starts_with_the_trimmed_one(source: Path, trimmed: Tokenizer) -> None:
    whole, full = spelling_tokenizer(trimmed, source, MARKS), Tokenizer.from_file(str(source))
    count = trimmed.get_vocab_size()
    assert [whole.id_to_token(i) for i in range(count)] == [trimmed.id_to_token(i) for i in range(count)]
    assert set(whole.get_vocab()) == (set(full.get_vocab()) | {BLANK, *MARKS}) - {"<|endoftext|>"}
    assert [whole.id_to_token(count + i) for i in range(len(MARKS))] == list(MARKS)
    assert sorted(whole.get_vocab().values()) == list(range(whole.get_vocab_size()))
    assert None not in source_ids(whole, full, MARKS)
    assert len(source_ids(whole, full, MARKS)) == whole.get_vocab_size() - len(MARKS)


@pytest.mark.parametrize("rarer", [0, 1, 20, 10**6])
def test_rarer_tokens_are_the_first_of_ordinary_writing(source: Path, trimmed: Tokenizer, rarer: int) -> None:
    full = Tokenizer.from_file(str(source))
    whole = spelling_tokenizer(trimmed, source, MARKS, rarer)
    start = trimmed.get_vocab_size() + len(MARKS)
    others = [whole.id_to_token(i) for i in range(start, whole.get_vocab_size())]
    assert len(others) <= rarer
    assert [full.token_to_id(token) for token in others] == sorted(full.token_to_id(token) for token in others)
    assert all(token.removeprefix("Ġ").isalpha() for token in others)
    for line in LINES:
        assert whole.decode(whole.encode(" " + line).ids) == " " + line
    used = {token for line in LINES for token in whole.encode(" " + line).tokens}
    assert not rarer or used & set(others), "merges lead to the rarer tokens"


@given(st.lists(st.sampled_from(" ".join(LINES).split()), min_size=1).map(" ".join))
def test_the_whole_vocabulary_spells_as_the_source_does(source: Path, trimmed: Tokenizer, text: str) -> None:
    whole, full = spelling_tokenizer(trimmed, source, MARKS), Tokenizer.from_file(str(source))
    assert whole.encode(" " + text).tokens == full.encode(" " + text).tokens
    pieces = trimmed.encode(" " + text).ids
    assert whole.decode(pieces) == " " + text, "the canvas's tokens mean the same in both"
