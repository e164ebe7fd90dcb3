"""Random canvases, and the official schemas of A2UI where they are at hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unmask.apps.ui.slots import FIELDS, TOKENS, Filled, allowed
from unmask.apps.ui.words import words_of

SCHEMAS = Path(__file__).resolve().parents[4] / "shared" / "data" / "a2ui"
TEXT = "show a panel called lab with sliders from ten to twenty-five, a fan switch at half past seven, and an OK button please 40"


def random_canvas(rng: np.random.Generator, words: int, panel: int, kind: str | None = None) -> Filled:
    """A canvas in which each slot has any of the ids that may stand there."""
    own = {
        slot: np.concatenate([np.arange(*span) for span in spans])
        for slot, spans in allowed(words_of(TEXT)[:words], panel).items()
    }
    empty = rng.random()
    rows = [
        TOKENS[own[slot][0] if rng.random() < empty / 2 else rng.choice(own[slot])]
        for _ in range(int(rng.integers(1, 17)))
        for slot in FIELDS
    ]
    ids = [rng.choice(own["kind"])]
    from unmask.apps.ui.slots import IDS

    return Filled.of([IDS[kind] if kind else int(ids[0]), *(IDS[token] for token in rows)])


@pytest.fixture(scope="session")
def official() -> Callable[[dict[str, Any]], list[str]]:
    """What the official schema of v0.9 says against a message. Skips where the schemas are not at hand."""
    jsonschema = pytest.importorskip("jsonschema")
    referencing = pytest.importorskip("referencing")
    if not SCHEMAS.is_dir():
        pytest.skip("A2UI's schemas are not here")
    base = "https://a2ui.org/specification/v0_9/"
    found = {path.name: json.loads(path.read_text()) for path in (SCHEMAS / "v0_9/json").glob("*.json")}
    found["catalog.json"] = json.loads((SCHEMAS / "v0_9/catalogs/basic/catalog.json").read_text())
    make = referencing.Resource.from_contents
    draft = referencing.jsonschema.DRAFT202012
    registry = referencing.Registry().with_resources(
        (base + name, make(each, default_specification=draft)) for name, each in found.items()
    )

    def validator(reference: str) -> Any:
        kind = jsonschema.Draft202012Validator
        return kind({"$ref": base + reference}, registry=registry, format_checker=kind.FORMAT_CHECKER)

    whole = validator("server_to_client.json")
    parts = {name: validator(f"catalog.json#/components/{name}") for name in found["catalog.json"]["components"]}

    def faults(message: dict[str, Any]) -> list[str]:
        components = message.get("updateComponents", {}).get("components", ())
        wrong = [f"{each}: {error.message}" for each in components for error in parts[each["component"]].iter_errors(each)]
        bare = message
        if components:  # the verdict of each component is known: one is enough to check the rest of the message, much faster
            bare = {**message, "updateComponents": {**message["updateComponents"], "components": components[:1]}}
        return wrong + [error.message for error in whole.iter_errors(bare)]

    return faults
