"""The model families that can be exported: the one table that lists them.

A family is a file in this folder with these names:
    MODEL_TYPES     values of config.json's model_type that it serves
    MASK_TOKEN      the mask in the family's own tokenizers
    EMBEDDING, HEAD names of these tensors in a checkpoint
    SKIPPED         prefixes of tensors that are not needed
    config, names   read the sizes from config.json; translate our parameters' names into the checkpoint's
    KEYS            optional: keys of config.json that it reads itself although they would change another family's graphs, and
                    keys that only it knows (`unmask.export.checkpoint.config` has all others)
    STREAMS         optional: name of the table of several streams of codes; HEAD then predicts these (`BackboneConfig.streams`)
    CODECS          optional: name of a codec -> folder inside the checkpoint that holds it, if it is there
    LICENSE         optional: that of the published weights, when config.json says none
    traits          reads ids, attention and tasks from config.json and the tokenizer
For random weights:
    TINY            config.json of a tiny model
    VOCABULARY_KEY  key of config.json for the size of the vocabulary
    SHAPES          name of a shape -> keys of config.json
"""

from types import ModuleType
from typing import Any

from unmask.errors import InputError
from unmask.export.families import a2d, block, dream, fast_dllm, llada, omni_tiny, omnivoice, ui_tiny
from unmask.export.unsupported import why_not

FAMILIES: dict[str, ModuleType] = {
    "dream": dream,
    "llada": llada,
    "block": block,
    "a2d": a2d,
    "fast_dllm": fast_dllm,
    "omni_tiny": omni_tiny,
    "omnivoice": omnivoice,
    "ui_tiny": ui_tiny,
}
DEFAULT = "dream"
"""The family of random weights when only sizes are given."""


def family_of(config: dict[str, Any]) -> str:
    """Name of the family that serves a config.json. Raises InputError that says why none does, or lists the known model types."""
    if (reason := why_not(config)) is not None:
        raise InputError(f"the model_type {config.get('model_type')!r} cannot be exported here: {reason}")
    kind = str(config.get("model_type", "")).lower()
    for name, adapter in FAMILIES.items():
        if kind in adapter.MODEL_TYPES:
            return name
    known = ", ".join(kind for adapter in FAMILIES.values() for kind in adapter.MODEL_TYPES)
    raise InputError(f"the model_type {config.get('model_type')!r} is not one that can be exported; known: {known}")
