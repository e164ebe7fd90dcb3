"""The model families that can be exported: one adapter each, chosen by config.json's model_type."""

from types import ModuleType
from typing import Any

from unmask.errors import InputError
from unmask.export.families import block, dream, llada

FAMILIES: dict[str, ModuleType] = {"dream": dream, "llada": llada, "block": block}


def family_of(config: dict[str, Any]) -> str:
    """Name of the family that serves a config.json. Raises InputError that lists the known ones."""
    kind = str(config.get("model_type", "")).lower()
    for name, adapter in FAMILIES.items():
        if kind in adapter.MODEL_TYPES:
            return name
    known = ", ".join(kind for adapter in FAMILIES.values() for kind in adapter.MODEL_TYPES)
    raise InputError(f"the model_type {config.get('model_type')!r} is not one that can be exported; known: {known}")
