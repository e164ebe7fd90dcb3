"""Omni-tiny, which this project trains: words, pictures of stickers and speech, on Qwen's layers. Knows its tasks and its marks.

The prompt never sees the answer. Ranges of ids, and the places that are added to spans, are in config.json.
"""

from dataclasses import replace
from typing import Any

from tokenizers import Tokenizer

from unmask.bundle.task_template import AnswerSpan, Template
from unmask.decoding.schedule import Schedule
from unmask.errors import InputError
from unmask.export.families import qwen
from unmask.export.families.adapter import Traits, mask_id, need, one
from unmask.export.families.qwen import EMBEDDING, HEAD, VOCABULARY_KEY, names
from unmask.export.modules.backbone import BackboneConfig

MODEL_TYPES = ("omni_tiny",)
SKIPPED: tuple[str, ...] = ()
MASK_TOKEN = "<mask>"
SPEECH_LENGTH = 400  # codes, more than most texts have
MOST_PASSES = 8
BY_PROBABILITY: dict[str, Any] = {"rule": "threshold", "threshold": 0.9}
"""As much is right as after as many passes as positions (docs/omni-tiny.md)."""
BY_ENTROPY: dict[str, Any] = {"rule": "entropy_bound", "entropy_bound": 3.0}
"""Where a text leaves out what is where, twice as much is right as by a probability, and where it leaves out nothing, one pass or
two are enough as well."""
COMMITS = {"t2i": BY_ENTROPY, "sketch": BY_ENTROPY, "i2t": BY_PROBABILITY, "vqa": BY_PROBABILITY}
"""Task -> how a pass commits. One pass says a text best."""
ANSWER_LENGTH = 4  # tokens of an answer to a question, which follows a caption: the last of the places of text
DRAW, TELL, ANSWER, SAY, SKETCH = "<draw>", "<tell>", "<answer>", "<say>", "<sketch>"  # what is wanted; a prompt begins with it
END = "<end>"
RANGES, SPOKEN = ("modalities", "places"), "spoken"
KEYS = (*RANGES, SPOKEN)
TINY = {
    "model_type": MODEL_TYPES[0],
    **qwen.TINY,
    "num_key_value_heads": 4,
    "eos_token_id": 0,
    "modalities": {"text": [0, 300], "image": [300, 316]},
    "places": {"text": [316, 328], "image": [328, 344]},
}
SHAPES: dict[str, dict[str, Any]] = {}


def config(raw: dict[str, Any]) -> BackboneConfig:
    return qwen.sizes(raw, qkv_bias=False, qk_norm=True)


def traits(raw: dict[str, Any], tokenizer: Tokenizer, block: int | None) -> Traits:
    end = one(need(raw, "eos_token_id"))
    ranges, places = (_ranges(raw, key) for key in RANGES)
    longest = need(raw, "max_position_embeddings")
    sizes = {name: stop - start for name, (start, stop) in places.items()}
    spoken = tuple(raw.get(SPOKEN) or ())
    if not all(isinstance(count, int) and count >= 0 for count in spoken) or bool(spoken) != ("speech" in places):
        raise InputError(f"config.json has no {SPOKEN} that fits its places of speech; write the checkpoint again")
    mask, tasks = mask_id(raw, tokenizer, MASK_TOKEN), _tasks(sizes, end)
    return Traits(mask, end, 0, "prefix", None, longest, tasks, ranges, places=places, whole_words=True, spoken=spoken)


def _tasks(sizes: dict[str, int], end: int) -> tuple[dict[str, Template], dict[str, Schedule]]:
    picture, caption = (AnswerSpan("image", sizes["image"]),), AnswerSpan("text", sizes["text"] - ANSWER_LENGTH, end)
    seen, reply = replace(caption, thought=True), AnswerSpan("text", ANSWER_LENGTH, end)
    templates = {
        "t2i": Template(DRAW + "{text}", {"text": "text"}, picture, unconditional=DRAW),
        "sketch": Template(SKETCH + "{text}{image}", {"text": "text", "image": "image"}, picture, defaults={"text": ""}),
        "i2t": Template(TELL + "{image}", {"image": "image"}, (caption,)),
        "vqa": Template(ANSWER + "{text}{image}", {"text": "text", "image": "image"}, (seen, reply)),
    }
    if "speech" in sizes:  # an answer of as many codes as say the text
        templates["t2s"] = Template(SAY + "{text}" + END, {"text": "text"}, (AnswerSpan("speech", SPEECH_LENGTH),))
    # A window of the whole answer: the prompt's keys and values are exact, so nothing is approximated.
    whole = {name: Schedule(passes=1, rule="quota", reuse=True, window="block", block=t.length) for name, t in templates.items()}
    sure = {name: replace(whole[name], passes=MOST_PASSES, **how) for name, how in COMMITS.items()}
    return templates, whole | sure | {"vqa": replace(sure["vqa"], block=caption.length)}  # an answer after what it is read from


def _ranges(raw: dict[str, Any], key: str) -> dict[str, tuple[int, int]]:
    """Modality -> ids [start, stop). Raises InputError for another value."""
    value = need(raw, key)
    known = ({"text", "image"}, {"text", "image", "speech"})
    if not isinstance(value, dict) or value.keys() not in known or not all(map(_is_range, value.values())):
        raise InputError(
            f"config.json has {key} {value!r}, which are not ranges of text, image and perhaps speech; write the checkpoint again"
        )
    return {name: (start, stop) for name, (start, stop) in value.items()}


def _is_range(span: Any) -> bool:
    if not isinstance(span, list) or len(span) != 2 or not all(isinstance(i, int) for i in span):
        return False
    return bool(0 <= span[0] < span[1])


__all__ = ["EMBEDDING", "HEAD", "MODEL_TYPES", "SHAPES", "SKIPPED", "TINY", "VOCABULARY_KEY", "config", "names", "traits"]
