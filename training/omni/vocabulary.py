"""The one vocabulary: words, marks, codes of pictures and speech, and the places of an answer. Ids, and the words' tokenizer."""

import json
import string

from tokenizers import Tokenizer

from unmask.export.codecs.hibari import SPEECH_CODES
from unmask.export.families.omni_tiny import ANSWER, ANSWER_LENGTH, DRAW, MASK_TOKEN, SAY, SKETCH, TELL
from unmask.export.modules.sticker_codec import CODES
from unmask.training.stickers.things import CODE, SIDE
from unmask.training.stickers.words import every_word

MASK, END, UNKNOWN = MASK_TOKEN, "<end>", "<unknown>"
MARKS = (MASK, END, UNKNOWN, DRAW, TELL, ANSWER, SAY, SKETCH, *(f"<spare{i}>" for i in range(2, 10)))
SPACE = "▁"
TOKENS = (
    *MARKS,
    *(SPACE, *string.ascii_lowercase, *string.digits, *string.punctuation),
    *sorted({f"{SPACE}{word}" for word in (*every_word(), *string.digits)}),
)
MASK_ID, END_ID = MARKS.index(MASK), MARKS.index(END)
WORDS = 1024  # ids of text, some of them not used yet
IMAGE = WORDS  # the first code
SPEECH = IMAGE + CODES
SIZE = SPEECH + SPEECH_CODES  # ids
SIDE_CODES = SIDE // CODE
PICTURE = SIDE_CODES**2  # codes of a picture
LONGEST = 40  # tokens of a caption
SAID = LONGEST + ANSWER_LENGTH  # places of words: an answer follows the caption that is written before it


def make_tokenizer() -> Tokenizer:
    """A word is one token, and a word that is not of this world is spelled by its letters. Text is in lower case."""
    space = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True}
    marks = [{"id": i, "content": mark, "special": True} for i, mark in enumerate(MARKS)]
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    model = {
        "type": "BPE",
        "vocab": {token: i for i, token in enumerate(TOKENS)},
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
