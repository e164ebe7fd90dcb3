"""The model families that can be exported: the one table that lists them.

A family is a file in this folder. It holds: MODEL_TYPES, the values of config.json's model_type that it serves; EMBEDDING and HEAD,
its tensors' names in a checkpoint; SKIPPED, prefixes of tensors that are not needed; config, names and traits (functions that
read config.json, translate tensor names, and say ids, attention and tasks); and for random weights TINY, the config.json of a
tiny model, VOCABULARY_KEY, its key for the size of the vocabulary, and SHAPES, the config.json keys of shapes by name.
"""

from types import ModuleType
from typing import Any

from unmask.errors import InputError
from unmask.export.families import block, dream, llada

FAMILIES: dict[str, ModuleType] = {"dream": dream, "llada": llada, "block": block}
DEFAULT = "dream"
"""The family of random weights when only sizes are given."""


def family_of(config: dict[str, Any]) -> str:
    """Name of the family that serves a config.json. Raises InputError that lists the known model types."""
    kind = str(config.get("model_type", "")).lower()
    for name, adapter in FAMILIES.items():
        if kind in adapter.MODEL_TYPES:
            return name
    known = ", ".join(kind for adapter in FAMILIES.values() for kind in adapter.MODEL_TYPES)
    raise InputError(f"the model_type {config.get('model_type')!r} is not one that can be exported; known: {known}")
