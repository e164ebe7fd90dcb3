"""What families share: the record of what an adapter reads from a checkpoint, and checks of config.json."""

from dataclasses import dataclass, field
from typing import Any

from unmask.bundle.task_template import AnswerSpan, Template
from unmask.decoding.schedule import Reference, Schedule
from unmask.errors import InputError

Tasks = tuple[dict[str, Template], dict[str, Schedule]]

# The trimmed default for text. Its loss against the published decodings is not measured, for want of these families' weights.
TEXT = Schedule(threshold=0.9, reuse=True, block=32)


@dataclass(frozen=True)
class Traits:
    """What a family's checkpoint says besides its sizes."""

    mask_id: int
    end_id: int  # of a text
    logits_shift: int
    attention: str
    block: int | None
    positions: int | None  # the most that the model was made for
    tasks: Tasks
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)  # modality -> ids [start, stop); empty: all ids are text


def text_task(prompt: str, length: int, end_id: int, reference: Reference | None) -> Template:
    """A task that answers a text with a text of at most `length` tokens. reference: its published decoding."""
    return Template(prompt, {"text": "text"}, (AnswerSpan("text", length, end_id),), reference)


def need(config: dict[str, Any], key: str, *others: str) -> Any:
    """The value of a key of config.json, or of the first of others that has one. Raises InputError when none has."""
    for name in (key, *others):
        if config.get(name) is not None:
            return config[name]
    raise InputError(f"config.json lacks {key!r}, which its model_type {config.get('model_type')!r} needs")


def only(config: dict[str, Any], **known: tuple[Any, ...]) -> None:
    """Raises InputError when config.json sets a key to something that the graphs do not compute. A missing key is fine."""
    for key, values in known.items():
        if (value := config.get(key)) is not None and value not in values:
            raise InputError(
                f"config.json has {key} {value!r}, which the exported graphs do not compute; only {values[0]!r} is known here"
            )


def given(config: dict[str, Any], key: str, otherwise: int) -> int:
    """An id of config.json, or the family's own id when the key is missing or null."""
    value = config.get(key)
    return otherwise if value is None else int(value)


def one(ids: Any) -> int:
    """An id that some configurations give as a list of ids: the first."""
    return int(ids[0] if isinstance(ids, list) else ids)
