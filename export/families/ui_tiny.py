"""Ui-tiny, which this project trains: requests in words become slots of panels, on Qwen's layers. Knows its ranges of ids.

The prompt never sees the slots. Each position of the canvas has a row of the embedding added, and so have the words of a request
and the rows of the present panel, which `unmask.apps.ui` lays out.
"""

from typing import Any

from tokenizers import Tokenizer

from unmask.bundle.task_template import AnswerSpan, Template
from unmask.decoding.schedule import Schedule
from unmask.errors import InputError
from unmask.export.families import qwen
from unmask.export.families.adapter import Traits, mask_id, need, one
from unmask.export.families.qwen import EMBEDDING, HEAD, VOCABULARY_KEY, names
from unmask.export.modules.backbone import BackboneConfig

MODEL_TYPES = ("ui_tiny",)
SKIPPED: tuple[str, ...] = ()
MASK_TOKEN = "<mask>"
KEYS = ("modalities", "places")
TINY = {
    "model_type": MODEL_TYPES[0],
    **qwen.TINY,
    "num_key_value_heads": 4,
    "eos_token_id": 1,
    "modalities": {"ui": [0, 100], "text": [100, 300]},
    "places": {"ui": [300, 340]},
}
SHAPES: dict[str, dict[str, Any]] = {}
PASSES = 16
UNSURE = 0.3
"""Nats of the slots that a pass commits, but for the least sure: as much is right as by other rules, in fewer rows
(docs/voice-ui.md)."""


def config(raw: dict[str, Any]) -> BackboneConfig:
    return qwen.sizes(raw, qkv_bias=False, qk_norm=True)


def traits(raw: dict[str, Any], tokenizer: Tokenizer, block: int | None) -> Traits:
    ranges, places = _ranges(raw, "modalities", {"ui", "text"}), _ranges(raw, "places", {"ui"})
    end, size = one(need(raw, "eos_token_id")), places["ui"][1] - places["ui"][0]
    template = Template("{text}", {"text": "text"}, (AnswerSpan("ui", size),))
    # A window of the whole canvas: the prompt's keys and values are exact, so nothing is approximated.
    schedule = Schedule(passes=PASSES, rule="entropy_bound", entropy_bound=UNSURE, reuse=True, window="block", block=size)
    longest = need(raw, "max_position_embeddings")
    tasks = {"ui": template}, {"ui": schedule}
    return Traits(mask_id(raw, tokenizer, MASK_TOKEN), end, 0, "prefix", None, longest, tasks, ranges, places=places)


def _ranges(raw: dict[str, Any], key: str, modalities: set[str]) -> dict[str, tuple[int, int]]:
    """Modality -> ids [start, stop). Raises InputError for another value."""
    value = need(raw, key)
    if not isinstance(value, dict) or value.keys() != modalities or not all(_is_range(span) for span in value.values()):
        raise InputError(f"config.json has {key} {value!r}, which are not ranges of {' and '.join(sorted(modalities))}")
    return {name: (start, stop) for name, (start, stop) in value.items()}


def _is_range(span: Any) -> bool:
    return isinstance(span, list) and len(span) == 2 and all(isinstance(i, int) for i in span) and 0 <= span[0] < span[1]


__all__ = ["EMBEDDING", "HEAD", "MODEL_TYPES", "SHAPES", "SKIPPED", "TINY", "VOCABULARY_KEY", "config", "names", "traits"]
