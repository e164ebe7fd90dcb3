"""What an adapter says of its family beside the sizes: ids, attention and tasks."""

from dataclasses import dataclass
from typing import Any

from unmask.errors import InputError
from unmask.export.tasks import Tasks


@dataclass(frozen=True)
class Traits:
    mask_id: int
    end_id: int  # of a text
    logits_shift: int
    attention: str
    block: int | None
    positions: int | None  # most that the model was made for
    tasks: Tasks


def need(config: dict[str, Any], key: str, *others: str) -> Any:
    """A key of config.json, or the first of others that is there. Raises InputError."""
    for name in (key, *others):
        if config.get(name) is not None:
            return config[name]
    raise InputError(f"config.json lacks {key!r}, which its model_type {config.get('model_type')!r} needs")


def only(config: dict[str, Any], **known: tuple[Any, ...]) -> None:
    """Raises InputError when config.json sets a key to something that the graphs do not compute; leaving it out is fine."""
    for key, values in known.items():
        if (value := config.get(key)) is not None and value not in values:
            raise InputError(
                f"config.json has {key} {value!r}, which the exported graphs do not compute; only {values[0]!r} is known here"
            )


def given(config: dict[str, Any], key: str, otherwise: int) -> int:
    """An id of config.json, or the family's own where it is left out or null."""
    value = config.get(key)
    return otherwise if value is None else int(value)


def one(ids: Any) -> int:
    """An id that some configurations give as a list of ids."""
    return int(ids[0] if isinstance(ids, list) else ids)
