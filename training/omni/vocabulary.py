"""The one vocabulary: words, marks, codes of pictures, and the places of an answer. Ids, and the tokenizer of the words."""

import json
import string

from tokenizers import Tokenizer

from unmask.export.modules.sticker_codec import CODES
from unmask.training.omni.things import CODE, SIDE
from unmask.training.omni.words import every_word

MASK, END, UNKNOWN = "<mask>", "<end>", "<unknown>"
DRAW, TELL, ANSWER = "<draw>", "<tell>", "<answer>"  # what is wanted; a prompt begins with it
MARKS = (MASK, END, UNKNOWN, DRAW, TELL, ANSWER, *(f"<spare{i}>" for i in range(10)))
WORDS = 1024  # ids of text, some of them not used yet
IMAGE = WORDS  # the first code
SIZE = IMAGE + CODES  # ids
SIDE_CODES = SIDE // CODE
PICTURE = SIDE_CODES**2  # codes of a picture
LONGEST = 40  # tokens of an answer in words
SPACE = "▁"


def make_tokenizer() -> Tokenizer:
    """A word is one token, and a word that is not of this world is spelled by its letters. Text is in lower case."""
    letters = [SPACE, *string.ascii_lowercase, *string.digits, *string.punctuation]
    words = sorted({f"{SPACE}{word}" for word in every_word()} | {f"{SPACE}{digit}" for digit in string.digits})
    tokens = [*MARKS, *letters, *words]
    if len(tokens) > WORDS:
        raise ValueError(f"{len(tokens)} tokens are more than the {WORDS} ids of words")
    space = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True}
    marks = [{"id": i, "content": mark, "special": True} for i, mark in enumerate(MARKS)]
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    model = {
        "type": "BPE",
        "vocab": {token: i for i, token in enumerate(tokens)},
        "merges": [],
        "unk_token": UNKNOWN,
        "fuse_unk": True,
        "ignore_merges": True,
    }
    text = {
        "version": "1.0",
        "added_tokens": [{**mark, **plain} for mark in marks],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [space, {"type": "Punctuation", "behavior": "Isolated"}],
        },
        "decoder": {**space},
        "model": model,
    }
    tokenizer: Tokenizer = Tokenizer.from_str(json.dumps(text))
    return tokenizer
