"""Omni-Diffusion on Dream's backbone: the ids of its modalities and its seven tasks.

Prompts, lengths, steps and penalties are those of its released code (VITA-MLLM/Omni-Diffusion, inference.py). Knows its
tokenizer. Knows no checkpoint and no graph.
"""

from tokenizers import Tokenizer

from unmask.bundle.task_template import AnswerSpan, Template
from unmask.decoding.schedule import Reference, Schedule
from unmask.export.families import qwen
from unmask.export.families.adapter import TEXT, Tasks

MARKS = ("<|begin_of_audio|>", "<|end_of_audio|>", "<|begin_of_image|>", "<|end_of_image|>", "<|im_end|>")
CODES = ("<|audio_0|>", "<|image_0|>")  # the first of each modality's codes
SPEECH = "<|begin_of_audio|>{speech}<|end_of_audio|>"
T2I = "Generate an image based on the provided text description."
PICTURE = "<|begin_of_image|>{image}<|end_of_image|>"
IMAGE = Schedule(passes=12, rule="quota", order="negative_entropy", curve="cosine")  # its loss is not measured, as with TEXT


def recognized(tokenizer: Tokenizer) -> bool:
    """Whether a tokenizer has all the special tokens that the tasks need."""
    return all(tokenizer.token_to_id(token) is not None for token in (*MARKS, *CODES))


def ranges(tokenizer: Tokenizer, mask_id: int, vocabulary: int) -> dict[str, tuple[int, int]]:
    """Modality -> ids [start, stop) when codes of speech and images follow the text in a vocabulary; else nothing."""
    speech, image = map(tokenizer.token_to_id, CODES)
    if speech is None or image is None:
        return {}
    return {"text": (0, mask_id + 1), "speech": (speech, image), "image": (image, vocabulary)}


def tasks(tokenizer: Tokenizer) -> Tasks:
    boa, eoa, boi, eoi, end = map(tokenizer.token_to_id, MARKS)
    newline = tokenizer.encode("\n", add_special_tokens=False).ids[0]
    picture = (AnswerSpan(ids=(boi,)), AnswerSpan("image", 256), AnswerSpan(ids=(eoi, end, newline)))
    voiced = (AnswerSpan("text", 25), AnswerSpan(ids=(boa,), published=True), AnswerSpan("speech", 102, eoa))
    s2i = "Please generate an image based on the input audio."
    templates = {
        "asr": Template(_user("Convert the speech to text.\n" + SPEECH), {"speech": "speech"}, _text(50, end), _published(25)),
        "tts": Template(
            _user("Convert the text to speech.\n{text}"),
            {"text": "text"},
            (AnswerSpan(ids=(boa,)), AnswerSpan("speech", 49, eoa)),
            _published(25),
        ),
        "t2i": Template(
            _user(T2I + "\n{text}"),
            {"text": "text"},
            picture,
            _published(260, repetition_penalty=1.2, position_penalty=2.0),
            unconditional=_user(T2I + "\n"),  # trimmed mode's own: the published code guides this task only in a way that fails
        ),
        "s2i": Template(
            _user("\n" + SPEECH, s2i),
            {"speech": "speech"},
            picture,
            _published(260, repetition_penalty=1.5, position_penalty=2.0, guidance=2.0),
            unconditional=_user("", s2i),
        ),
        "vqa": Template(_user("{text}\n" + PICTURE), {"text": "text", "image": "image"}, _text(64, end), _published(64)),
        "svqa": Template(
            _user(SPEECH + "\n" + PICTURE, "Please response the input audio based on the given image."),
            {"speech": "speech", "image": "image"},
            voiced,
            _published(128, repetition_penalty=1.2),
        ),
        "sqa": Template(  # the released code has it without a demonstration: settings of svqa
            _user("{text}\n" + SPEECH, "Please response the input audio."),
            {"text": "text", "speech": "speech"},
            voiced,
            _published(128, repetition_penalty=1.2),
        ),
    }
    return templates, dict.fromkeys(templates, TEXT) | {"t2i": IMAGE, "s2i": IMAGE}


def _user(text: str, system: str = "") -> str:
    return (qwen.SYSTEM.format(system) if system else "") + qwen.TURN.format(text)


def _text(length: int, end_id: int) -> tuple[AnswerSpan, ...]:
    return (AnswerSpan("text", length, end_id),)


def _published(steps: int, **penalties: float) -> Reference:
    """The released decoding: greedy, nucleus 0.9, 50 best; with a repetition penalty the order is entropy-penalty."""
    algorithm = "entropy-penalty" if "repetition_penalty" in penalties else "entropy"
    return Reference("dream", steps=steps, algorithm=algorithm, top_p=0.9, at_least_one=True, **penalties)
