"""MMaDA on LLaDA's backbone: pictures after the text's ids, and its task of drawing them.

Prompt, ids and settings are those of its released code (Gen-Verse/MMaDA, training/prompting_utils.py and its README). Knows its
tokenizer. Knows no checkpoint and no graph.
"""

from tokenizers import Tokenizer

from unmask.bundle.task_template import AnswerSpan, Template
from unmask.decoding.schedule import Schedule
from unmask.export.families.adapter import Tasks

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
SOI, EOI, T2I = 126084, 126085, 126088  # reserved tokens that stand for marks
CODES, PICTURE = 8192, 1024  # image codes, and those of a picture
DRAWN = Schedule(passes=15, rule="quota", curve="cosine", temperature=1.0, guidance=3.5)
"""The published steps, guidance and drawing of ids. The published noise on the order of commits is left out."""


def recognized(tokenizer: Tokenizer, vocabulary: int) -> bool:
    """Whether an embedding of `vocabulary` rows has room for image codes after the tokens, and the tokenizer has the marks."""
    marks = all(tokenizer.id_to_token(i) is not None for i in (SOI, EOI, T2I)) and tokenizer.token_to_id(BEGIN) is not None
    return marks and tokenizer.get_vocab_size() + CODES <= vocabulary


def ranges(tokenizer: Tokenizer) -> dict[str, tuple[int, int]]:
    """Modality -> ids [start, stop): codes follow the last token."""
    start = tokenizer.get_vocab_size()
    return {"text": (0, start), "image": (start, start + CODES)}


def tasks(tokenizer: Tokenizer) -> Tasks:
    task, start = (tokenizer.id_to_token(i) for i in (T2I, SOI))
    t2i = Template(
        f"{task}{BEGIN}{{text}}{END}{start}",
        {"text": "text"},
        (AnswerSpan("image", PICTURE), AnswerSpan(ids=(EOI,))),
        unconditional=f"{task}{BEGIN}{END}{start}",
    )
    return {"t2i": t2i}, {"t2i": DRAWN}
