"""What families share: the record of what an adapter reads from a checkpoint, and checks of config.json."""

from dataclasses import dataclass, field
from typing import Any

from tokenizers import Tokenizer

from unmask.bundle.manifest import Streams
from unmask.bundle.task_template import AnswerSpan, Template
from unmask.decoding.schedule import Reference, Schedule
from unmask.errors import InputError

Tasks = tuple[dict[str, Template], dict[str, Schedule]]

# The trimmed default for text. Its loss against the published decodings is not measured, for want of these families' weights.
TEXT = Schedule(threshold=0.9, reuse=True, block=32)
# The same for a model that attends in blocks: the model's own are the schedule's.
BLOCKS = Schedule(threshold=0.9, reuse=True, window="block")


# A turn of Llama 3, after the token that begins a text.
HEADERS = "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
HEADERS_END = "<|eot_id|>"


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
    places: dict[str, tuple[int, int]] = field(default_factory=dict)  # modality -> rows of the embedding that stand for places
    whole_words: bool = False  # a word that is not one token is none that the model knows
    spoken: tuple[int, ...] = ()  # codes of speech that say each id of text
    blocks_after_prompt: bool = False  # a block begins where the prompt ends; otherwise one begins at position 0
    streams: Streams | None = None  # several streams of codes, whose embeddings are added
    languages: dict[str, str] = field(default_factory=dict)  # that it says: id -> English name
    notes: tuple[str, ...] = ()  # what nothing in the folder says, and how to ask for the other

    def __str__(self) -> str:
        """Attention and logits in words."""
        origin = "the end of the prompt" if self.blocks_after_prompt else "the first position"
        attention = f"blocks of {self.block} from {origin}" if self.block else f"{self.attention} attention"
        return f"{attention}, logits of {'the row before' if self.logits_shift else 'the row'}, mask {self.mask_id}"


def tasks(end_id: int, turn: str, turn_end_id: int | None, reference: Reference | None, schedule: Schedule) -> Tasks:
    """Plain completion, and a chat turn if the tokenizer can end one. turn: its prompt, with {} in place of what is said."""
    templates = {"generate": text_task("{text}", 128, end_id, reference)}
    if turn_end_id is not None:
        templates["chat"] = text_task(turn.format("{text}"), 128, turn_end_id, reference)
    return templates, dict.fromkeys(templates, schedule)


def text_task(prompt: str, length: int, end_id: int, reference: Reference | None) -> Template:
    """A task that answers a text with a text of at most `length` tokens. reference: its published decoding."""
    return Template(prompt, {"text": "text"}, (AnswerSpan("text", length, end_id),), reference)


def need(config: dict[str, Any], key: str, *others: str) -> Any:
    """The value of a key of config.json, or of the first of others that has one. Raises InputError when none has."""
    for name in (key, *others):
        if config.get(name) is not None:
            return config[name]
    raise InputError(f"config.json lacks {key!r}, which its model_type {config.get('model_type')!r} needs; download it again")


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


def mask_id(config: dict[str, Any], tokenizer: Tokenizer, token: str) -> int:
    """The mask of config.json, or the tokenizer's `token`. Raises InputError when there is neither."""
    found = config.get("mask_token_id")
    if found is None and (found := tokenizer.token_to_id(token)) is None:
        raise InputError(
            f"neither config.json (mask_token_id) nor the tokenizer ({token}) has a mask token, so the model is not a masked "
            "diffusion model"
        )
    return int(found)


def one(ids: Any) -> int:
    """An id that some configurations give as a list of ids: the first."""
    return int(ids[0] if isinstance(ids, list) else ids)
