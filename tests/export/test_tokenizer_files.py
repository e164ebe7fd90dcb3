"""The files of a tokenizer: all are read, what only one of them says is taken, and what two say differently is named."""

import json
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from transformers import Qwen2Tokenizer

from unmask.benchmarks.scenarios.checkpoints import write_checkpoint
from unmask.bundle.tokenizer import read_tokenizer
from unmask.errors import BundleError
from unmask.export.checkpoint.tokenizer import checkpoint_tokenizer, tokenizer_notes
from unmask.export.onnx.backbone import read_model

Files = tuple[Path, dict[str, int], list[str], dict[str, dict[str, object]]]


@pytest.fixture
def two_files(tmp_path: Path) -> Files:
    """A tokenizer as Dream ships it: folder, vocabulary, merges and added tokens."""
    letters = Tokenizer.from_file(str(write_checkpoint(tmp_path / "any", "dream") / "tokenizer.json"))
    vocabulary = {token: i for token, i in letters.get_vocab(with_added_tokens=False).items()}
    merges = ["h e", "l l", "he ll", "hell o", "Ġ w", "Ċ Ċ", "1 2"]
    for merge in merges:
        vocabulary.setdefault(merge.replace(" ", ""), len(vocabulary))
    added = {
        str(len(vocabulary) + i): {"content": token, "special": i < 2}
        for i, token in enumerate(("<|im_start|>", "<|mask|>", "<|audio_0|>"))
    }
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges))
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}))
    return folder, vocabulary, merges, added


def test_a_tokenizer_of_two_files_splits_text_as_transformers_does(two_files: Files) -> None:
    """Against transformers' Qwen2 tokenizer over the same vocabulary, merges and added tokens; read back as a bundle's is."""
    folder, vocabulary, merges, added = two_files
    (folder / "tokenizer.json").write_text(checkpoint_tokenizer(folder).to_str())
    ours = read_tokenizer(folder / "tokenizer.json")
    theirs = Qwen2Tokenizer(vocab=vocabulary, merges=[tuple(m.split()) for m in merges], extra_special_tokens=None)
    for text in ("hello hello  world\n\n\nhello 12 12's été\u0301 DON'T 日本", " \n x", "e\u0301"):
        assert ours.encode(text).ids == theirs(text)["input_ids"], text
    assert ours.encode("a<|audio_0|><|mask|>").ids[1:] == [ours.token_to_id("<|audio_0|>"), ours.token_to_id("<|mask|>")]
    assert {str(ours.token_to_id(token["content"])) for token in added.values()} == set(added)


def test_files_of_different_tokenizers_are_told(two_files: Files) -> None:
    folder, vocabulary, _, _ = two_files
    (folder / "vocab.json").write_text(json.dumps({**vocabulary, "one more": len(vocabulary)}))
    with pytest.raises(
        BundleError, match=r"id 263 is '<\|im_start\|>' in tokenizer_config.json and 'one more' in the other files"
    ):
        checkpoint_tokenizer(folder)
    (folder / "merges.txt").write_text("#version: 0.2\nq q\n")
    with pytest.raises(BundleError, match=r"merges.txt: the merge \('q', 'q'\) is not two known tokens that form a third"):
        checkpoint_tokenizer(folder)


def test_tokens_that_only_added_tokens_json_names_are_taken(two_files: Files) -> None:
    folder, _, _, added = two_files
    by_content = {token["content"]: int(place) for place, token in added.items()}
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    (folder / "special_tokens_map.json").write_text(
        json.dumps({"additional_special_tokens": ["<|im_start|>"], "mask_token": "<|mask|>"})
    )
    (folder / "added_tokens.json").write_text(json.dumps(by_content))
    ours = checkpoint_tokenizer(folder)
    assert {content: ours.token_to_id(content) for content in by_content} == by_content
    special = {token.content for token in ours.get_added_tokens_decoder().values() if token.special}
    assert special == {"<|im_start|>", "<|mask|>"}


# ---- beside a tokenizer.json


@pytest.fixture
def whole(checkpoints: dict[str, Path], tmp_path: Path) -> Path:
    """A checkpoint of 260 tokens: bytes, <|endoftext|> 256, chat marks 257 and 258, <|MASK|> 259."""
    return shutil.copytree(checkpoints["block"], tmp_path / "block")


def without(folder: Path, *contents: str) -> None:
    """Take tokens out of tokenizer.json, as one that is older than its neighbors."""
    path = folder / "tokenizer.json"
    value = json.loads(path.read_text())
    value["added_tokens"] = [token for token in value["added_tokens"] if token["content"] not in contents]
    path.write_text(json.dumps(value))


def write(folder: Path, file: str, value: object) -> None:
    (folder / file).write_text(value if isinstance(value, str) else json.dumps(value))


def decoder(**ids: object) -> dict[str, object]:
    return {"added_tokens_decoder": {place.lstrip("_"): {"content": content, "special": True} for place, content in ids.items()}}


def test_a_mask_that_is_newer_than_tokenizer_json_is_found(whole: Path) -> None:
    without(whole, "<|MASK|>")
    config = json.loads((whole / "config.json").read_text())
    write(whole, "config.json", {**config, "mask_token_id": None})
    write(whole, "tokenizer_config.json", decoder(_259="<|MASK|>"))
    assert read_model(whole).traits.mask_id == 259


def test_the_chat_task_is_there_when_only_added_tokens_json_has_its_marks(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoints["dream"], tmp_path / "dream")
    without(folder, "<|im_start|>", "<|im_end|>", "<|mask|>")
    write(folder, "added_tokens.json", {"<|im_end|>": 258, "<|im_start|>": 257})
    assert set(read_model(folder).traits.tasks[0]) == {"generate", "chat"}


@pytest.mark.parametrize(
    ("file", "value", "message"),
    [
        (
            "tokenizer_config.json",
            decoder(_258="<|other|>"),
            r"id 258 is '<\|other\|>' in tokenizer_config.json and '<\|im_end\|>'",
        ),
        (
            "tokenizer_config.json",
            decoder(_260="<|im_end|>"),
            r"'<\|im_end\|>' would get id 258 instead of 260 of tokenizer_config",
        ),
        ("added_tokens.json", {"<|im_end|>": 257}, r"id 257 is '<\|im_end\|>' in added_tokens.json and '<\|im_start\|>'"),
        ("added_tokens.json", {"<|far|>": 300}, r"'<\|far\|>' would get id 260 instead of 300 of added_tokens.json"),
        ("added_tokens.json", {"<|new|>": "x"}, r"the id of '<\|new\|>' is 'x', which is no id"),
        ("added_tokens.json", {"<|new|>": None}, r"the id of '<\|new\|>' is None, which is no id"),
        ("added_tokens.json", [], "added_tokens.json: not a JSON object"),
        ("tokenizer_config.json", {"added_tokens_decoder": [1]}, "added_tokens_decoder is not an object"),
        ("tokenizer_config.json", {"added_tokens_decoder": {"260": "<|new|>"}}, "added_tokens_decoder has no text for '260'"),
        ("tokenizer_config.json", {"added_tokens_decoder": {"-3": {"content": "x"}}}, "is '-3', which is no id"),
        ("vocab.json", {"A": 999}, r"'A' has id 999 in vocab.json and \d+ in tokenizer.json"),
        ("vocab.json", {"A": [3]}, r"the id of 'A' is \[3\], which is no id"),
        ("added_tokens.json", {"<|new|>": 260}, r"the tokenizer's token '<\|new\|>' has id 260, but the embedding has 260 rows"),
    ],
)
def test_files_that_contradict_each_other_are_named(whole: Path, file: str, value: object, message: str) -> None:
    write(whole, file, value)
    with pytest.raises(BundleError, match=message):
        read_model(whole)


def test_files_that_agree_are_no_hindrance(whole: Path) -> None:
    tokens = {"<|endoftext|>": 256, "<|im_start|>": 257, "<|im_end|>": 258, "<|MASK|>": 259}
    write(whole, "added_tokens.json", tokens)
    write(whole, "tokenizer_config.json", decoder(**{f"_{place}": content for content, place in tokens.items()}))
    write(
        whole,
        "special_tokens_map.json",
        {"eos_token": {"content": "<|endoftext|>"}, "pad_token": "<|endoftext|>", "bos_token": None},
    )
    vocabulary = json.loads((whole / "tokenizer.json").read_text())["model"]["vocab"]
    write(whole, "vocab.json", vocabulary)
    write(whole, "chat_template.jinja", "{{ '<|im_start|>' + role }}{{ '<|im_end|>' }}")
    assert read_model(whole).notes == ()


@pytest.mark.parametrize(
    ("file", "value", "line"),
    [
        (
            "special_tokens_map.json",
            {"pad_token": "[PAD]"},
            "special_tokens_map.json names '[PAD]' (pad_token), to which no",
        ),
        ("tokenizer_config.json", {"extra_special_tokens": {"image_token": "<img>"}}, "tokenizer_config.json names '<img>'"),
        (
            "chat_template.jinja",
            "[INST] {{ text }} [/INST]",
            "the task chat writes <|im_start|>, <|im_end|>, which the",
        ),
        ("tokenizer_config.json", {"chat_template": "<|im_start|>{{ text }}"}, "the task chat writes <|im_end|>, which"),
    ],
)
def test_what_a_bundle_will_not_do_is_told(whole: Path, file: str, value: object, line: str) -> None:
    write(whole, file, value)
    notes = read_model(whole).notes
    assert len(notes) == 1
    assert notes[0].startswith(line)


def test_a_chat_template_without_a_task_is_told(whole: Path) -> None:
    write(whole, "chat_template.jinja", "{{ messages }}")
    (line,) = tokenizer_notes(whole, checkpoint_tokenizer(whole), None)
    assert line.startswith("there is a chat template, but no task chat")
